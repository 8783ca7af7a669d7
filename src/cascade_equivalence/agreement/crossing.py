"""Where along a noise sweep the advantage of one arm over another reverses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .interval import UNDEFINED, Interval
from .resample import Resamples

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Crossing:
    """The first reversal of an accuracy difference (left − right), coming from high SNR."""

    leader: int
    """Which arm is ahead at the highest level that tells them apart: 1 left, −1 right, 0 neither anywhere."""
    snr: Interval
    """SNR in dB at which the leader's advantage is gone; undefined where it never is, or is so above every level.

    The limits are percentiles over the resamples that cross, None where such a one lies above every level.
    """
    above: bool
    """Whether it reverses between clean audio and the highest level, so that its SNR is not known."""
    share: float
    """Share of resamples in which that arm is ahead first and falls behind: beside "none" as beside a value."""
    n: int
    resamples: int

    @property
    def found(self) -> bool:
        """Whether the observed differences change sign."""
        return self.above or self.snr.value is not None

    def to_json(self) -> dict[str, object]:
        return {
            "leader": self.leader,
            "snr": self.snr.to_json(),
            "above": self.above,
            "share": self.share,
            "n": self.n,
            "resamples": self.resamples,
        }


def crossing(
    snr: ArrayLike,
    differences: ArrayLike,
    clean: ArrayLike | None = None,
    *,
    weights: Resamples | None = None,
    resamples: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
) -> Crossing:
    """The SNR at which the accuracy difference of two arms first changes sign, by linear interpolation.

    snr: (m,) dB, all different, any order. differences: (n, m) left − right correctness of every item at every level,
    −1, 0 or 1. clean: (n,) the same on clean audio, which stands above every level. weights: `Resamples` of the n items
    (with their clusters and strata); else items are taken as independent. The advantage is that of the arm ahead at the
    highest level that tells the arms apart; it reverses where the line through the mean differences comes down to 0 on
    its way to the other sign. Raises ValueError on shapes that do not fit and levels given twice.
    """
    decibels, table = np.asarray(snr, dtype=np.float64), np.asarray(differences, dtype=np.float64)
    if table.ndim != 2 or table.shape[1:] != decibels.shape or not table.size:
        raise ValueError(f"differences must have shape (n, {decibels.size}), got {table.shape}")
    if len(set(decibels.tolist())) != decibels.size:
        raise ValueError("a level is there twice")
    order = np.argsort(-decibels)
    decibels, table = decibels[order], table[:, order]
    if clean is not None:
        first = np.asarray(clean, dtype=np.float64)
        if first.shape != table.shape[:1]:
            raise ValueError(f"clean must have shape ({len(table)},), got {first.shape}")
        decibels, table = np.concatenate([[np.inf], decibels]), np.column_stack([first, table])
    n = len(table)
    if weights is None:
        weights = Resamples.draw(n, resamples=resamples, seed=seed)
    elif weights.n != n:
        raise ValueError(f"weights are for {weights.n} items, there are {n}")
    # Whole numbers: a difference of 0 is exactly 0, and sums cross where means do.
    observed = table.sum(axis=0)
    told = observed[observed != 0.0]
    leader = int(np.sign(told[0])) if told.size else 0
    if leader == 0:
        return Crossing(0, UNDEFINED, False, 0.0, n, weights.resamples)
    drawn = _first(decibels, leader * weights.sums(table))
    (value,) = _first(decibels, leader * observed[None, :])
    crossed = drawn[~np.isnan(drawn)]
    found = Interval(None)
    if np.isfinite(value):
        tail = (1.0 - level) / 2.0
        low, high = np.quantile(crossed, [tail, 1.0 - tail], method="inverted_cdf") if crossed.size else (value, value)
        found = Interval(float(value), *(float(x) if np.isfinite(x) else None for x in (low, high)))
    return Crossing(leader, found, bool(np.isinf(value)), crossed.size / len(drawn), n, weights.resamples)


def _first(decibels: Floats, ahead: Floats) -> Floats:
    """(b, m) advantages at levels from high to low → (b,) where each is first lost; NaN never, inf above all levels."""
    rows, levels = np.arange(len(ahead)), ahead.shape[1]
    behind = ahead < 0.0
    lost = np.where(behind.any(axis=1), behind.argmax(axis=1), levels)
    before = (ahead > 0.0) & (np.arange(levels)[None, :] < lost[:, None])
    crosses = (lost < levels) & before.any(axis=1)
    # The last level with the advantage: from there the line comes down to 0.
    last = np.where(crosses, levels - 1 - before[:, ::-1].argmax(axis=1), 0)
    following = np.minimum(last + 1, levels - 1)
    top, bottom = ahead[rows, last], ahead[rows, following]
    fall = np.where(crosses, top - bottom, 1.0)
    high, low = decibels[last], decibels[following]
    with np.errstate(invalid="ignore"):
        at = np.where(np.isinf(high), np.inf, high + (low - high) * top / fall)
    return np.where(crosses, at, np.nan)
