"""Test–retest κ: an arm's agreement with itself when only nuisances change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cascade_equivalence.agreement import Interval, compare
from cascade_equivalence.run.layout import GOLD_CONDITION
from cascade_equivalence.study.arms import Arm
from cascade_equivalence.study.records import Answer, StudyRecord, TaskRecord

NUISANCES = {"batch": "another batch size", "shift": "a shift of 10 ms", "voice": "another voice"}


@dataclass(frozen=True, slots=True)
class Retest:
    """κ of an arm's answers with its own answers under one nuisance; `note` where κ is not defined."""

    arm: str
    nuisance: str
    condition: str
    n: int
    agreement: float
    kappa: Interval
    note: str | None


def retest(
    arm: Arm,
    tasks: Sequence[TaskRecord],
    given: Mapping[str, tuple[Answer | None, ...]],
    study: StudyRecord,
) -> list[Retest]:
    """The test–retest κ of an arm under each nuisance. given: task → its first answers."""
    if arm.repeats is None:
        return []
    condition = arm.repeats.condition if arm.hears else GOLD_CONDITION
    by_name = {task.name: task for task in tasks}
    items = {(task.name, item.id): item for task in tasks for item in task.items}
    first = {
        (task, answer.item): answer.label
        for task, answers in given.items()
        for answer in answers
        if answer and answer.condition == condition
    }
    found = []
    for nuisance, repeated in arm.repeats.nuisances.items():
        pairs = [
            (
                task,
                by_name[task].code(items[task, item], first[task, item]),
                by_name[task].code(items[task, item], label),
            )
            for task, item, label in repeated
            if (task, item) in first and (task, item) in items
        ]
        if pairs:
            found.append(_estimate(arm.name, nuisance, condition, pairs, by_name, study))
    return found


def _estimate(
    arm: str,
    nuisance: str,
    condition: str,
    pairs: list[tuple[str, int, int]],
    tasks: Mapping[str, TaskRecord],
    study: StudyRecord,
) -> Retest:
    names = sorted({task for task, _, _ in pairs})
    pair = compare(
        np.array([left for _, left, _ in pairs]),
        np.array([right for _, _, right in pairs]),
        classes=max(2, *(tasks[n].classes for n in names)),
        strata=[names.index(task) for task, _, _ in pairs] if len(names) > 1 else None,
        resamples=study.resamples,
        seed=study.seed,
    )
    return Retest(arm, nuisance, condition, pair.n, pair.agreement, pair.kappa, pair.notes.get("kappa"))
