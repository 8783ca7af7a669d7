"""How many items a study needs, and what a study of a given size could have shown."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from .interval import normal_cdf, normal_quantile, two_sided
from .kappa import KappaEstimate, KappaGap
from .paired import tango_variance, tost
from .parts import EPSILON, AccuracyName

if TYPE_CHECKING:
    from .pair import PairAgreement

MOST_ITEMS = 10_000_000


def equivalence_power(
    n: float, discordance: float, margin: float = 0.03, *, difference: float = 0.0, alpha: float = 0.05
) -> float:
    """The chance that TOST on Tango's score statistic passes with n items.

    discordance: share of items that exactly one arm gets right, in (0, 1]; difference: the true accuracy
    difference, at most as large. Normal approximation with the null's standard error at the margin and the
    true one at the difference: Liu et al. (2002), Statistics in Medicine 21, 231-245, section 4.
    """
    _check(discordance, margin, difference, alpha)
    b, c = (discordance + difference) / 2.0, (discordance - difference) / 2.0
    z = normal_quantile(1.0 - alpha)
    spread = math.sqrt(max(discordance - difference**2, 1e-12) / n)
    highest = margin - z * math.sqrt(tango_variance(b, c, margin) / n)
    lowest = -margin + z * math.sqrt(tango_variance(b, c, -margin) / n)
    if lowest >= highest:
        return 0.0
    return normal_cdf((highest - difference) / spread) - normal_cdf((lowest - difference) / spread)


def beyond_power(
    n: float, discordance: float, margin: float = 0.03, *, difference: float, alpha: float = 0.05
) -> float:
    """The chance that n items show |difference| > margin, by the one-sided score test at the margin on its side."""
    _check(discordance, margin, difference, alpha)
    d = abs(difference)
    b, c = (discordance + d) / 2.0, (discordance - d) / 2.0
    lowest = margin + normal_quantile(1.0 - alpha) * math.sqrt(tango_variance(b, c, margin) / n)
    return normal_cdf((d - lowest) / math.sqrt(max(discordance - d**2, 1e-12) / n))


def accuracy_claim(difference: float, margin: float = 0.03) -> AccuracyName:
    """What can be shown of accuracy if this is the true difference; open on the margin itself."""
    if abs(difference) < margin:
        return "same"
    return "open" if abs(difference) == margin else "better" if difference > 0 else "worse"


def items_for_accuracy(
    discordance: float,
    margin: float = 0.03,
    power: float = 0.8,
    *,
    difference: float = 0.0,
    alpha: float = 0.05,
) -> int | None:
    """The fewest items that show, with this power, what the true difference is: inside the margin or beyond it."""
    if abs(difference) <= margin:
        return items_for_margin(discordance, margin, power, difference=difference, alpha=alpha)
    _check_power(power)
    _check(discordance, margin, difference, alpha)
    return _fewest(lambda n: n > 0 and beyond_power(n, discordance, margin, difference=difference) >= power)


def items_for_margin(
    discordance: float,
    margin: float = 0.03,
    power: float = 0.8,
    *,
    difference: float = 0.0,
    alpha: float = 0.05,
) -> int | None:
    """The fewest items at which `equivalence_power` reaches `power`; None if the difference is not inside."""
    _check_power(power)
    _check(discordance, margin, difference, alpha)
    if abs(difference) >= margin:
        return None
    return _fewest(lambda n: equivalence_power(n, discordance, margin, difference=difference, alpha=alpha) >= power)


def simulated_power(
    n: int,
    discordance: float,
    margin: float = 0.03,
    *,
    difference: float = 0.0,
    alpha: float = 0.05,
    studies: int = 4000,
    seed: int = 0,
) -> float:
    """By simulation: the share of `studies` drawn at random that show what the true difference is."""
    _check(discordance, margin, difference, alpha)
    b, c = (discordance + difference) / 2.0, (discordance - difference) / 2.0
    drawn = np.random.default_rng(seed).multinomial(n, [b, c, 1.0 - b - c], size=studies)[:, :2]
    counts, times = np.unique(drawn, axis=0, return_counts=True)
    found = [tost(int(x), int(y), n, margin, alpha) for x, y in counts]
    claim = accuracy_claim(difference, margin)
    passed = [(e.p_better if claim == "better" else e.p_worse if claim == "worse" else e.p) <= alpha for e in found]
    return float(times @ np.asarray(passed)) / studies


def kappa_estimate(kappa: float, n: float, classes: int) -> KappaEstimate:
    """The estimate that n items would give at this κ, all labels being equally frequent."""
    if not -1.0 <= kappa <= 1.0:
        raise ValueError(f"kappa must lie between −1 and 1, got {kappa:g}")
    if classes < 2:
        raise ValueError(f"kappa needs at least two labels, got {classes}")
    expected = 1.0 - 1.0 / classes
    return KappaEstimate(min((1.0 - kappa) * expected, 1.0), expected, n)


def items_for_kappa(kappa: float, half_width: float, classes: int, level: float = 0.95) -> int | None:
    """The fewest items at which the κ interval is at most 2 × half_width wide, labels equally frequent."""
    if not 0.0 < half_width < 1.0:
        raise ValueError(f"half the width must lie strictly between 0 and 1, got {half_width:g}")
    z = two_sided(level)

    def narrow(n: float) -> bool:
        low, high = kappa_estimate(kappa, n, classes).limits(z)
        return high - low <= 2.0 * half_width

    return _fewest(narrow)


@dataclass(frozen=True, slots=True)
class KappaPlan:
    """Items that settle where κ stands against its limit, ε below the ceiling."""

    claim: Literal["same", "other"]
    """The answers part that they show: the same if κ is less than ε below the ceiling."""
    items: int | None
    """None if κ lies on the limit itself."""
    epsilon: float
    reference: float


def items_for_ceiling(
    kappa: float,
    ceiling: float,
    *,
    classes: int,
    power: float = 0.8,
    alpha: float = 0.05,
    epsilon: float = EPSILON,
    correlation: float = 0.0,
) -> KappaPlan:
    """Items at which the verdict's answers part is reached with this power at these true values.

    ceiling: the cascades' own κ, estimated on the same items. correlation: of the two κ over samples of items; 0 is
    on the safe side, as shared items rarely make it negative.
    """
    _check_power(power)
    z = normal_quantile(1.0 - alpha) + normal_quantile(power)

    def limits(n: float) -> tuple[float, float]:
        return KappaGap(kappa_estimate(ceiling, n, classes), kappa_estimate(kappa, n, classes), correlation).limits(z)

    if ceiling - kappa <= epsilon:
        return KappaPlan("same", _fewest(lambda n: limits(n)[1] <= epsilon), epsilon, ceiling)
    return KappaPlan("other", _fewest(lambda n: limits(n)[0] > epsilon), epsilon, ceiling)


def power_of(pair: PairAgreement, *, difference: float = 0.0, alpha: float = 0.05) -> float | None:
    """The power of the study just run: its chance to pass TOST had the true difference been `difference`.

    At the observed discordance and design effect and the pair's own margin; None without gold labels. With
    the observed difference put in, such "observed power" restates the p-value (Hoenig & Heisey 2001,
    Am. Stat. 55, 19-24), so a difference is to be assumed, not estimated.
    """
    test, same = pair.mcnemar, pair.equivalence
    if test is None or same is None:
        return None
    # Without a discordant item the rate is not 0 but below what one item would make it.
    share = max(test.b + test.c, 1) / pair.n_gold
    n = pair.n_gold / pair.design_effect
    return equivalence_power(n, max(share, abs(difference)), same.margin, difference=difference, alpha=alpha)


def _fewest(enough: Callable[[float], bool]) -> int | None:
    """The smallest whole n ≤ MOST_ITEMS that is enough, every larger n being enough too."""
    if not enough(MOST_ITEMS):
        return None
    low, high = 0, MOST_ITEMS
    while high - low > 1:
        middle = (low + high) // 2
        if enough(middle):
            high = middle
        else:
            low = middle
    return high


def _check(discordance: float, margin: float, difference: float, alpha: float) -> None:
    if not 0.0 < discordance <= 1.0:
        raise ValueError(f"the discordance must lie above 0 and at most at 1, got {discordance:g}")
    if not 0.0 < margin < 1.0:
        raise ValueError(f"the margin must lie strictly between 0 and 1, got {margin:g}")
    if not abs(difference) <= discordance:
        raise ValueError(f"the difference cannot exceed the discordance, got {difference:g} and {discordance:g}")
    if not 0.0 < alpha < 0.5:
        raise ValueError(f"alpha must lie strictly between 0 and 0.5, got {alpha:g}")


def _check_power(power: float) -> None:
    if not 0.0 < power < 1.0:
        raise ValueError(f"the power must lie strictly between 0 and 1, got {power:g}")
