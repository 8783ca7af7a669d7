"""Intervals of a single share: Wilson's score interval, on counts or on an effective sample size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its confidence limits; a limit that is not defined is None, never NaN.

    `value` is None when the quantity itself is not defined on the data (kappa of two constant arms).
    """

    value: float | None
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, float | None]:
        return {"value": self.value, "low": self.low, "high": self.high}


UNDEFINED = Interval(None)


def normal_cdf(z: float) -> float:
    """P(Z ≤ z), accurate in both tails."""
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


@lru_cache(maxsize=256)
def normal_quantile(probability: float) -> float:
    """The standard normal quantile of a probability in (0, 1)."""
    return _NORMAL.inv_cdf(probability)


def two_sided(level: float) -> float:
    """The critical value z of a two-sided interval at a confidence level in (0, 1)."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"confidence level must lie strictly between 0 and 1, got {level}")
    return normal_quantile(0.5 + level / 2.0)


@lru_cache(maxsize=1024)
def critical(z: float, clusters: int | None) -> float:
    """The critical value z, widened to Student's t with clusters − 1 degrees of freedom.

    Few clusters estimate their own variance badly; t with G − 1 degrees of freedom is the usual small-sample
    remedy (Cameron & Miller 2015, "A Practitioner's Guide to Cluster-Robust Inference", section VI.D).
    """
    if clusters is None or z == 0.0:
        return z
    from scipy.special import stdtrit

    return float(stdtrit(max(clusters - 1, 1), normal_cdf(z)))


def upper_tail(z: float, clusters: int | None = None) -> float:
    """P(Z > z), by Student's t with clusters − 1 degrees of freedom where items come in clusters."""
    if clusters is None:
        return normal_cdf(-z)
    from scipy.special import stdtr

    return float(stdtr(max(clusters - 1, 1), -z))


def wilson_limits(share: float, n: float, z: float) -> tuple[float, float]:
    """Wilson's score limits of a share observed on `n` independent items, at critical value `z` ≥ 0.

    `n` may be an effective sample size and need not be whole. Within [0, 1]; of zero width only at z = 0.
    Source: Wilson (1927), JASA 22, 209-212.
    """
    if n <= 0:
        return 0.0, 1.0
    z2 = z * z
    centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n)
    half = z / (1.0 + z2 / n) * math.sqrt(max(share * (1.0 - share), 0.0) / n + z2 / (4.0 * n * n))
    # At 0 and 1 the limits meet the share exactly in theory; rounding must not push them past it.
    return max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share))


def wilson(successes: float, n: float, level: float = 0.95) -> Interval:
    """Wilson's score interval for `successes` out of `n`; undefined on no item."""
    if n <= 0:
        return UNDEFINED
    if not 0 <= successes <= n:
        raise ValueError(f"successes must lie between 0 and n = {n}, got {successes}")
    share = successes / n
    low, high = wilson_limits(share, n, two_sided(level))
    return Interval(share, low, high)


def effective_size(share: float, variance: float, units: int, n: int) -> float:
    """How many independent items would give a share this variance.

    With no variance observed (share 0 or 1, or a single pattern) nothing speaks against independence of the
    sampled units, so the number of units (items, or clusters where items come in groups) is returned.
    """
    spread = share * (1.0 - share)
    if spread <= 0.0 or not variance > 0.0:
        return float(min(units, n))
    return spread / variance
