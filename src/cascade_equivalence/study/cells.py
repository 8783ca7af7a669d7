"""Cells: what one arm answered on one task and condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade_equivalence.agreement import Interval, wilson
from cascade_equivalence.run.journal import AnswerRow
from cascade_equivalence.run.layout import GOLD_CONDITION
from cascade_equivalence.study.arms import Arm
from cascade_equivalence.tasks.parsing import INVALID, matches_alias

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


def cells_of(task: Mapping[str, Any], arm: Arm, rows: list[AnswerRow | None], conditions: Sequence[str]) -> list[Cell]:
    """Cells of one arm on one task, condition by condition. An unfinished cell holds the items answered so far."""
    items = {item["id"]: item for item in task["items"]}
    cells = []
    for condition in [GOLD_CONDITION] if arm.kind == "gold" else conditions:
        found = {row.item: row for row in rows if row and row.condition == condition}
        labels, correct = [], []
        for identifier, item in items.items():
            row = found.get(identifier)
            label, right = (None, False) if row is None else judge(task, item, row.label)
            labels.append(MISSING if label is None else label)
            correct.append(right)
        there = np.array(labels) != MISSING
        n, hits = int(there.sum()), int(np.array(correct)[there].sum())
        has_gold = any(items[i]["accepted"] for i in found)
        cells.append(
            Cell(
                task=task["name"],
                condition=condition,
                arm=arm.name,
                n=n,
                wanted=len(items),
                accuracy=wilson(hits, n) if n and has_gold else Interval(None),
                invalid=sum(row.label == INVALID for row in found.values()),
                ties=sum(row.tie for row in found.values()),
                labels=np.array(labels, dtype=np.int64),
                correct=np.array(correct, dtype=np.bool_),
            )
        )
    return cells


def judge(task: Mapping[str, Any], item: Mapping[str, Any], label: str) -> tuple[int, bool]:
    """Label index (open tasks: 0 right, 1 wrong) and correctness."""
    if task["kind"] == "open":
        right = label != INVALID and matches_alias(label, item["accepted"])
        return (-1 if label == INVALID else int(not right)), right
    index = -1 if label == INVALID else _index(task, label)
    return index, bool(item["accepted"]) and label == item["accepted"][0]


def _index(task: Mapping[str, Any], label: str) -> int:
    return int(task["labels"].index(label))


def gold_of(task: Mapping[str, Any]) -> Labels | None:
    if not all(item["accepted"] for item in task["items"]):
        return None
    if task["kind"] == "open":
        return np.zeros(len(task["items"]), dtype=np.int64)
    return np.array([_index(task, item["accepted"][0]) for item in task["items"]], dtype=np.int64)
