import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from cascade_equivalence.agreement import adjust, wilson
from cascade_equivalence.agreement.interval import critical, normal_cdf, upper_tail


@given(st.integers(1, 5000), st.floats(0, 1), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_wilson_matches_statsmodels(n, share, level):
    successes = round(share * n)
    ours = wilson(successes, n, level)
    low, high = proportion_confint(successes, n, alpha=1 - level, method="wilson")
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=1e-12)
    assert ours.low <= ours.value <= ours.high
    assert ours.low < ours.high


def test_wilson_of_nothing_is_undefined():
    assert wilson(0, 0).value is None
    with pytest.raises(ValueError, match="between 0 and n"):
        wilson(5, 4)


@given(st.floats(-30, 30))
def test_normal_tails(z):
    assert normal_cdf(z) == pytest.approx(stats.norm.cdf(z), rel=1e-12, abs=1e-300)


def test_few_clusters_widen_to_student():
    assert critical(1.959963984540054, 10) == pytest.approx(stats.t.ppf(0.975, 9))
    assert critical(1.959963984540054, None) == 1.959963984540054
    assert upper_tail(2.0, 10) == pytest.approx(stats.t.sf(2.0, 9))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_adjustment_matches_scipy_and_its_definition(p):
    assert adjust(p, "bh") == pytest.approx(stats.false_discovery_control(p), abs=1e-12)
    # Holm: rejected at level a means all smaller p are rejected, each at a / (hypotheses not yet rejected).
    order = sorted(range(len(p)), key=p.__getitem__)
    steps = [min(1.0, (len(p) - i) * p[j]) for i, j in enumerate(order)]
    expected = dict(zip(order, (max(steps[: i + 1]) for i in range(len(steps))), strict=True))
    assert adjust(p, "holm") == pytest.approx([expected[j] for j in range(len(p))], abs=1e-12)


def test_adjustment_matches_statsmodels():
    rng = np.random.default_rng(0)
    for m in (1, 2, 7, 40):
        p = rng.random(m) ** 3
        assert adjust(p, "bh") == pytest.approx(multipletests(p, method="fdr_bh")[1], abs=1e-12)
        assert adjust(p, "holm") == pytest.approx(multipletests(p, method="holm")[1], abs=1e-12)


def test_adjustment_refuses_what_is_no_p_value():
    assert len(adjust([])) == 0
    with pytest.raises(ValueError, match="between 0 and 1"):
        adjust([0.5, float("nan")])
    with pytest.raises(ValueError, match="unknown method"):
        adjust([0.5], "bonferroni")
