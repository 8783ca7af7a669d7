"""Cohen's κ of predicted labels, its intervals, and differences of two κ on the same items.

κ = 1 − D / E with D the observed disagreement (1 − p_o) and E the disagreement expected by chance (1 − p_e).
In strata (tasks pooled) D and E are averaged over items with chance taken within each stratum, so that
labels of different tasks never meet. Cohen (1960), Educ. Psychol. Meas. 20, 37-46.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .interval import Interval, critical, effective_size, two_sided, wilson_limits

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Marginals:
    """What the two arms' labels look like, INVALID counted as one more category of each stratum."""

    disagreement: float
    """D = 1 − p_o, the share of items with different labels."""
    expected_disagreement: float
    """E = 1 − p_e, the same if the arms answered independently with their own label frequencies."""
    kappa_max: float | None
    """The largest κ these label frequencies allow. Cohen (1960), equation 6."""
    prevalence_index: float
    """0 when the labels are used equally often, 1 when only one is: (K·max p̄ − 1) / (K − 1), p̄ the mean of
    the two arms' frequencies. With two labels it is |a − d| / n of Byrt, Bishop & Carlin (1993),
    J. Clin. Epidemiol. 46, 423-429."""
    bias_index: float
    """Total variation distance of the two arms' label frequencies; with two labels Byrt's |b − c| / n."""
    ac1: float | None
    """Gwet's (2008) AC1, Br. J. Math. Stat. Psychol. 61, 29-48, equation 5: little moved by skew."""

    @property
    def kappa(self) -> float | None:
        """None where chance alone agrees always: both arms give one and the same label."""
        return _ratio(self.disagreement, self.expected_disagreement)


def marginals(left: Ints, right: Ints, categories: int, stratum: Ints | None = None) -> Marginals:
    """left, right: (n,) category codes 0 … categories − 1 with n ≥ 1; stratum: (n,) codes."""
    n = len(left)
    where = np.zeros(n, dtype=np.int64) if stratum is None else stratum
    strata = int(where.max(initial=0)) + 1
    shape = (strata, categories)
    a = np.bincount(where * categories + left, minlength=strata * categories).reshape(shape)
    b = np.bincount(where * categories + right, minlength=strata * categories).reshape(shape)
    size = a.sum(axis=1)
    weight = size / n
    a, b = a / np.maximum(size, 1)[:, None], b / np.maximum(size, 1)[:, None]
    disagreement = float(np.mean(left != right))
    expected = float(weight @ (a * b).sum(axis=1))
    highest = float(weight @ np.minimum(a, b).sum(axis=1))
    mean = (a + b) / 2.0
    # Pooled tasks have different numbers of labels; each counts those that occur in it.
    occurring = (mean > 0.0).sum(axis=1) if strata > 1 else np.array([categories])
    used = np.maximum(occurring, 2)
    prevalence = float(weight @ ((used * mean.max(axis=1) - 1.0) / (used - 1.0)))
    bias = float(weight @ (0.5 * np.abs(a - b).sum(axis=1)))
    # 1 − Σ p·p rounds to something other than 0 where both arms are constant; counts decide instead.
    constant = (a * b).max(axis=1) == 1.0
    certain = bool(constant[size > 0].all())
    expected_disagreement = 0.0 if certain else 1.0 - expected
    by_chance = float(weight @ ((mean * (1.0 - mean)).sum(axis=1) / (used - 1.0)))
    return Marginals(
        disagreement=disagreement,
        expected_disagreement=expected_disagreement,
        kappa_max=_ratio(1.0 - highest, expected_disagreement),
        prevalence_index=max(0.0, prevalence),
        bias_index=bias,
        ac1=_ratio(disagreement, 1.0 - by_chance),
    )


def _ratio(disagreement: float, expected: float) -> float | None:
    return None if expected <= 0.0 else 1.0 - disagreement / expected


@dataclass(frozen=True)
class KappaEstimate:
    """κ with all that its intervals, and differences from it, need.

    Wilson's score limits are put on the disagreement D at the effective sample size that reproduces the
    bootstrap variance of κ, and carried over to κ = 1 − D / E. Unlike the percentile bootstrap this keeps its
    coverage near κ = 1 and never has zero width, while far from 1 it agrees with the bootstrap.
    """

    disagreement: float
    expected_disagreement: float
    effective_n: float
    """Independent items that would give the disagreement this variance."""
    clusters: int | None = None
    """Number of clusters if items come in clusters, else None."""

    @staticmethod
    def of(
        disagreement: float, expected: float, variance: float, *, units: int, n: int, clustered: bool
    ) -> KappaEstimate | None:
        """variance: of κ, by bootstrap; units: sampled units (items or clusters). None if κ is undefined."""
        if expected <= 0.0:
            return None
        size = effective_size(disagreement, variance * expected * expected, units, n)
        return KappaEstimate(disagreement, expected, size, units if clustered else None)

    @property
    def value(self) -> float:
        return 1.0 - self.disagreement / self.expected_disagreement

    def limits(self, z: float, growth: float = 1.0) -> tuple[float, float]:
        """Lower and upper limit at critical value z, were there `growth` times as many items."""
        z = critical(z, self.clusters)
        low, high = wilson_limits(self.disagreement, self.effective_n * growth, z)
        # Chance-corrected disagreement can exceed 1 (κ < 0) but κ never falls below −1.
        worst = max(-1.0, 1.0 - high / self.expected_disagreement)
        return min(worst, self.value), 1.0 - low / self.expected_disagreement

    def interval(self, level: float = 0.95) -> Interval:
        low, high = self.limits(two_sided(level))
        return Interval(self.value, low, high)


@dataclass(frozen=True)
class KappaGap:
    """first − second, two κ on the same items: (matched, other backbone), or (a reference, an arm).

    Limits by the method of variance estimates recovery from the limits of each κ and their correlation
    under the shared bootstrap weights: Zou & Donner (2008), Statistics in Medicine 27, 1693-1702, equation 8.
    """

    first: KappaEstimate
    second: KappaEstimate
    correlation: float = 0.0

    @property
    def value(self) -> float:
        return self.first.value - self.second.value

    def limits(self, z: float, growth: float = 1.0) -> tuple[float, float]:
        l1, u1 = self.first.limits(z, growth)
        l2, u2 = self.second.limits(z, growth)
        v1, v2, r = self.first.value, self.second.value, self.correlation
        down, up = _hypotenuse(v1 - l1, u2 - v2, r), _hypotenuse(u1 - v1, v2 - l2, r)
        return self.value - down, self.value + up

    def interval(self, level: float = 0.95) -> Interval:
        low, high = self.limits(two_sided(level))
        return Interval(self.value, low, high)


def _hypotenuse(a: float, b: float, correlation: float) -> float:
    return math.sqrt(max(a * a + b * b - 2.0 * correlation * a * b, 0.0))


def correlation(first: Floats, second: Floats) -> float:
    """The correlation of two bootstrap replicates made with the same weights; 0 where one does not vary."""
    usable = np.isfinite(first) & np.isfinite(second)
    x, y = first[usable], second[usable]
    if len(x) < 2:
        return 0.0
    x, y = x - x.mean(), y - y.mean()
    norm = math.sqrt(float(x @ x) * float(y @ y))
    return 0.0 if norm == 0.0 else max(-1.0, min(1.0, float(x @ y) / norm))
