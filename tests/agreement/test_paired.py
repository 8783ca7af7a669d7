import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar

from cascade_equivalence.agreement import mcnemar, newcombe, tango, tost
from cascade_equivalence.agreement.interval import wilson_limits
from cascade_equivalence.agreement.paired import _solve, design_effect, tango_limits, tango_variance, tango_z

counts = st.integers(0, 200)


@given(counts, counts)
def test_mcnemar_matches_statsmodels(b, c):
    ours = mcnemar(b, c)
    table = [[3, b], [c, 5]]
    if b + c == 0:
        assert ours.p == 1.0
        return
    exact = reference_mcnemar(table, exact=True).pvalue
    corrected = reference_mcnemar(table, exact=False, correction=True)
    assert ours.p_exact == pytest.approx(exact, rel=1e-10)
    assert ours.chi2 == pytest.approx(corrected.statistic, rel=1e-12)
    assert ours.method == ("exact" if b + c < 25 else "chi2-cc")
    if b != c:
        assert ours.p == pytest.approx(exact if b + c < 25 else corrected.pvalue, rel=1e-9)
    mid = exact - stats.binom.pmf(b, b + c, 0.5) if b != c else 1.0
    assert ours.p_mid == pytest.approx(mid, rel=1e-9)


@pytest.mark.parametrize(("b", "c"), [(2400, 2600), (2600, 2401), (30_000, 30_500), (0, 4000), (7, 20_000)])
def test_mcnemar_of_many_discordant_items(b, c):
    assert mcnemar(b, c).p_exact == pytest.approx(stats.binomtest(b, b + c).pvalue, rel=1e-8, abs=1e-300)


def test_mcnemar_of_equal_counts_finds_nothing():
    assert mcnemar(40, 40).p == pytest.approx(1.0)
    assert mcnemar(40, 40).p_exact == 1.0


def _likelihood_variance(b, c, n, d):
    """n·var of the difference at the numerically maximised trinomial likelihood given p_b − p_c = d."""

    def negative(q):
        cells = (q + d, q, 1 - d - 2 * q)
        return -sum(k * math.log(max(p, 1e-300)) for k, p in zip((b, c, n - b - c), cells, strict=True) if k)

    low, high = max(0.0, -d), (1 - d) / 2
    q = optimize.minimize_scalar(negative, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    return 2 * q + d - d * d


@pytest.mark.parametrize(
    ("b", "c", "n", "d"),
    [(12, 5, 100, 0.03), (12, 5, 100, -0.03), (3, 30, 400, -0.1), (7, 7, 50, 0.2), (80, 60, 1050, 0.03)],
)
def test_tango_variance_is_the_one_at_the_constrained_maximum_likelihood(b, c, n, d):
    assert tango_variance(b / n, c / n, d) == pytest.approx(_likelihood_variance(b, c, n, d), abs=1e-6)


@given(counts, counts, st.integers(0, 400))
def test_tango_interval_inverts_the_score_test(b, c, rest):
    n = b + c + rest
    if n == 0:
        assert tango(b, c, n).value is None
        return
    interval = tango(b, c, n)
    assert -1 <= interval.low <= interval.value <= interval.high <= 1
    assert interval.low < interval.high
    z = stats.norm.ppf(0.975)
    if interval.low > -1 + 1e-9 and interval.low < interval.value - 1e-12:
        assert tango_z(b, c, n, interval.low) == pytest.approx(z, abs=1e-6)
    if interval.high < 1 - 1e-9 and interval.high > interval.value + 1e-12:
        assert tango_z(b, c, n, interval.high) == pytest.approx(-z, abs=1e-6)


@given(counts, counts, st.integers(1, 400))
def test_tango_is_antisymmetric(b, c, rest):
    one, other = tango(b, c, b + c + rest), tango(c, b, b + c + rest)
    assert one.low == pytest.approx(-other.high, abs=1e-9)
    assert one.high == pytest.approx(-other.low, abs=1e-9)


def test_tango_at_zero_is_mcnemar_without_correction():
    b, c, n = 37, 21, 500
    assert tango_z(b, c, n, 0.0) ** 2 == pytest.approx(
        reference_mcnemar([[1, b], [c, 1]], exact=False, correction=False).statistic, rel=1e-12
    )


def test_tango_without_discordant_items_is_wilson_of_zero():
    # With b = c = 0 the score limits are those of a share of 0 out of n.
    n, z2 = 300, stats.norm.ppf(0.975) ** 2
    assert tango(0, 0, n).high == pytest.approx(z2 / (n + z2), rel=1e-9)


def test_newcombe_reproduces_the_published_example():
    # Newcombe (1998), Table II: a, b, c, d = 36, 12, 2, 0, method 10: 0.0569 to 0.3404.
    interval = newcombe(36, 12, 2, 0)
    assert (interval.low, interval.high) == pytest.approx((0.0569, 0.3404), abs=5e-5)


@given(st.integers(1, 300), counts, counts, st.integers(1, 300))
def test_newcombe_and_tango_agree_roughly(both, b, c, neither):
    n = both + b + c + neither
    if n < 200 or b + c < 20:
        return
    one, other = newcombe(both, b, c, neither), tango(b, c, n)
    assert abs(one.low - other.low) < 0.03
    assert abs(one.high - other.high) < 0.03


@given(counts, counts, st.integers(0, 2000), st.floats(0.005, 0.3))
@settings(deadline=None, max_examples=50)
def test_tost_passes_exactly_when_its_interval_is_within_the_margin(b, c, rest, margin):
    n = b + c + rest
    if n == 0:
        assert not tost(b, c, n).passed
        return
    test = tost(b, c, n, margin)
    inside = -margin < test.interval.low and test.interval.high < margin
    if min(abs(test.interval.low + margin), abs(test.interval.high - margin)) > 1e-9:
        assert test.passed == inside


def test_false_equivalence_at_the_margin_is_bounded_exactly():
    """The exact size of the equivalence test at a true difference of 3 points, by enumeration."""
    n, margin = 400, 0.03
    for discordance in (0.05, 0.10, 0.20):
        p_b, p_c = (discordance + margin) / 2, (discordance - margin) / 2
        total = 0.0
        for b in range(int(n * 0.35)):
            weight = stats.binom.pmf(b, n, p_b)
            if weight < 1e-9:
                continue
            others = stats.binom.pmf(np.arange(n - b + 1), n - b, p_c / (1 - p_b))
            for c in np.flatnonzero(others > 1e-9):
                # Only near ties can pass; the test is monotone in the difference.
                if abs(b - c) < margin * n and tost(b, int(c), n, margin).passed:
                    total += weight * others[c]
        assert total <= 0.06


def test_design_effect_of_copied_items_is_their_number():
    rng = np.random.default_rng(0)
    values = rng.normal(size=400)
    values -= values.mean()
    copies = np.repeat(values, 5)
    effect = design_effect(copies, np.repeat(np.arange(400), 5), 0.0)
    assert effect == pytest.approx(5 * 400 / 399)
    assert design_effect(values, np.arange(400), 0.0) == pytest.approx(400 / 399)


def test_nothing_discordant_is_no_evidence_of_any_kind():
    none = mcnemar(0, 0)
    assert (none.p, none.p_exact, none.p_mid, none.chi2, none.method) == (1.0, 1.0, 1.0, None, "exact")
    assert none.to_json() == {
        "b": 0, "c": 0, "p": 1.0, "p_exact": 1.0, "p_mid": 1.0, "chi2": None, "method": "exact",
    }  # fmt: skip
    for b, c in ((-1, 2), (2, -1)):
        with pytest.raises(ValueError, match="negative"):
            mcnemar(b, c)


@given(counts, counts)
def test_p_values_are_probabilities_and_symmetric(b, c):
    one, other = mcnemar(b, c), mcnemar(c, b)
    assert (one.p, one.p_exact, one.p_mid, one.chi2) == (other.p, other.p_exact, other.p_mid, other.chi2)
    assert 0 <= one.p_mid <= one.p_exact <= 1 and 0 <= one.p <= 1


def test_the_variance_vanishes_where_nothing_can_vary():
    assert tango_variance(0.0, 0.0, 0.0) == 0.0
    assert tango_variance(1.0, 0.0, 1.0) == pytest.approx(0.0, abs=1e-15)
    assert tango_variance(0.0, 1.0, -1.0) == pytest.approx(0.0, abs=1e-15)
    assert tango_z(0, 0, 50, 0.0) == 0.0
    assert tango_z(0, 0, 50, 1.0) == -math.inf
    assert tango_z(50, 0, 50, 1.0) == 0.0


@given(counts, counts, st.integers(1, 400))
def test_limits_at_no_confidence_are_the_estimate(b, c, rest):
    n = b + c + rest
    assert tango_limits(b, c, n, 0.0) == pytest.approx(((b - c) / n, (b - c) / n), abs=1e-9)


@given(counts, counts, st.integers(1, 400), st.floats(0.1, 4))
def test_wider_confidence_gives_wider_limits(b, c, rest, z):
    n = b + c + rest
    low, high = tango_limits(b, c, n, z)
    wide_low, wide_high = tango_limits(b, c, n, z + 0.2)
    assert wide_low <= low + 1e-9 and high <= wide_high + 1e-9


@pytest.mark.parametrize(
    ("b", "c", "n", "z"), [(12, 5, 100, 1.96), (0, 0, 300, 1.96), (200, 3, 220, 2.6), (9, 9, 18, 0.3)]
)
def test_false_position_finds_the_limits_in_few_steps(b, c, n, z):
    """Superlinear: some ten evaluations, not the hundred that the loop allows."""
    asked = []

    def statistic(d):
        asked.append(d)
        return tango_z(b, c, n, d) - z

    low = _solve(statistic, -1.0, (b - c) / n)
    assert len(asked) < 40
    if -1 < low < (b - c) / n:
        assert tango_z(b, c, n, low) == pytest.approx(z, abs=1e-6)


@pytest.mark.parametrize("root", [-0.999, -0.5, 0.0, 0.3, 0.97])
@pytest.mark.parametrize("power", [1, 3])
def test_the_zero_of_a_decreasing_function(root, power):
    assert _solve(lambda x: (root - x) ** power, -1.0, 1.0) == pytest.approx(root, abs=1e-4 if power == 3 else 1e-12)
    assert _solve(lambda x: -1.0 - x, 0.0, 1.0) == 0.0
    assert _solve(lambda x: 2.0 - x, 0.0, 1.0) == 1.0
    for near in (0.005, 0.995):
        assert _solve(lambda x, at=near: at - x, 0.0, 1.0) == pytest.approx(near, abs=1e-12)


def test_what_an_equivalence_test_says_of_itself():
    test = tost(12, 5, 400, 0.05)
    assert test.interval.value == 7 / 400
    assert test.to_json() == {
        "margin": 0.05, "p": test.p, "passed": test.passed,
        "interval": {"value": 7 / 400, "low": test.interval.low, "high": test.interval.high},
    }  # fmt: skip
    above, below = tango_z(12, 5, 400, 0.05), tango_z(12, 5, 400, -0.05)
    assert test.p == pytest.approx(max(stats.norm.sf(below), stats.norm.cdf(above)))
    assert test.p_better == pytest.approx(stats.norm.sf(above)) and test.p_not_better == pytest.approx(
        1 - test.p_better
    )
    assert test.p_worse == pytest.approx(stats.norm.cdf(below))
    assert test.passed and not tost(12, 5, 400, 0.05, alpha=test.p * 0.99).passed
    assert tost(12, 5, 400, 0.05, alpha=test.p).passed
    few = tost(12, 5, 400, 0.05, clusters=10)
    assert few.p == pytest.approx(max(stats.t.sf(below, 9), stats.t.cdf(above, 9)))
    assert few.interval.low < test.interval.low and few.interval.high > test.interval.high
    nothing = tost(0, 0, 0)
    assert (nothing.p, nothing.passed, nothing.p_better, nothing.p_worse, nothing.p_not_better) == (1, False, 1, 1, 1)
    for margin in (0.0, 1.0, -0.1):
        with pytest.raises(ValueError, match="between 0 and 1"):
            tost(1, 1, 10, margin)


def test_newcombe_at_its_edges():
    assert newcombe(0, 0, 0, 0).value is None
    same = newcombe(50, 0, 0, 50)
    assert same.value == 0.0 and same.low == pytest.approx(-same.high)
    assert newcombe(0, 30, 0, 0).high == 1.0 and newcombe(0, 0, 30, 0).low == -1.0
    one, other = newcombe(40, 12, 5, 20), newcombe(40, 5, 12, 20)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    # Newcombe (1998), Table II, method 10: 40 20 0 40 and the like, from the formula with φ uncorrected where negative.
    left, right, n = 52 / 77, 45 / 77, 77
    (l1, _), (_, u2) = (wilson_limits(share, n, stats.norm.ppf(0.975)) for share in (left, right))
    phi = max(40 * 20 - 12 * 5 - n / 2, 0) / math.sqrt(52 * 25 * 45 * 32)
    down = math.sqrt((left - l1) ** 2 - 2 * phi * (left - l1) * (u2 - right) + (u2 - right) ** 2)
    assert one.low == pytest.approx(left - right - down)


def test_clusters_without_variance_inflate_nothing():
    assert design_effect(np.zeros(6), np.arange(6) % 2, 0.0) == 1.0
    assert design_effect(np.array([1.0, -1.0, 2.0]), np.zeros(3, dtype=int), 0.0) == 1.0
    # Values that cancel within each cluster would deflate; the effect stays at 1.
    assert design_effect(np.array([1.0, -1.0, 1.0, -1.0]), np.array([0, 0, 1, 1]), 0.0) == 1.0
    # Two clusters of like values: sums ±2 of four residuals ±1, times G / (G − 1).
    assert design_effect(np.array([1.0, 1.0, -1.0, -1.0]), np.array([0, 0, 1, 1]), 0.0) == pytest.approx(8 / 4 * 2)
