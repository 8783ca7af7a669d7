"""From a raw reply to a label: a pure function, so that a better parser needs no model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cascade_equivalence.errors import RunError
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.kinds import KINDS
from cascade_equivalence.tasks.parsing import INVALID
from cascade_equivalence.tasks.task import Task

Scores = Sequence[float | None]
NOT_FINITE = "a label's score is no finite number"
"""Why an answer is INVALID that NaN or an infinity stands behind, as an overflow in half precision gives."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A label, whether the best two were equal after calibration and before it, and why it is INVALID where it is."""

    label: str
    tie: bool = False
    raw_tie: bool = False
    note: str | None = None


def judge(
    task: Task, item: Item, scores: Scores | None, text: str | None, ended: str, offsets: Sequence[float] | None
) -> Judged:
    """The label that a reply gives.

    scores: of the item's choices, None where one was no finite number; the highest after subtracting `offsets` wins,
    the first of equal ones. text: what was said, or why nothing was (`ended` refused). Raises `RunError` where there
    are not as many scores as choices.
    """
    if ended == "refused":
        return Judged(INVALID, note=f"refused: {text or 'no reason given'}")
    if scores is not None:
        return _highest(item, scores, offsets)
    label = KINDS[task.form.kind].parse(text or "", task.form.choices(item))
    return Judged(label, note="names no label" if label == INVALID else None)


def _highest(item: Item, scores: Scores, offsets: Sequence[float] | None) -> Judged:
    if len(scores) != len(item.choices):
        raise RunError(f"item '{item.id}': {len(scores)} scores for {len(item.choices)} choices; delete the journal")
    known = [score for score in scores if score is not None and math.isfinite(score)]
    if len(known) < len(scores):
        return Judged(INVALID, note=NOT_FINITE)
    calibrated = [s - o for s, o in zip(known, offsets or [0.0] * len(known), strict=True)]
    best = max(calibrated)
    label = item.choices[calibrated.index(best)].label
    return Judged(label, calibrated.count(best) > 1, known.count(max(known)) > 1)
