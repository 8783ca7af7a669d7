"""From the journal to results: all that a report shows. Needs no models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cascade_equivalence.agreement import GoldArm
from cascade_equivalence.run.journal import ClipRow
from cascade_equivalence.run.layout import GOLD_CONDITION
from cascade_equivalence.study.arms import Arm, matched
from cascade_equivalence.study.calibrations import kappas
from cascade_equivalence.study.cells import Cell, cells_of
from cascade_equivalence.study.choices import Column, columns_of
from cascade_equivalence.study.comparisons import Comparison, compare_arms, gold_arms_of
from cascade_equivalence.study.conditions import heard_conditions
from cascade_equivalence.study.dependence import WordsHeld, held_words
from cascade_equivalence.study.disagreements import Disagreement, disagreements_of
from cascade_equivalence.study.groups import POOLED, Cells, groups_of
from cascade_equivalence.study.hearing import Hearing, hearing_of, one_label_of
from cascade_equivalence.study.latency import Cost, costs
from cascade_equivalence.study.load import Recorded, load
from cascade_equivalence.study.mechanism.facts import Analyses
from cascade_equivalence.study.noise import (
    Change,
    NoiseReversal,
    SweepCrossing,
    changes_of,
    crossings_of,
    reversals_of,
)
from cascade_equivalence.study.orders import Orders, orders_of
from cascade_equivalence.study.records import Given, Identity, MatchGrade, StudyRecord, TaskRecord
from cascade_equivalence.study.retest import Retest, retest
from cascade_equivalence.study.word_errors import WordErrors, word_errors
from cascade_equivalence.tasks.judging import NOT_FINITE

if TYPE_CHECKING:
    from cascade_equivalence.study.answers import Answers

__all__ = [
    "POOLED",
    "Arm",
    "Cell",
    "Change",
    "Column",
    "Comparison",
    "Cost",
    "Disagreement",
    "Hearing",
    "Identity",
    "MatchGrade",
    "NoiseReversal",
    "Orders",
    "Results",
    "Retest",
    "SweepCrossing",
    "TaskRecord",
    "WordsHeld",
    "analyse",
]


@dataclass(frozen=True, slots=True)
class Results:
    """All that a report shows.

    tasks: as the study names them; those with options in another order are in `orders` alone. conditions: those under
    which the item's own sound is heard; controls are in `changes` alone, and in `cells`.
    """

    study: StudyRecord
    tasks: tuple[TaskRecord, ...]
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
    """Arm → model seconds of all its answers, as if it had run alone (shared work counted for each); not of arms that
    answer elsewhere, whose seconds would be a network's."""
    failures: tuple[str, ...]
    matches: tuple[MatchGrade, ...] = ()
    hearing: Mapping[str, Hearing] | None = None
    """Arm → its hearing check; None in journals from before there was one."""
    retests: tuple[Retest, ...] = ()
    changes: tuple[Change, ...] = ()
    reversals: tuple[NoiseReversal, ...] = ()
    crossings: tuple[SweepCrossing, ...] = ()
    orders: tuple[Orders, ...] = ()
    held_words: tuple[WordsHeld, ...] = ()
    costs: tuple[Cost, ...] = ()
    columns: tuple[Column, ...] = ()
    """What the head of a report shows: all systems on clean speech, and in the study's noise."""
    gold_arms: Mapping[str, GoldArm] = field(default_factory=dict)
    """Task → the LLM given the true text: whether the task measures anything."""
    mechanism: Mapping[str, Analyses] = field(default_factory=dict)
    """Arm → what its analyses found (`study.mechanism.results` reads it)."""
    served: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Arm behind an endpoint → what its server said it served → answers."""
    recorded: Recorded | None = field(default=None, repr=False, compare=False)
    """The run that all this was read from."""

    @property
    def controls(self) -> tuple[Change, ...]:
        """What the arms answer without the item's own sound."""
        return tuple(change for change in self.changes if change.control)

    def answers(self) -> Answers:
        """The run's answers as a table, one row an answer: list them, or `to_dicts`, `to_pandas`, `to_polars`."""
        from cascade_equivalence.study.answers import Answers, answers_of

        return Answers(()) if self.recorded is None else answers_of(self.recorded)

    def cell(self, task: str, condition: str, arm: str) -> Cell | None:
        """The cell; the gold arm's is the same under every condition."""
        for cell in self.cells:
            if (cell.task, cell.arm) == (task, arm) and cell.condition in {condition, GOLD_CONDITION}:
                return cell
        return None


def analyse(directory: Path) -> Results:
    """Analyse the journal of a run. Raises `RunError` if there is none, no answers in it, or it is damaged."""
    run = load(directory)
    study, tasks, arms = run.study, run.tasks, run.arms
    conditions = heard_conditions(tasks)
    cells = tuple(c for task in tasks for arm in arms for c in cells_of(task, arm, run.given[arm.name][task.name]))
    permuted = _permuted(tasks, run.variants, arms, run.given)
    by_group, groups = Cells(study, cells), {group.name: group for group in groups_of(tasks)}
    proofs = {arm.name: hearing_of(tasks, arm.hearing, _one_label(arm, run)) for arm in arms if arm.hearing}
    withheld = _withheld(arms, proofs)
    # Texts are compared in Python, resamples in NumPy, which lets other threads run: two processors do both at once.
    with ThreadPoolExecutor(1) as beside:
        errors = beside.submit(word_errors, conditions, arms, tasks, run.given)
        compared = compare_arms(study, tasks, arms, by_group, withheld)
        changes = changes_of(tasks, arms, by_group)
        comparisons = tuple(
            replace(c, calibrations=kappas(study, groups[c.task], arms, run.given, c)) if c.primary else c
            for c in compared
        )
    speech = {arm.name for arm in arms if arm.kind == "speech"}
    timed = costs(arms, (study.prices or {}).get("gpu_hour"))
    elsewhere = {arm.name for arm in arms if arm.elsewhere}
    return Results(
        study=study,
        tasks=tasks,
        conditions=conditions,
        arms=arms,
        environment=run.environment,
        cells=cells,
        comparisons=comparisons,
        word_errors=errors.result(),
        disagreements=disagreements_of(tasks, conditions, speech, run.given, comparisons),
        snr=_snr(run.clips),
        compute_s={
            arm: sum(answer.compute_s for answers in per.values() for answer in answers if answer)
            for arm, per in run.given.items()
            if arm not in elsewhere
        },
        failures=(*withheld.values(), *_failures(study, (*cells, *permuted.values()), run.given)),
        matches=run.matches,
        hearing=proofs if run.gated else None,
        retests=tuple(r for arm in arms for r in retest(arm, tasks, run.given[arm.name], study)),
        changes=changes,
        reversals=reversals_of(study, tasks, arms, by_group, withheld),
        crossings=crossings_of(study, tasks, arms, by_group, withheld),
        orders=orders_of(tasks, run.variants, arms, by_group, permuted),
        held_words=held_words(tasks, arms, by_group, study.seed),
        costs=timed,
        columns=columns_of(study, tasks, arms, by_group, timed, withheld),
        gold_arms=gold_arms_of(tasks, arms, by_group),
        mechanism={arm.name: arm.analyses for arm in arms if arm.analyses},
        served=_served(run.given),
        recorded=run,
    )


def load_results(directory: str | Path) -> Results:
    """What a run found, from its directory; needs no models. Raises `RunError` where there is none or it is damaged."""
    return analyse(Path(directory))


def _permuted(
    tasks: Sequence[TaskRecord], variants: Sequence[TaskRecord], arms: Sequence[Arm], given: Given
) -> dict[tuple[str, str], Cell]:
    """(variant, arm) → its cell, the labels numbered as the task itself numbers them."""
    by_name = {task.name: task for task in tasks}
    return {
        (variant.name, arm.name): cell
        for variant in variants
        if variant.variant_of
        for arm in arms
        for cell in cells_of(
            replace(by_name[variant.variant_of], name=variant.name, conditions=variant.conditions),
            arm,
            given[arm.name][variant.name],
        )
    }


def _one_label(arm: Arm, run: Recorded) -> dict[str, str]:
    """Task → the label that the gold arm on an arm's LLM gives to every item."""
    golds = [other for other in run.arms if other.kind == "gold" and matched(arm, other)]
    return one_label_of(run.tasks, run.given[golds[0].name]) if golds else {}


def _withheld(arms: tuple[Arm, ...], proofs: Mapping[str, Hearing]) -> dict[str, str]:
    """Arms whose comparisons are not shown, and why. A speech LLM that can be asked must have been through the gate."""
    found = {}
    for arm in arms:
        proof = proofs.get(arm.name)
        if proof is None and arm.kind == "speech" and not arm.looked_up:
            found[arm.name] = f"arm '{arm.name}': not shown to hear yet; run the study again to go on"
        elif proof is not None and proof.passed is False:
            found[arm.name] = f"arm '{arm.name}' does not pass the hearing check, so it is not compared: {proof.reason}"
    return found


def _served(given: Given) -> dict[str, Mapping[str, int]]:
    said = {
        arm: Counter(answer.served for answers in per.values() for answer in answers if answer and answer.served)
        for arm, per in given.items()
    }
    return {arm: dict(counts) for arm, counts in said.items() if counts}


def _snr(clips: Sequence[ClipRow]) -> dict[str, tuple[float, float, int]]:
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


def _failures(study: StudyRecord, cells: tuple[Cell, ...], given: Given) -> tuple[str, ...]:
    """Answers without numbers behind them, then cells with more invalid answers than the study allows."""
    limit = study.invalid_limit
    no_numbers = {
        (arm, task): sum(answer is not None and answer.note == NOT_FINITE for answer in answers)
        for arm, per in given.items()
        for task, answers in per.items()
    }
    return (
        *(
            f"arm '{arm}' on {task}: {count} answers are invalid, as {NOT_FINITE}: its weights or its precision "
            "overflow; use dtype: float32 or bfloat16"
            for (arm, task), count in no_numbers.items()
            if count
        ),
        *(
            f"arm '{c.arm}' on {c.task}, {c.condition}: {c.invalid} of {c.n} answers are invalid "
            f"(more than invalid_limit {limit:g}); its answers are in the report; what helps is answer: labels, "
            "choice: true on an endpoint, or plainer names of the choices"
            for c in cells
            if c.n and c.invalid / c.n > limit and not no_numbers.get((c.arm, c.task))
        ),
    )
