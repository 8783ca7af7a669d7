"""What each condition does to the arms: beside their own clean answers, and beside each other."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

from cascade_equivalence.agreement import Crossing, Interval, Reversal, crossing, reversal, wilson
from cascade_equivalence.study.arms import Arm, matched, pairs_of
from cascade_equivalence.study.conditions import CLEAN, is_control, sweeps
from cascade_equivalence.study.groups import Cells, Group, answered, correct, groups_of
from cascade_equivalence.study.records import StudyRecord, TaskRecord


@dataclass(frozen=True, slots=True)
class Change:
    """One arm on one task (or POOLED) under a condition, beside its own answers to clean audio.

    accuracy: under the condition. unchanged: share of answers that are those to clean audio; kappa: the same as κ.
    drop: accuracy clean − under the condition, paired (the paper's noise drop). All of them undefined where the task
    has no clean answers, or no gold labels; note: why kappa is.
    """

    task: str
    condition: str
    arm: str
    n: int
    accuracy: Interval
    unchanged: Interval
    kappa: Interval
    drop: Interval
    note: str | None = None

    @property
    def control(self) -> bool:
        """Whether the condition takes the item's own sound away."""
        return is_control(self.condition)


@dataclass(frozen=True, slots=True)
class NoiseReversal:
    """How the accuracy difference of a speech LLM and a cascade changes from clean audio to a condition.

    family: the cascade is on the speech LLM's own language model.
    """

    task: str
    condition: str
    left: str
    right: str
    family: bool
    found: Reversal


@dataclass(frozen=True, slots=True)
class SweepCrossing:
    """The SNR at which the accuracy difference of a speech LLM and a cascade reverses in one kind of noise."""

    task: str
    kind: str
    levels: tuple[float, ...]
    left: str
    right: str
    family: bool
    found: Crossing


def changes_of(tasks: Sequence[TaskRecord], arms: Sequence[Arm], cells: Cells) -> tuple[Change, ...]:
    """Every arm that hears, under every condition but clean; controls too, the reason for having them."""
    groups = groups_of(tasks)
    # From the last, the largest, backwards: its weights are those that the comparisons used last.
    found = {
        group.name: [
            change
            for arm in arms
            for condition in (group.conditions if arm.hears else ())
            if condition != CLEAN and (change := _change(group, condition, arm.name, cells))
        ]
        for group in reversed(groups)
    }
    return tuple(change for group in groups for change in found[group.name])


def _change(group: Group, condition: str, arm: str, cells: Cells) -> Change | None:
    here = cells.of(group, condition, arm)
    clean = cells.of(group, CLEAN, arm) if CLEAN in group.conditions else None
    pair = cells.pair(group, clean, here)
    if pair is not None:
        accuracy, none = pair.accuracy, Interval(None)
        return Change(
            task=group.name,
            condition=condition,
            arm=arm,
            n=pair.n,
            accuracy=accuracy.right if accuracy else none,
            unchanged=wilson(round(pair.agreement * pair.n), pair.n),
            kappa=pair.kappa,
            drop=accuracy.difference if accuracy else none,
            note=pair.notes.get("kappa"),
        )
    if here is None or len(here) > 1 or not here[0].n:
        return None
    none, note = Interval(None), "no answers to clean audio"
    return Change(group.name, condition, arm, here[0].n, here[0].accuracy, none, none, none, note)


def _against_cascades(study: StudyRecord, arms: tuple[Arm, ...], withheld: Container[str]) -> list[tuple[Arm, Arm]]:
    return [
        (left, right)
        for left, right in pairs_of(study.comparisons, arms)
        if (left.kind, right.kind) == ("speech", "cascade") and left.name not in withheld and right.name not in withheld
    ]


def reversals_of(
    study: StudyRecord,
    tasks: Sequence[TaskRecord],
    arms: tuple[Arm, ...],
    cells: Cells,
    withheld: Container[str] = (),
) -> tuple[NoiseReversal, ...]:
    """Every compared speech LLM and cascade, on tasks with gold labels and clean audio."""
    found = []
    for group in _with_clean(tasks):
        for left, right in _against_cascades(study, arms, withheld):
            for condition in group.conditions:
                if condition == CLEAN or is_control(condition):
                    continue
                sides = [cells.of(group, c, arm.name) for c in (CLEAN, condition) for arm in (left, right)]
                present = [side for side in sides if side is not None]
                kept = answered(*present) if len(present) == len(sides) else []
                if not kept:
                    continue
                clusters, _, _ = cells.weights(group, kept)
                change = reversal(*(correct(side, kept) for side in present), clusters=clusters)
                found.append(NoiseReversal(group.name, condition, left.name, right.name, matched(left, right), change))
    return tuple(found)


def crossings_of(
    study: StudyRecord,
    tasks: Sequence[TaskRecord],
    arms: tuple[Arm, ...],
    cells: Cells,
    withheld: Container[str] = (),
) -> tuple[SweepCrossing, ...]:
    """Every compared speech LLM and cascade, on tasks with gold labels, in every noise with two levels or more."""
    found = []
    for group in groups_of(tasks):
        if not all(task.has_gold for task in group.tasks):
            continue
        for left, right in _against_cascades(study, arms, withheld):
            for sweep in sweeps(group.conditions):
                levels = [*([CLEAN] if CLEAN in group.conditions else []), *sweep.conditions]
                sides = [[cells.of(group, c, arm.name) for arm in (left, right)] for c in levels]
                present = [side for pair in sides for side in pair if side is not None]
                kept = answered(*present) if len(present) == 2 * len(levels) else []
                if not kept:
                    continue
                right_answers = [correct(side, kept) for side in present]
                differences = [a - b for a, b in zip(right_answers[::2], right_answers[1::2], strict=True)]
                _, _, weights = cells.weights(group, kept)
                found.append(
                    SweepCrossing(
                        group.name, sweep.kind, sweep.snr, left.name, right.name, matched(left, right),
                        crossing(
                            sweep.snr,
                            list(zip(*differences[-len(sweep.snr) :], strict=True)),
                            differences[0] if len(levels) > len(sweep.snr) else None,
                            weights=weights,
                        ),
                    )
                )  # fmt: skip
    return tuple(found)


def _with_clean(tasks: Sequence[TaskRecord]) -> list[Group]:
    return [
        group for group in groups_of(tasks) if CLEAN in group.conditions and all(task.has_gold for task in group.tasks)
    ]
