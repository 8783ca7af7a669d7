"""Agreement as one matrix: tasks and conditions down, pairs of arms across."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cascade_equivalence.report.arms import ordered_comparisons
from cascade_equivalence.report.curves import in_noise_order
from cascade_equivalence.study.results import POOLED, Comparison, Results


@dataclass(frozen=True, slots=True)
class Pair:
    """A column. ceiling: two cascades on one LLM."""

    left: str
    right: str
    ceiling: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A task (or POOLED) under a condition; cells in the order of the columns, None where a pair was not compared."""

    task: str
    condition: str
    cells: tuple[Comparison | None, ...]
    first: bool


@dataclass(frozen=True, slots=True)
class Matrix:
    """pairs: speech LLMs by cascades and others that are judged, then ceilings; without any of these, all."""

    pairs: tuple[Pair, ...]
    rows: tuple[Row, ...]


def matrix(results: Results) -> Matrix | None:
    """The matrix of a study, the pooled tasks first; None where no two arms were compared."""
    compared = ordered_comparisons(results)
    shown = [c for c in compared if c.verdict is not None or c.ceiling] or compared
    judged = {(c.left, c.right) for c in shown if c.verdict is not None}
    pairs = dict.fromkeys(
        Pair(c.left, c.right, c.ceiling and (c.left, c.right) not in judged) for c in _ceilings_last(shown)
    )
    if not pairs:
        return None
    found = {(c.task, c.condition, c.left, c.right): c for c in shown}
    tasks = dict.fromkeys([*(c.task for c in shown if c.task == POOLED), *(c.task for c in shown)])
    rows: list[Row] = []
    for task in tasks:
        for condition in in_noise_order(results.conditions):
            cells = tuple(found.get((task, condition, pair.left, pair.right)) for pair in pairs)
            if any(cells):
                rows.append(Row(task, condition, cells, not rows or rows[-1].task != task))
    return Matrix(tuple(pairs), tuple(rows))


def _ceilings_last(compared: Sequence[Comparison]) -> list[Comparison]:
    return sorted(compared, key=lambda c: c.verdict is None and c.ceiling)
