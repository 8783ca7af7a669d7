"""Shared mistakes: conditional error overlap with its chance level, and error Jaccard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .interval import critical, effective_size, wilson_limits

Ints = NDArray[np.int64]

# Below this many joint errors an interval says nothing (and a share next to nothing).
FEWEST_JOINT_ERRORS = 20


@dataclass(frozen=True, slots=True)
class ErrorOverlap:
    """#{left = right ≠ gold} / #{left ≠ gold and right ≠ gold}: when both err, do they make the same mistake?

    Two INVALIDs are both wrong and never the same mistake.
    """

    value: float | None
    low: float | None
    high: float | None
    joint_errors: int
    same_errors: int
    chance: float | None
    """What arms that err independently within each gold class would reach (see `chance_overlap`)."""

    def to_json(self) -> dict[str, float | int | None]:
        return {name: getattr(self, name) for name in self.__slots__}


def chance_overlap(left: Ints, right: Ints, gold: Ints, invalid: int, stratum: Ints) -> float | None:
    """The overlap expected if the arms' wrong answers were drawn independently within each gold class.

    Per gold class (and stratum), the product of the two arms' wrong-answer distributions, weighted by that
    class's joint errors. left, right, gold: (n,) codes; `invalid` is the code of INVALID. None without
    joint errors.
    """
    joint = (left != gold) & (right != gold)
    total = int(joint.sum())
    if total == 0:
        return None
    categories = invalid + 1
    cell = stratum * categories + gold
    _, cell = np.unique(cell, return_inverse=True)
    cells = int(cell.max()) + 1
    joint_per_cell = np.bincount(cell[joint], minlength=cells)

    def wrong_answers(answers: Ints) -> tuple[Ints, NDArray[np.float64]]:
        """Sparse (cell, answer) keys of wrong valid answers and their probability among the cell's errors."""
        wrong = answers != gold
        errors = np.bincount(cell[wrong], minlength=cells)
        valid = wrong & (answers != invalid)
        key, count = np.unique(cell[valid] * categories + answers[valid], return_counts=True)
        return key, count / errors[key // categories]

    left_key, left_share = wrong_answers(left)
    right_key, right_share = wrong_answers(right)
    common, i, j = np.intersect1d(left_key, right_key, assume_unique=True, return_indices=True)
    agreement = left_share[i] * right_share[j] * joint_per_cell[common // categories]
    return float(agreement.sum()) / total


def error_overlap(
    same: int, joint: int, chance: float | None, variance: float, *, units: int, clustered: bool, z: float
) -> ErrorOverlap:
    """The overlap with Wilson's limits at the effective number of joint errors.

    variance: of the share, by bootstrap; units: sampled units (items, or clusters) that hold joint errors.
    """
    if joint == 0:
        return ErrorOverlap(None, None, None, 0, 0, None)
    share = same / joint
    if joint < FEWEST_JOINT_ERRORS:
        return ErrorOverlap(share, None, None, joint, same, chance)
    z = critical(z, units if clustered else None)
    low, high = wilson_limits(share, effective_size(share, variance, units, joint), z)
    return ErrorOverlap(share, low, high, joint, same, chance)
