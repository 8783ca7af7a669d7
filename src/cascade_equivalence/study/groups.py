"""Tasks as they are evaluated: each alone, and the closed text-sufficient ones pooled; and pairs of cells on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cascade_equivalence.agreement import LabelShift, PairAgreement, Resamples, compare, label_shift
from cascade_equivalence.run.layout import GOLD_CONDITION
from cascade_equivalence.study.cells import MISSING, Cell, Labels, gold_of
from cascade_equivalence.study.records import StudyRecord, TaskRecord

POOLED = "pooled"
"""Name of the union of the closed text-sufficient tasks, stratified by task."""

_MOST_KEPT = 2


@dataclass(frozen=True, slots=True)
class Group:
    """One task, or several pooled, with the conditions that all of them were run under."""

    name: str
    tasks: tuple[TaskRecord, ...]
    conditions: tuple[str, ...]


def groups_of(tasks: Sequence[TaskRecord]) -> list[Group]:
    """Every task, and the pool where two tasks or more are in it.

    A condition that one of them lacks is not the pool's: pooled results rest on the same items under all conditions.
    """
    pool = [t for t in tasks if t.pools]
    groups = [Group(t.name, (t,), t.conditions) for t in tasks]
    if len(pool) > 1:
        shared = tuple(c for c in pool[0].conditions if all(c in t.conditions for t in pool))
        groups.append(Group(POOLED, tuple(pool), shared))
    return groups


class Cells:
    """The cells of a study, and the statistics of two of them on a group.

    The bootstrap weights depend on the items alone, so all pairs on the same items share them and are paired: the last
    few that were drawn are kept.
    """

    def __init__(self, study: StudyRecord, cells: Sequence[Cell]) -> None:
        self.study = study
        self._by_key = {(c.task, c.condition, c.arm): c for c in cells}
        self._weights: dict[tuple[object, ...], tuple[Labels | None, Labels | None, Resamples]] = {}
        self._golds: dict[str, Labels | None] = {}

    def of(self, group: Group, condition: str, arm: str) -> list[Cell] | None:
        """An arm's cells on a group, the gold arm's under any condition; None where it was not run there."""
        found = [
            self._by_key.get((t.name, condition, arm)) or self._by_key.get((t.name, GOLD_CONDITION, arm))
            for t in group.tasks
        ]
        return None if any(cell is None for cell in found) else [cell for cell in found if cell is not None]

    def pair(self, group: Group, left: list[Cell] | None, right: list[Cell] | None) -> PairAgreement | None:
        """Two cells on the items both have answered; labels of different tasks are compared within their task only."""
        if left is None or right is None or not (both := answered(left, right)):
            return None
        golds = [self._gold(task) for task in group.tasks]
        gold = None
        if all(g is not None for g in golds):
            gold = np.concatenate([g[keep] for g, keep in zip(golds, both, strict=True) if g is not None])
        classes = max(task.classes for task in group.tasks)
        clusters, strata, weights = self.weights(group, both)
        pair = compare(
            _joined([cell.labels for cell in left], both),
            _joined([cell.labels for cell in right], both),
            gold,
            classes=classes,
            clusters=clusters,
            strata=strata,
            weights=weights,
            margin=self.study.margin,
        )
        pair = replace(pair, replicates=pair.replicates.of_kappa())
        if classes > 2 and any(task.classes < 3 for task in group.tasks):
            note = "not defined: with two labels, two wrong answers are always the same one"
            pair = replace(
                pair,
                error_overlap=replace(pair.error_overlap, value=None, low=None, high=None, chance=None),
                notes={**pair.notes, "error_overlap": note},
            )
        return pair

    def shift(self, group: Group, left: list[Cell] | None, right: list[Cell] | None) -> LabelShift | None:
        """How much of what two cells differ in is a shift of labels; on the items both have answered."""
        if left is None or right is None or not (both := answered(left, right)):
            return None
        return label_shift(
            _joined([cell.labels for cell in left], both),
            _joined([cell.labels for cell in right], both),
            classes=max([2, *(task.classes for task in group.tasks)]),
            strata=np.concatenate([np.full(int(keep.sum()), i) for i, keep in enumerate(both)]),
        )

    def clusters(self, group: Group, kept: Sequence[NDArray[np.bool_]]) -> Labels | None:
        """Codes of what the `kept` items belong to, shape (n,); None where each stands alone."""
        units = _units(group, kept)
        return np.unique(units, return_inverse=True)[1] if len(set(units)) < len(units) else None

    def weights(
        self, group: Group, kept: Sequence[NDArray[np.bool_]]
    ) -> tuple[Labels | None, Labels | None, Resamples]:
        """Clusters, strata and bootstrap weights of the items of a group that are `kept` (task by task)."""
        key = (*(task.name for task in group.tasks), *(keep.tobytes() for keep in kept))
        if key not in self._weights:
            while len(self._weights) >= _MOST_KEPT:
                del self._weights[next(iter(self._weights))]
            strata = np.concatenate([np.full(int(keep.sum()), i) for i, keep in enumerate(kept)])
            clusters, layers = self.clusters(group, kept), strata if len(group.tasks) > 1 else None
            drawn = Resamples.draw(
                len(strata),
                resamples=self.study.resamples,
                seed=self.study.seed,
                clusters=clusters,
                strata=layers,
            )
            self._weights[key] = clusters, layers, drawn
        return self._weights[key]

    def _gold(self, task: TaskRecord) -> Labels | None:
        if task.name not in self._golds:
            self._golds[task.name] = gold_of(task)
        return self._golds[task.name]


def _units(group: Group, kept: Sequence[NDArray[np.bool_]]) -> list[str]:
    """What each of the `kept` items belongs to: its group, or itself."""
    return [
        f"{i}/{item.group or item.id}"
        for i, (task, keep) in enumerate(zip(group.tasks, kept, strict=True))
        for item, there in zip(task.items, keep, strict=True)
        if there
    ]


def answered(*sides: Sequence[Cell]) -> list[NDArray[np.bool_]]:
    """Task by task, (n,) which items every side has answered; empty where a task has none."""
    kept = [np.all([cell.labels != MISSING for cell in cells], axis=0) for cells in zip(*sides, strict=True)]
    return kept if all(keep.any() for keep in kept) else []


def correct(cells: Sequence[Cell], kept: Sequence[NDArray[np.bool_]]) -> NDArray[np.int64]:
    """Whether each of the `kept` items was answered right, 0 or 1."""
    return np.concatenate([cell.correct[keep] for cell, keep in zip(cells, kept, strict=True)]).astype(np.int64)


def _joined(labels: Sequence[Labels], kept: Sequence[NDArray[np.bool_]]) -> Labels:
    return np.concatenate([label[keep] for label, keep in zip(labels, kept, strict=True)])
