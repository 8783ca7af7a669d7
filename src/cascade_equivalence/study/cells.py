"""Cells: what one arm answered on one task and condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cascade_equivalence.agreement import Interval, wilson
from cascade_equivalence.run.layout import GOLD_CONDITION
from cascade_equivalence.study.arms import Arm
from cascade_equivalence.study.records import Answer, TaskRecord
from cascade_equivalence.tasks.parsing import INVALID

Labels = NDArray[np.int64]

MISSING = -2
"""In `Cell.labels`: not answered yet."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One arm on one task and condition. `labels`: index of the label given, −1 INVALID, shape (n,)."""

    task: str
    condition: str
    arm: str
    n: int
    wanted: int
    accuracy: Interval
    invalid: int
    ties: int
    labels: Labels = field(repr=False)
    correct: NDArray[np.bool_] = field(repr=False)


def cells_of(task: TaskRecord, arm: Arm, answers: Sequence[Answer | None]) -> list[Cell]:
    """Cells of one arm on one task, condition by condition. An unfinished cell holds the items answered so far."""
    cells = []
    by_condition: dict[str, dict[str, Answer]] = {}
    for answer in answers:
        if answer:
            by_condition.setdefault(answer.condition, {})[answer.item] = answer
    for condition in [GOLD_CONDITION] if arm.kind == "gold" else task.conditions:
        by_item = by_condition.get(condition, {})
        said = [(item, by_item.get(item.id)) for item in task.items]
        labels = [MISSING if answer is None else task.code(item, answer.label) for item, answer in said]
        correct = [answer is not None and bool(task.right(item, answer.label)) for item, answer in said]
        n = sum(label != MISSING for label in labels)
        has_gold = any(item.accepted for item, answer in said if answer)
        cells.append(
            Cell(
                task=task.name,
                condition=condition,
                arm=arm.name,
                n=n,
                wanted=len(task.items),
                accuracy=wilson(sum(correct), n) if n and has_gold else Interval(None),
                invalid=sum(answer.label == INVALID for answer in by_item.values()),
                ties=sum(answer.tie for answer in by_item.values()),
                labels=np.array(labels, dtype=np.int64),
                correct=np.array(correct, dtype=np.bool_),
            )
        )
    return cells


def gold_of(task: TaskRecord) -> Labels | None:
    """Gold labels of a task, shape (n,); None unless every item has one."""
    gold = task.gold
    return None if gold is None else np.array(gold, dtype=np.int64)
