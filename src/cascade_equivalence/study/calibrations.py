"""κ of two arms under other calibrations of their label scores, from the raw scores that a run keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from cascade_equivalence.agreement import Interval
from cascade_equivalence.study.arms import Arm
from cascade_equivalence.study.cells import Cell, cells_of
from cascade_equivalence.study.comparisons import Comparison
from cascade_equivalence.study.groups import Cells, Group
from cascade_equivalence.study.records import Answer, Given, ItemRecord, StudyRecord, TaskRecord

KINDS = ("none", "own")
"""none: the best raw score. own: less the arm's own mean of each label over the task's items as it heard them; gold
labels are not looked at."""


def kappas(
    study: StudyRecord, group: Group, arms: Sequence[Arm], given: Given, comparison: Comparison
) -> dict[str, Interval]:
    """Calibration → κ of a comparison's arms, 95 % bootstrap of the same items; empty where labels were generated."""
    sides = [arm for arm in arms if arm.name in (comparison.left, comparison.right)]
    found: dict[str, Interval] = {}
    for kind in KINDS:
        cells: list[Cell] = []
        for arm in sides:
            for task in group.tasks:
                answers = [a for a in given[arm.name][task.name] if a and a.condition == comparison.condition]
                relabelled = _relabelled(task, answers, kind)
                if relabelled is None:
                    return {}
                cells += [c for c in cells_of(task, arm, relabelled) if c.condition == comparison.condition]
        by_group = Cells(study, cells)
        pair = by_group.pair(
            group, *(by_group.of(group, comparison.condition, name) for name in (comparison.left, comparison.right))
        )
        if pair is None:
            return {}
        found[kind] = pair.kappa
    return found


def _relabelled(task: TaskRecord, answers: Sequence[Answer], kind: str) -> list[Answer] | None:
    """The answers as their raw scores would have them; None where one has no finite scores for its choices."""
    items: Mapping[str, ItemRecord] = {item.id: item for item in task.items}
    kept = [answer for answer in answers if answer.item in items]
    scores = [_finite(answer, items[answer.item]) for answer in kept]
    if not kept or any(row is None for row in scores) or len({len(row or ()) for row in scores}) > 1:
        return None
    table = np.array(scores, dtype=float)
    if kind == "own":
        table = table - table.mean(0)
    return [
        replace(answer, label=items[answer.item].choices[int(best)])
        for answer, best in zip(kept, table.argmax(1), strict=True)
    ]


def _finite(answer: Answer, item: ItemRecord) -> tuple[float, ...] | None:
    scores = answer.scores or ()
    known = tuple(score for score in scores if score is not None and np.isfinite(score))
    return known if known and len(known) == len(item.choices) else None
