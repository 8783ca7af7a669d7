"""What stands before any comparison: match of language models, hearing check, test–retest κ, ceiling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cascade_equivalence.report.arms import ordered
from cascade_equivalence.study.hearing import Hearing
from cascade_equivalence.study.results import POOLED, Arm, Comparison, Identity, MatchGrade, Results
from cascade_equivalence.study.retest import NUISANCES, Retest

GATE = (
    "share of trials on which label scores moved and the answer changed when it got another item's audio, silence, "
    "or no audio at all; an arm hears if with another item's audio scores move on more than 10 % of the trials (lower "
    "95 % Wilson bound; of texts: more change than by themselves) and answers change on more than 5 %, or fewer are "
    "right"
)
NO_GATE = "this journal is from before the hearing check: run the study again to have it"


@dataclass(frozen=True, slots=True)
class Proof:
    """One arm's hearing check; `found` is None where it is still to come. word: hears, does not hear, not shown."""

    arm: str
    found: Hearing | None
    word: str


@dataclass(frozen=True, slots=True)
class SelfAgreement:
    """One arm's test–retest κ by nuisance, in the order of `nuisances()`; None where it does not apply."""

    arm: str
    by_nuisance: tuple[Retest | None, ...]


def proofs(results: Results) -> list[Proof]:
    """The proof of every arm that gets audio."""
    if results.hearing is None:
        return []
    words = {True: "hears", False: "does not hear", None: "not shown"}
    rows = []
    for arm in ordered(results):
        if arm.hears:
            found = results.hearing.get(arm.name)
            without = "answers from a file: cannot be checked" if arm.looked_up else "not run yet"
            rows.append(Proof(arm.name, found, words[found.passed] if found else without))
    return rows


@dataclass(frozen=True, slots=True)
class Matches:
    """The arms whose LLM relates in one way to that of a speech LLM."""

    arm: str
    others: tuple[str, ...]
    found: MatchGrade


def matches(results: Results) -> list[Matches]:
    """Match grades, arms of one grade together."""
    groups: dict[tuple[object, ...], list[MatchGrade]] = {}
    for match in results.matches:
        groups.setdefault((match.left, match.grade, match.equal_share, match.note), []).append(match)
    return [Matches(group[0].left, tuple(m.right for m in group), group[0]) for group in groups.values()]


def nuisances() -> Mapping[str, str]:
    """Key → words."""
    return NUISANCES


def self_agreements(results: Results) -> list[SelfAgreement]:
    """Test–retest κ arm by arm; empty where no arm was asked twice."""
    found = {(r.arm, r.nuisance): r for r in results.retests}
    rows = [
        SelfAgreement(arm.name, tuple(found.get((arm.name, name)) for name in NUISANCES)) for arm in ordered(results)
    ]
    return [row for row in rows if any(row.by_nuisance)]


def ceilings(results: Results) -> list[Comparison]:
    """The ceilings: of the pooled tasks where there are several, else of each."""
    found = [c for c in results.comparisons if c.ceiling]
    return [c for c in found if c.task == POOLED] or found


def flattered(results: Results) -> list[tuple[str, str]]:
    """(speech LLM, cascade) that are compared and hear through the same encoder weights."""
    arms = {arm.name: arm for arm in results.arms}
    pairs = dict.fromkeys((c.left, c.right) for c in results.comparisons if c.family)
    return [(a, b) for a, b in pairs if arms[a].encoder and arms[a].encoder == arms[b].encoder]


def flattery(results: Results) -> list[str]:
    """A sentence for each."""
    return [
        f"{speech} hears through the same encoder as the ASR of {cascade}: both inherit its errors, so their κ is "
        "inflated."
        for speech, cascade in flattered(results)
    ]


def parts_of(arm: Arm) -> list[tuple[str, Identity]]:
    """The models of an arm in the order that audio meets them."""
    heard = [(role, arm.parts[role]) for role in ("encoder", "connector") if role in arm.parts]
    if arm.kind == "speech" and arm.llm is None and arm.speech:
        return [("whole", arm.speech)]
    first = heard if arm.kind == "speech" else [("ASR", arm.asr)] if arm.asr else []
    return [*first, *([("LLM", arm.llm)] if arm.llm else [])]
