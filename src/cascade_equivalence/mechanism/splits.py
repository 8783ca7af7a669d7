"""Splits by utterance or speaker, and the checks that every probe makes of its input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade_equivalence.errors import AnalysisError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Split:
    """Row numbers of either side; no group is on both."""

    train: Ints
    test: Ints


def split_by_group(groups: NDArray[Any], share: float, seed: int) -> Split:
    """Hold out whole groups (utterances, or speakers where they are known) until `share` of the rows is reached.

    Raises `AnalysisError` for fewer than two groups.
    """
    names, index = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        raise AnalysisError("a held-out split needs at least two utterances (or speakers)")
    order = np.random.default_rng(seed).permutation(len(names))
    reached = np.cumsum(np.bincount(index)[order])
    held = int(np.searchsorted(reached, share * len(index))) + 1
    test = np.isin(index, order[: min(held, len(names) - 1)])
    return Split(np.flatnonzero(~test), np.flatnonzero(test))


def folds(groups: NDArray[Any], count: int, seed: int) -> Ints:
    """A fold number for each row, whole groups in one fold; as many folds as groups where there are fewer."""
    names, index = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    assigned = np.empty(len(names), dtype=np.int64)
    assigned[order] = np.arange(len(names)) % min(count, len(names))
    return assigned[index]


def floats(values: Any) -> Floats:
    """An array in float64, of an array, a list, or a tensor of any dtype on any device."""
    plain = values.detach().double().cpu().numpy() if hasattr(values, "detach") else values
    return np.asarray(plain, dtype=np.float64)


def checked(x: Any, y: Any, groups: NDArray[Any]) -> tuple[Floats, Floats]:
    """States (n, d) and targets (n, k) in float64. Raises `AnalysisError` on NaN, lengths and constant targets."""
    states = floats(x)
    targets = floats(y).reshape(len(states), -1) if len(y) == len(states) else None
    if targets is None or len(groups) != len(states):
        raise AnalysisError(f"{len(states)} states, {len(y)} targets and {len(groups)} group names: lengths differ")
    for name, values in (("states", states), ("targets", targets)):
        bad = int((~np.isfinite(values)).any(1).sum())
        if bad:
            raise AnalysisError(f"{bad} of {len(values)} rows of {name} are NaN or infinite: drop them first")
    if not (np.ptp(targets, axis=0) > 0).any():
        raise AnalysisError("the target is constant: there is nothing to predict")
    return states, targets


@dataclass(frozen=True, slots=True)
class Scale:
    """Means and standard deviations of the training rows; a constant column is left at its mean, i.e. at zero."""

    mean: Floats
    deviation: Floats

    @classmethod
    def of(cls, rows: Floats) -> Scale:
        mean, deviation = rows.mean(0), rows.std(0)
        constant = deviation <= 1e-12 * np.abs(mean)
        return cls(mean, np.where(constant, 1.0, deviation))

    def __call__(self, rows: Floats) -> Floats:
        scaled: Floats = (rows - self.mean) / self.deviation
        return scaled
