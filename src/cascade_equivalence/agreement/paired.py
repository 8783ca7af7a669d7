"""Paired accuracy: McNemar's test, Tango's score interval of the difference, and equivalence within a margin.

b counts the items that only the left arm got right, c those that only the right arm got right, n all items;
the difference is left − right = (b − c) / n. Counts may be fractional (divided by a design effect).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .interval import UNDEFINED, Interval, critical, two_sided, upper_tail, wilson_limits

Method = Literal["exact", "chi2-cc"]


@dataclass(frozen=True, slots=True)
class McNemar:
    """McNemar's test of equal accuracy on the same items: reported, never decisive."""

    b: int
    c: int
    p: float
    """By `method`: exact binomial below 25 discordant items, else χ² with continuity correction."""
    p_exact: float
    p_mid: float
    """Mid-p: Fagerland, Lydersen & Laake (2013), BMC Med. Res. Methodol. 13:91."""
    chi2: float | None
    """(|b − c| − 1)² / (b + c), Edwards (1948); None without discordant items."""
    method: Method

    def to_json(self) -> dict[str, float | int | str | None]:
        return {name: getattr(self, name) for name in self.__slots__}


def mcnemar(b: int, c: int) -> McNemar:
    """McNemar (1947), Psychometrika 12, 153-157. Two-sided p-values."""
    n = b + c
    if b < 0 or c < 0:
        raise ValueError(f"discordant counts must not be negative, got {b} and {c}")
    if n == 0:
        return McNemar(b, c, 1.0, 1.0, 1.0, None, "exact")
    point, tail = _binomial_half(min(b, c), n)
    exact = min(1.0, 2.0 * tail)
    mid = 1.0 if b == c else min(1.0, 2.0 * tail - point)
    chi2 = (abs(b - c) - 1) ** 2 / n
    method: Method = "exact" if n < 25 else "chi2-cc"
    # At b = c the corrected statistic overshoots zero; the data speak for no difference at all.
    p = exact if method == "exact" else 1.0 if b == c else math.erfc(math.sqrt(chi2 / 2.0))
    return McNemar(b, c, p, exact, mid, chi2, method)


# Up to here a binomial coefficient is computed as a whole number, beyond by the logarithm of the gamma function.
_EXACT_UP_TO = 5000


def _binomial_half(k: int, n: int) -> tuple[float, float]:
    """P(X = k) and P(X ≤ k) of X ~ Binomial(n, ½), k ≤ n / 2, without the start-up time of scipy."""
    if n <= _EXACT_UP_TO:
        point = math.comb(n, k) / (1 << n)
    else:
        log = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2.0)
        point = math.exp(log)
    tail = term = point
    while k > 0 and term > 1e-18 * tail:
        term *= k / (n - k + 1)
        tail += term
        k -= 1
    return point, tail


def tango_z(b: float, c: float, n: float, difference: float) -> float:
    """The score statistic of H0: left − right = `difference`; positive where the data lie above it.

    Source: Tango (1998), Statistics in Medicine 17, 891-908, equations 12-14.
    """
    spread = n * tango_variance(b / n, c / n, difference)
    distance = b - c - n * difference
    if spread <= 0.0:
        return math.copysign(math.inf, distance) if abs(distance) > 1e-12 * n else 0.0
    return distance / math.sqrt(spread)


def tango_variance(b_share: float, c_share: float, difference: float) -> float:
    """n times the variance of the observed difference, at the maximum likelihood estimate under H0."""
    d = difference
    linear = -b_share - c_share + (2.0 - b_share + c_share) * d
    constant = -c_share * d * (1.0 - d)
    right_only = (math.sqrt(max(linear * linear - 8.0 * constant, 0.0)) - linear) / 4.0
    return max(2.0 * right_only + d * (1.0 - d), 0.0)


def tango_limits(b: float, c: float, n: float, z: float) -> tuple[float, float]:
    """Tango's score limits of the accuracy difference at critical value z, in [−1, 1]; no zero width."""
    estimate = (b - c) / n
    low = _solve(lambda d: tango_z(b, c, n, d) - z, -1.0, estimate)
    high = _solve(lambda d: tango_z(b, c, n, d) + z, estimate, 1.0)
    return low, high


def tango(b: float, c: float, n: float, level: float = 0.95) -> Interval:
    """Tango's score interval of the accuracy difference; undefined on no item."""
    if n <= 0:
        return UNDEFINED
    return Interval((b - c) / n, *tango_limits(b, c, n, two_sided(level)))


def _solve(decreasing: Callable[[float], float], low: float, high: float) -> float:
    """The zero of a decreasing function between two points, by the Illinois variant of false position."""
    above, below = decreasing(low), decreasing(high)
    if above <= 0.0 or below >= 0.0:
        return low if above <= 0.0 else high
    last, middle = 0, math.nan
    for _ in range(100):
        # The end that stays twice has its value halved, else it would stay for ever.
        finite = math.isfinite(above) and math.isfinite(below)
        before, middle = middle, low + (high - low) * above / (above - below) if finite else 0.5 * (low + high)
        value = decreasing(middle)
        if value == 0.0 or high - low <= 1e-15 or abs(middle - before) <= 1e-15:
            break
        side = 1 if value > 0.0 else -1
        if side > 0:
            low, above, below = middle, value, below / 2.0 if last == side else below
        else:
            high, below, above = middle, value, above / 2.0 if last == side else above
        last = side
    return middle


def newcombe(both: int, b: int, c: int, neither: int, level: float = 0.95) -> Interval:
    """Newcombe's interval of the accuracy difference from two Wilson intervals: a check on Tango's.

    Source: Newcombe (1998), Statistics in Medicine 17, 2635-2650, method 10 (continuity-corrected φ).
    """
    n = both + b + c + neither
    if n == 0:
        return UNDEFINED
    z = two_sided(level)
    left, right = (both + b) / n, (both + c) / n
    l1, u1 = wilson_limits(left, n, z)
    l2, u2 = wilson_limits(right, n, z)
    product = math.sqrt(float(both + b) * (c + neither) * (both + c) * (b + neither))
    cross = float(both) * neither - float(b) * c
    corrected = max(cross - n / 2.0, 0.0) if cross > 0 else cross
    phi = corrected / product if product > 0.0 else 0.0
    d = left - right
    down = math.sqrt(max((left - l1) ** 2 - 2 * phi * (left - l1) * (u2 - right) + (u2 - right) ** 2, 0.0))
    up = math.sqrt(max((right - l2) ** 2 - 2 * phi * (right - l2) * (u1 - left) + (u1 - left) ** 2, 0.0))
    return Interval(d, max(-1.0, d - down), min(1.0, d + up))


@dataclass(frozen=True, slots=True)
class Equivalence:
    """Two one-sided tests: is the accuracy difference within ± margin?"""

    margin: float
    p: float
    """The larger of the two one-sided p-values: the p of the union null |difference| ≥ margin."""
    passed: bool
    p_better: float
    """One-sided p of the null difference ≤ margin."""
    p_worse: float
    """One-sided p of the null difference ≥ −margin."""
    p_not_better: float
    """One-sided p of the null difference ≥ margin."""
    interval: Interval
    """The 1 − 2α interval that lies within ± margin exactly when the test passes."""

    def to_json(self) -> dict[str, object]:
        return {
            "margin": self.margin,
            "p": self.p,
            "passed": self.passed,
            "interval": self.interval.to_json(),
        }


def tost(
    b: float, c: float, n: float, margin: float = 0.03, alpha: float = 0.05, clusters: int | None = None
) -> Equivalence:
    """Equivalence of two paired accuracies by Schuirmann's two one-sided tests on Tango's score statistic.

    clusters: their number where items come in clusters (counts then already divided by the design effect).
    Sources: Schuirmann (1987), J. Pharmacokinet. Biopharm. 15, 657-680; Tango (1998).
    """
    if not 0.0 < margin < 1.0:
        raise ValueError(f"the margin must lie strictly between 0 and 1, got {margin}")
    if n <= 0:
        return Equivalence(margin, 1.0, False, 1.0, 1.0, 1.0, UNDEFINED)
    above_low, above_high = tango_z(b, c, n, -margin), tango_z(b, c, n, margin)
    not_better = upper_tail(-above_high, clusters)
    p = max(upper_tail(above_low, clusters), not_better)
    better, worse = upper_tail(above_high, clusters), upper_tail(-above_low, clusters)
    z = critical(two_sided(1.0 - 2.0 * alpha), clusters)
    interval = Interval((b - c) / n, *tango_limits(b, c, n, z))
    return Equivalence(margin, p, p <= alpha, better, worse, not_better, interval)


def design_effect(
    difference: NDArray[np.float64], cluster: NDArray[np.int64], mean: NDArray[np.float64] | float
) -> float:
    """How much clustering inflates the variance of a mean: at least 1.

    difference: (n,) values per item; cluster: (n,) codes 0 … G − 1; mean: their mean (or that of each item's
    stratum). Dividing counts by it before a score interval is Rao & Scott (1992), Biometrics 48, 577-585.
    """
    residual = difference - mean
    naive = float(residual @ residual)
    groups = int(cluster.max(initial=0)) + 1
    if naive <= 0.0 or groups < 2:
        return 1.0
    sums = np.bincount(cluster, weights=residual, minlength=groups)
    return max(1.0, float(sums @ sums) * groups / (groups - 1) / naive)
