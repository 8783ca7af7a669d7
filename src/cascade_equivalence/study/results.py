"""From the journal to results: all that a report shows. Needs no models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cascade_equivalence.errors import RunError
from cascade_equivalence.run.journal import AnswerRow, ClipRow, Journal, ReplyRow, TranscriptRow
from cascade_equivalence.run.layout import GOLD_CONDITION, JOURNAL
from cascade_equivalence.study.arms import Arm, arms_of
from cascade_equivalence.study.cells import Cell, cells_of
from cascade_equivalence.study.comparisons import Comparison, compare_arms
from cascade_equivalence.study.conditions import heard_conditions
from cascade_equivalence.study.dependence import WordsHeld, held_words
from cascade_equivalence.study.disagreements import Disagreement, disagreements_of
from cascade_equivalence.study.groups import POOLED, Cells
from cascade_equivalence.study.hearing import Hearing, hearing
from cascade_equivalence.study.noise import (
    Change,
    NoiseReversal,
    SweepCrossing,
    changes_of,
    crossings_of,
    reversals_of,
)
from cascade_equivalence.study.orders import Orders, orders_of
from cascade_equivalence.study.retest import Retest, retest
from cascade_equivalence.study.word_errors import WordErrors, word_errors
from cascade_equivalence.tasks.parsing import matches_alias

__all__ = [
    "POOLED",
    "Arm",
    "Cell",
    "Change",
    "Comparison",
    "Disagreement",
    "Hearing",
    "MatchGrade",
    "NoiseReversal",
    "Orders",
    "Results",
    "Retest",
    "SweepCrossing",
    "WordsHeld",
    "analyse",
]


@dataclass(frozen=True, slots=True)
class MatchGrade:
    """How the language models of two arms relate."""

    left: str
    right: str
    grade: str
    equal_share: float | None
    distance: float | None
    precision: str | None
    note: str


@dataclass(frozen=True, slots=True)
class Results:
    """All that a report shows.

    tasks: as the study names them; those with options in another order are in `orders` alone. conditions: those under
    which the item's own sound is heard; controls are in `changes` alone, and in `cells`.
    """

    study: Mapping[str, Any]
    tasks: tuple[Mapping[str, Any], ...]
    conditions: tuple[str, ...]
    arms: tuple[Arm, ...]
    environment: Mapping[str, str]
    cells: tuple[Cell, ...]
    comparisons: tuple[Comparison, ...]
    word_errors: tuple[WordErrors, ...]
    disagreements: tuple[Disagreement, ...]
    snr: Mapping[str, tuple[float, float, int]]
    """Condition → smallest and largest SNR reached (dB), and how many clips were scaled against clipping."""
    compute_s: Mapping[str, float]
    """Arm → model seconds of all its answers, as if it had run alone (shared work counted for each)."""
    failures: tuple[str, ...]
    matches: tuple[MatchGrade, ...] = ()
    hearing: Mapping[str, Hearing] | None = None
    """Arm → proof of hearing; None in journals from before there was one."""
    retests: tuple[Retest, ...] = ()
    changes: tuple[Change, ...] = ()
    reversals: tuple[NoiseReversal, ...] = ()
    crossings: tuple[SweepCrossing, ...] = ()
    orders: tuple[Orders, ...] = ()
    held_words: tuple[WordsHeld, ...] = ()
    mechanism: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    """Arm → analysis → what it found (`study.mechanism.results` reads it)."""

    @property
    def controls(self) -> tuple[Change, ...]:
        """What the arms answer without the item's own sound."""
        return tuple(change for change in self.changes if change.control)

    def cell(self, task: str, condition: str, arm: str) -> Cell | None:
        """The cell; the gold arm's is the same under every condition."""
        for cell in self.cells:
            if (cell.task, cell.arm) == (task, arm) and cell.condition in {condition, GOLD_CONDITION}:
                return cell
        return None


def analyse(directory: Path) -> Results:
    """Analyse the journal of a run. Raises `RunError` if there is none, or no answers in it."""
    journal = Journal(directory / JOURNAL, create=False)
    try:
        study = journal.fact("study")
        if study is None:
            raise RunError(f"{directory}: the run has not recorded its study yet; run it first")
        recorded_tasks, wanted = journal.fact("tasks"), journal.fact("wanted")
        recorded = journal.fact("arms")
        arms = arms_of(study, recorded, journal.fact("identities"), journal.facts("latency:"))
        answers = journal.rows(AnswerRow)
        transcripts = journal.rows(TranscriptRow)
        replies = journal.rows(ReplyRow)
        clips = journal.rows(ClipRow)
        environment = journal.fact("environment", {})
        matches = tuple(MatchGrade(**match) for match in journal.fact("matches", []))
        heard = {arm.name: journal.fact(arm.hearing_key) for arm in arms if arm.hearing_key}
        inside = {name: _found(journal, arm.get("mechanism") or {}) for name, arm in (recorded or {}).items()}
        repeated = {arm.name: journal.fact(arm.retest_key) for arm in arms if arm.retest_key}
    finally:
        journal.close()
    given = {arm: {task: [answers.get(k) for k in keys] for task, keys in per.items()} for arm, per in wanted.items()}
    if not any(row for per in given.values() for rows in per.values() for row in rows):
        raise RunError(f"{directory}: no answers in the journal yet; run the study again to go on")
    # Journals from before tasks had conditions of their own name neither.
    every = [{"conditions": study["conditions"], "variant_of": None} | task for task in recorded_tasks]
    tasks, variants = [t for t in every if not t["variant_of"]], [t for t in every if t["variant_of"]]
    conditions = heard_conditions(tasks)
    cells = tuple(
        cell
        for task in tasks
        for arm in arms
        for cell in cells_of(task, arm, given[arm.name][task["name"]], task["conditions"])
    )
    permuted = _permuted(tasks, variants, arms, given)
    by_group = Cells(study, cells)
    proofs = {name: _hearing(tasks, fact) for name, fact in heard.items() if fact}
    withheld = _withheld(arms, proofs)
    comparisons = compare_arms(study, tasks, arms, by_group, withheld)
    used = {row.clip for per in given.values() for rows in per.values() for row in rows if row and row.clip}
    speech = {arm.name for arm in arms if arm.kind == "speech"}
    return Results(
        study=study,
        tasks=tuple(tasks),
        conditions=conditions,
        arms=arms,
        environment=environment,
        cells=cells,
        comparisons=comparisons,
        word_errors=word_errors(conditions, arms, tasks, given, transcripts),
        disagreements=disagreements_of(tasks, conditions, speech, given, replies, comparisons),
        snr=_snr([row for row in clips.values() if row.sha256 in used]),
        compute_s={arm: _seconds(per, replies, transcripts) for arm, per in given.items()},
        failures=(*withheld.values(), *_failures(study, (*cells, *permuted.values()))),
        matches=matches,
        hearing=None if recorded is None else proofs,
        retests=tuple(r for arm in arms for r in retest(arm, repeated.get(arm.name), tasks, given[arm.name], study)),
        changes=changes_of(tasks, arms, by_group),
        reversals=reversals_of(study, tasks, arms, by_group, withheld),
        crossings=crossings_of(study, tasks, arms, by_group, withheld),
        orders=orders_of(tasks, variants, arms, by_group, permuted),
        held_words=held_words(tasks, arms, by_group, study["seed"]),
        mechanism=inside,
    )


def _permuted(
    tasks: list[dict[str, Any]],
    variants: list[dict[str, Any]],
    arms: tuple[Arm, ...],
    given: Mapping[str, Mapping[str, list[AnswerRow | None]]],
) -> dict[tuple[str, str], Cell]:
    """(variant, arm) → its cell, the labels numbered as the task itself numbers them."""
    by_name = {task["name"]: task for task in tasks}
    return {
        (variant["name"], arm.name): cell
        for variant in variants
        for arm in arms
        for cell in cells_of(
            by_name[variant["variant_of"]] | {"name": variant["name"]},
            arm,
            given[arm.name][variant["name"]],
            variant["conditions"],
        )
    }


def _found(journal: Journal, keys: Mapping[str, str]) -> dict[str, Any]:
    """Analysis → its fact, of those that have run."""
    return {name: fact for name, key in keys.items() if (fact := journal.fact(key)) is not None}


def _hearing(tasks: list[Mapping[str, Any]], fact: Mapping[str, Any]) -> Hearing:
    """The heard-gate on the trials that a run has kept."""
    items = {(task["name"], item["id"]): (task, item) for task in tasks for item in task["items"]}
    trials = [items[trial["task"], trial["item"]] for trial in fact["trials"]]
    correct = None
    if all(item["accepted"] for _, item in trials):
        correct = {
            name: [_right(task, item, label) for (task, item), label in zip(trials, labels, strict=True)]
            for name, labels in fact["labels"].items()
        }
    return hearing(fact["labels"], fact["moved"], correct)


def _right(task: Mapping[str, Any], item: Mapping[str, Any], label: str) -> bool:
    return matches_alias(label, item["accepted"]) if task["kind"] == "open" else label == item["accepted"][0]


def _withheld(arms: tuple[Arm, ...], proofs: Mapping[str, Hearing]) -> dict[str, str]:
    """Arms whose comparisons are not shown, and why. A speech LLM must have been through the gate."""
    found = {}
    for arm in arms:
        proof = proofs.get(arm.name)
        if proof is None and arm.kind == "speech":
            found[arm.name] = f"arm '{arm.name}': not shown to hear yet; run the study again to go on"
        elif proof is not None and proof.passed is False:
            found[arm.name] = f"arm '{arm.name}' does not pass the heard-gate, so it is not compared: {proof.reason}"
    return found


def _snr(clips: list[ClipRow]) -> dict[str, tuple[float, float, int]]:
    by_condition: dict[str, list[ClipRow]] = {}
    for row in clips:
        if row.snr_db is not None:
            by_condition.setdefault(row.condition, []).append(row)
    return {
        condition: (
            min(r.snr_db for r in rows if r.snr_db is not None),
            max(r.snr_db for r in rows if r.snr_db is not None),
            sum(r.scale != 1.0 for r in rows),
        )
        for condition, rows in by_condition.items()
    }


def _seconds(
    per: Mapping[str, list[AnswerRow | None]],
    replies: Mapping[str, ReplyRow],
    transcripts: Mapping[str, TranscriptRow],
) -> float:
    rows = [row for found in per.values() for row in found if row]
    return sum(replies[row.reply].compute_s for row in rows) + sum(
        transcripts[row.transcript].compute_s for row in rows if row.transcript
    )


def _failures(study: Mapping[str, Any], cells: tuple[Cell, ...]) -> tuple[str, ...]:
    """Cells with more invalid answers than the study allows."""
    limit = study["invalid_limit"]
    return tuple(
        f"arm '{c.arm}' on {c.task}, {c.condition}: {c.invalid} of {c.n} answers are invalid "
        f"(more than invalid_limit {limit:g}); look at its answers, its prompt, or answer: labels"
        for c in cells
        if c.n and c.invalid / c.n > limit
    )
