"""κ's own pieces against formulas written out, numpy and scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cascade_equivalence.agreement.interval import (
    Interval,
    critical,
    effective_size,
    normal_cdf,
    normal_quantile,
    two_sided,
    upper_tail,
    wilson_limits,
)
from cascade_equivalence.agreement.kappa import KappaEstimate, KappaGap, correlation, marginals

# Two arms on eight items of three labels, and the same by hand.
LEFT = np.array([0, 0, 1, 1, 2, 2, 2, 0])
RIGHT = np.array([0, 1, 1, 1, 2, 0, 2, 0])


def test_marginals_by_hand() -> None:
    found = marginals(LEFT, RIGHT, 3)
    a, b = np.array([3, 2, 3]) / 8, np.array([3, 3, 2]) / 8
    assert found.disagreement == 2 / 8
    assert found.expected_disagreement == pytest.approx(1 - a @ b)
    assert found.kappa == pytest.approx(1 - (2 / 8) / (1 - a @ b))
    assert found.kappa_max == pytest.approx(1 - (1 - np.minimum(a, b).sum()) / (1 - a @ b))
    mean = (a + b) / 2
    assert found.prevalence_index == pytest.approx((3 * mean.max() - 1) / 2)
    assert found.bias_index == pytest.approx(0.5 * np.abs(a - b).sum())
    assert found.ac1 == pytest.approx(1 - (2 / 8) / (1 - (mean * (1 - mean)).sum() / 2))


def test_marginals_in_strata_never_mix_their_labels() -> None:
    where = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    found = marginals(LEFT, RIGHT, 3, where)
    parts = [marginals(LEFT[where == s], RIGHT[where == s], 3) for s in (0, 1)]
    assert found.disagreement == np.mean([p.disagreement for p in parts])
    assert found.expected_disagreement == pytest.approx(np.mean([p.expected_disagreement for p in parts]))
    # Both labels that occur in a stratum count, the third does not: (2·max − 1) / 1 of each.
    means = [np.array([3 / 8, 5 / 8]), np.array([3 / 8, 5 / 8])]
    assert found.prevalence_index == pytest.approx(np.mean([2 * m.max() - 1 for m in means]))


@pytest.mark.parametrize(("right", "kappa"), [([1, 1, 1], None), ([1, 1, 2], 0.0)])
def test_one_label_alone(right: list[int], kappa: float | None) -> None:
    found = marginals(np.array([1, 1, 1]), np.array(right), 3)
    assert (found.expected_disagreement == 0) is (kappa is None)
    assert found.kappa == (None if kappa is None else pytest.approx(kappa, abs=1e-12))
    assert found.prevalence_index >= 0


def test_an_estimate_has_the_items_that_reproduce_its_variance() -> None:
    made = KappaEstimate.of(0.2, 0.5, 0.004, units=90, n=100, clustered=False)
    assert made is not None and made.value == pytest.approx(0.6) and made.clusters is None
    assert made.effective_n == pytest.approx(0.2 * 0.8 / (0.004 * 0.25))
    grouped = KappaEstimate.of(0.2, 0.5, 0.004, units=12, n=100, clustered=True)
    assert grouped is not None and grouped.clusters == 12
    assert KappaEstimate.of(0.2, 0.0, 0.004, units=90, n=100, clustered=False) is None
    assert KappaEstimate.of(0.2, -0.1, 0.004, units=90, n=100, clustered=False) is None


def test_effective_size() -> None:
    assert effective_size(0.2, 0.004, 90, 100) == pytest.approx(40)
    for share, variance in ((0.2, 0.0), (0.2, math.nan), (0.0, 0.004), (1.0, 0.004)):
        assert effective_size(share, variance, 90, 100) == 90
        assert effective_size(share, variance, 100, 90) == 90


@pytest.mark.parametrize(("clusters", "growth"), [(None, 1.0), (None, 2.5), (12, 1.0)])
def test_limits_are_those_of_the_disagreement_carried_over(clusters: int | None, growth: float) -> None:
    made = KappaEstimate(0.2, 0.5, 160.0, clusters)
    z = 1.96 if clusters is None else stats.t.ppf(stats.norm.cdf(1.96), clusters - 1)
    low, high = wilson_limits(0.2, 160.0 * growth, z)
    assert made.limits(1.96, growth) == pytest.approx((1 - high / 0.5, 1 - low / 0.5))
    assert made.limits(0.0, growth) == pytest.approx((0.6, 0.6))
    interval = made.interval(0.9)
    assert (interval.low, interval.high) == made.limits(two_sided(0.9)) and interval.value == made.value


def test_kappa_is_bounded_by_minus_one() -> None:
    low, high = KappaEstimate(0.85, 0.45, 4.0).limits(3.0)
    assert low == -1.0 and high > 1 - 0.85 / 0.45
    beyond = KappaEstimate(1.0, 0.45, 4.0)
    assert beyond.limits(1.0)[0] == pytest.approx(beyond.value) and beyond.value < -1


@given(st.floats(-1, 1), st.floats(0.05, 0.5), st.floats(0.05, 0.5))
def test_a_gap_by_zou_and_donner(r: float, d1: float, d2: float) -> None:
    first, second = KappaEstimate(d1, 0.6, 80.0), KappaEstimate(d2, 0.7, 120.0)
    gap = KappaGap(first, second, r)
    (l1, u1), (l2, u2) = first.limits(1.6), second.limits(1.6)
    v1, v2 = first.value, second.value
    down = math.sqrt(max((v1 - l1) ** 2 + (u2 - v2) ** 2 - 2 * r * (v1 - l1) * (u2 - v2), 0))
    up = math.sqrt(max((u1 - v1) ** 2 + (v2 - l2) ** 2 - 2 * r * (u1 - v1) * (v2 - l2), 0))
    assert gap.value == v1 - v2
    assert gap.limits(1.6) == pytest.approx((v1 - v2 - down, v1 - v2 + up), abs=1e-9)
    assert gap.interval(0.9) == Interval(gap.value, *gap.limits(two_sided(0.9)))
    grown = KappaGap(KappaEstimate(d1, 0.6, 320.0), KappaEstimate(d2, 0.7, 480.0), r)
    assert gap.limits(1.6, 4.0) == pytest.approx(grown.limits(1.6), abs=1e-9)


def test_correlation() -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=50)
    y = 0.5 * x + draw.normal(size=50)
    assert correlation(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert correlation(x, -x) == pytest.approx(-1)
    holes = x.copy()
    holes[[3, 7]] = np.nan, np.inf
    kept = np.isfinite(holes)
    assert correlation(holes, y) == pytest.approx(np.corrcoef(x[kept], y[kept])[0, 1])
    assert correlation(y, holes) == pytest.approx(correlation(holes, y))
    assert correlation(x, np.ones(50)) == 0.0
    assert correlation(x[:1], y[:1]) == 0.0
    assert abs(correlation(x[:2], y[:2])) == pytest.approx(1)


def test_quantiles_and_tails_against_scipy() -> None:
    for z in (-5.0, -1.0, 0.0, 0.3, 1.96, 6.0):
        assert normal_cdf(z) == pytest.approx(stats.norm.cdf(z), rel=1e-12)
        assert upper_tail(z) == pytest.approx(stats.norm.sf(z), rel=1e-12)
        assert upper_tail(z, 9) == pytest.approx(stats.t.sf(z, 8), rel=1e-9)
        assert critical(z, None) == z
        assert critical(z, 9) == pytest.approx(stats.t.ppf(stats.norm.cdf(z), 8), rel=1e-9, abs=1e-12)
    assert critical(1.5, 1) == critical(1.5, 2) == pytest.approx(stats.t.ppf(stats.norm.cdf(1.5), 1))
    assert upper_tail(1.5, 1) == upper_tail(1.5, 2) == pytest.approx(stats.t.sf(1.5, 1))
    assert normal_quantile(0.975) == pytest.approx(stats.norm.ppf(0.975))
    assert two_sided(0.95) == pytest.approx(stats.norm.ppf(0.975))
    for level in (0.0, 1.0, -0.1, 1.1):
        with pytest.raises(ValueError, match="between 0 and 1"):
            two_sided(level)


def test_wilson_limits_at_the_edges() -> None:
    assert wilson_limits(0.3, 0, 1.96) == (0.0, 1.0) == wilson_limits(0.3, -1, 1.96)
    assert wilson_limits(0.0, 20, 1.96)[0] == 0.0 and wilson_limits(1.0, 20, 1.96)[1] == 1.0
    low, high = wilson_limits(0.25, 0.5, 1.0)
    assert 0 < low < 0.25 < high < 1
    assert wilson_limits(0.25, 40, 0.0) == pytest.approx((0.25, 0.25))


@given(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=12))
def test_a_correlation_is_one_at_most(values: list[float]) -> None:
    x = np.array(values)
    assert abs(correlation(x, x)) <= 1.0 and abs(correlation(x, -3.7 * x)) <= 1.0


def test_two_kappas_of_other_items_are_uncorrelated() -> None:
    first, second = KappaEstimate(0.2, 0.5, 100.0), KappaEstimate(0.3, 0.6, 80.0)
    assert KappaGap(first, second).limits(1.6) == KappaGap(first, second, 0.0).limits(1.6)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=30))
def test_marginals_are_shares(pairs: list[tuple[int, int]]) -> None:
    left, right = np.array(pairs).T
    found, mirrored = marginals(left, right, 3), marginals(right, left, 3)
    assert found == mirrored
    for share in (found.disagreement, found.expected_disagreement, found.prevalence_index, found.bias_index):
        assert 0 <= share <= 1
    constant = len(set(left)) == len(set(right)) == 1 and left[0] == right[0]
    assert (found.expected_disagreement == 0) == constant and (found.kappa is None) == constant
    if found.kappa is not None:
        assert found.kappa <= found.kappa_max + 1e-12 <= 1 + 2e-12


def test_strata_of_a_single_label_do_not_make_chance_certain() -> None:
    """One task where both always say the same, another where they do not: chance is that of the second alone."""
    left, right = np.array([0, 0, 0, 0, 1, 1, 2, 2]), np.array([0, 0, 0, 0, 1, 2, 2, 1])
    where = np.repeat([0, 1], 4)
    found = marginals(left, right, 3, where)
    assert found.expected_disagreement == pytest.approx(0.25) and found.kappa == pytest.approx(1 - 0.25 / 0.25)
    assert found.prevalence_index == pytest.approx(0.5)  # 1 and 0, in equal parts
    every = marginals(left[:4], right[:4], 3, where[:4])
    assert every.kappa is None and every.kappa_max is None


def test_an_interval_in_json() -> None:
    assert Interval(0.5, 0.25, None).to_json() == {"value": 0.5, "low": 0.25, "high": None}


def test_labels_that_nobody_gave_count_where_there_is_one_stratum() -> None:
    found = marginals(LEFT, RIGHT, 5)
    highest = (np.bincount(LEFT) + np.bincount(RIGHT)).max() / 16
    assert found.prevalence_index == pytest.approx((5 * highest - 1) / 4)
