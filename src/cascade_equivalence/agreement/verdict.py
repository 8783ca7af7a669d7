"""The verdict on two systems: one rule, in two parts.

D is the accuracy of left − right with its one-sided 95 % bounds L and U, m the margin; κ_ref is the ceiling, gL and gU
the one-sided 95 % bounds of κ_ref − κ, and ε = 0.05.
- accuracy: better (L > m), worse (U < −m), same (−m < L and U < m), else open.
- answers: same (gU ≤ ε), other (gL > ε), else open; not judged where there is no ceiling that can carry it.
The name and kind follow from the two; `better` answers the one-sided question "is it more than a cascade?".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from . import verdict_words
from .gold_arm import GoldArm
from .kinds import Kind, Name, kind_of, name_of
from .needed import items_needed
from .parts import EPSILON, AccuracyPart, AnswersPart, Better, accuracy_part, answers_part

if TYPE_CHECKING:
    from .pair import PairAgreement

FEWEST_UNITS = 20
"""With fewer items (or clusters of items) there are figures and no verdict."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rule says of a pair. Its words are in `verdict_words`."""

    name: Name | None
    """None where there is no verdict; `why_none` says why."""
    kind: Kind | None
    better: Better | None
    """Is left more than right: better by more than the margin?"""
    accuracy: AccuracyPart | None = None
    """None without gold labels."""
    answers: AnswersPart | None = None
    why_none: str | None = None
    items_needed: int | None = None
    """How many new items, judged on their own, would decide an undecided pair (80 % power if what was seen is true)."""
    towards: Kind | None = None
    """The kind that so many items would show."""
    p: float | None = None
    """p of the statements that the kind makes, the larger where it makes two: the test of their union null.
    Berger (1982), Technometrics 24, 295-300. 1 where it makes none."""
    p_adjusted: float | None = None
    """`p` adjusted for the number of primary pairs; None for a pair that is none of them (exploratory)."""
    family: int | None = None
    """How many primary pairs were adjusted together."""
    unadjusted: Kind | None = None
    """The kind before adjustment, where that demoted it."""
    so_far: Kind | None = None
    """The kind that would stand if an interim look were the planned one."""
    opaque: bool = False
    """Whether the systems' language models cannot be compared, as one of them is not known."""

    @property
    def interim(self) -> bool:
        """Whether planned trials are still to come."""
        return self.so_far is not None

    @property
    def reason(self) -> str:
        """The verdict's figures in one line."""
        return verdict_words.reason(self)

    def to_json(self) -> dict[str, object]:
        """The contract's keys first; further ones follow."""
        return {
            "name": self.name,
            "kind": self.kind,
            "better": self.better,
            "reason": self.reason,
            "accuracy": None if self.accuracy is None else self.accuracy.to_json(),
            "answers": None if self.answers is None else self.answers.to_json(),
            "items_needed": self.items_needed,
            "towards": self.towards,
            "p": self.p,
            "p_adjusted": self.p_adjusted,
            "family": self.family,
            "unadjusted": self.unadjusted,
            "so_far": self.so_far,
            "opaque": self.opaque,
        }


def verdict(
    pair: PairAgreement,
    ceiling: PairAgreement | float | None = None,
    *,
    epsilon: float = EPSILON,
    gold_arm: GoldArm | None = None,
    interim: bool = False,
    opaque: bool = False,
) -> Verdict:
    """The verdict on `pair`, whose left is the speech LLM and whose right is the cascade.

    ceiling: the comparison of that cascade (left) with the most accurate other cascade on its language model (right),
    on the same items and made with the same `Resamples`; or a known κ; or None. gold_arm: the arm that reads the gold
    transcript; where it does not beat chance and the majority class there is no verdict. interim: not all planned
    trials are done. opaque: see `Verdict`. Raises ValueError on a ceiling with other `Resamples`.
    """
    accuracy, answers = accuracy_part(pair), answers_part(pair, ceiling, epsilon)
    figures = Verdict(None, None, None, accuracy, answers, opaque=opaque)
    units = pair.n if pair.clusters is None else pair.clusters
    if units < FEWEST_UNITS:
        of = "items" if pair.clusters is None else "groups of items"
        return replace(figures, why_none=f"{units} {of} are too few for a verdict (at least {FEWEST_UNITS})")
    if gold_arm is not None and not gold_arm.measures:
        return replace(figures, why_none=gold_arm.reason)
    if accuracy is None and answers.name == "not judged":
        return replace(figures, why_none=f"no gold labels, and the answers are not judged: {answers.why}")
    kind = kind_of(None if accuracy is None else accuracy.name, answers.name)
    if interim:
        return replace(figures, why_none="interim: not all planned trials are done", so_far=kind)
    name = name_of(kind, accuracy is not None)
    needed, towards = items_needed(pair, ceiling, epsilon) if name == "undecided" else (None, None)
    return replace(
        figures,
        name=name,
        kind=kind,
        better="open" if accuracy is None else accuracy.better,
        items_needed=needed,
        towards=towards,
        p=_p(kind, accuracy, answers),
    )


def _p(kind: Kind, accuracy: AccuracyPart | None, answers: AnswersPart) -> float:
    """p of the statements that a kind makes; of an open one "not better", where it says so."""
    parts = []
    if accuracy is not None:
        if kind == "better":
            parts.append(accuracy.p_better)
        elif kind == "worse":
            parts.append(accuracy.p_worse)
        elif accuracy.name == "same":
            parts.append(accuracy.p_same)
        elif kind == "open" and accuracy.better == "no":
            parts.append(accuracy.p_not_better)
    if kind in ("same", "same answers") and answers.p_same is not None:
        parts.append(answers.p_same)
    elif kind.startswith("other answers") and answers.p_other is not None:
        parts.append(answers.p_other)
    return max(parts, default=1.0)
