import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar

from cascade_equivalence.agreement import mcnemar, newcombe, tango, tost
from cascade_equivalence.agreement.paired import design_effect, tango_variance, tango_z

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
