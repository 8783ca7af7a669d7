import numpy as np
import pytest

from cascade_equivalence.agreement import Resamples, compare, confound, place, reversal

from .planted_data import flip


def study(seed, n=1000, resamples=2000, close=0.04, far=0.12):
    """A speech LLM, its matched cascade and a cascade on another backbone, with the cascades' own noise."""
    rng = np.random.default_rng(seed)
    gold = rng.integers(4, size=n)
    matched = flip(rng, gold, 0.15, 4)
    speech = flip(rng, matched, close, 4)
    other = flip(rng, matched, far, 4)
    weak = flip(rng, matched, 0.03, 4)
    weights = Resamples.draw(n, resamples=resamples, seed=seed)

    def pair(a, b):
        return compare(a, b, gold, classes=4, weights=weights)

    return pair(speech, matched), pair(speech, other), pair(matched, weak)


def test_confound_finds_the_planted_backbone_difference():
    matched, other, _ = study(0)
    found = confound(matched, other)
    assert found.value == pytest.approx(matched.kappa.value - other.kappa.value)
    assert 0 < found.low < found.value < found.high
    back = confound(other, matched)
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low), abs=1e-9)


def test_confound_covers_its_truth():
    """κ(speech, matched) − κ(speech, other) is 1 − D₁/.75 − (1 − D₂/.75) with known flip rates."""
    close, far = 0.05, 0.10
    second = close + far - close * far * (1 + 1 / 3)
    truth = (second - close) / 0.75
    hits = sum(
        found.low <= truth <= found.high
        for found in (confound(*study(s, n=600, resamples=100, close=close, far=far)[:2]) for s in range(250))
    )
    assert 0.91 <= hits / 250 <= 0.985


def test_place_between_chance_and_ceiling():
    matched, _, ceiling = study(1)
    where = place(matched, ceiling)
    assert where.share.value == pytest.approx(matched.kappa.value / ceiling.kappa.value)
    assert where.share.low < where.share.value < where.share.high
    assert where.below.value == pytest.approx(ceiling.kappa.value - matched.kappa.value)
    itself = place(ceiling, ceiling)
    assert itself.share.value == 1.0
    assert itself.below.value == 0.0


def test_share_of_a_reference_at_chance_is_undefined():
    rng = np.random.default_rng(0)
    weights = Resamples.draw(200, resamples=200)
    a, b, c = (rng.integers(4, size=200) for _ in range(3))
    noise = compare(a, b, classes=4, weights=weights)
    where = place(compare(a, c, classes=4, weights=weights), noise)
    assert where.share.low is None


def test_unpaired_comparisons_are_refused():
    with pytest.raises(ValueError, match="same Resamples"):
        confound(study(0)[0], study(1)[0])


def test_reversal_of_the_published_size():
    """+2 points clean and −5.6 points in noise is a reversal of 7.6 points."""
    n = 5000
    rng = np.random.default_rng(3)
    left_clean, right_clean = rng.random(n) < 0.904, rng.random(n) < 0.884
    left_noisy, right_noisy = rng.random(n) < 0.802, rng.random(n) < 0.858
    found = reversal(left_clean, right_clean, left_noisy, right_noisy)
    assert found.reversed
    assert found.change.value == pytest.approx(found.clean.value - found.noisy.value)
    assert found.change.low < 0.076 < found.change.high


def test_reversal_covers_its_truth():
    rng = np.random.default_rng(0)
    n, studies, hits = 400, 1000, 0
    for _ in range(studies):
        ability = rng.random(n)
        lc, rc = ability < 0.90, ability * 0.8 + rng.random(n) * 0.2 < 0.85
        ln, rn = ability < 0.80, ability * 0.8 + rng.random(n) * 0.2 < 0.82
        found = reversal(lc, rc, ln, rn)
        hits += found.change.low <= _TRUTH <= found.change.high
    assert 0.93 <= hits / studies <= 0.975


def _share_below(limit):
    """P(0.8 U + 0.2 V < limit) for independent uniform U and V, 0.2 ≤ limit ≤ 0.8."""
    u = np.linspace(0, 1, 2_000_001)
    return float(np.clip((limit - 0.8 * u) / 0.2, 0, 1).mean())


_TRUTH = (0.90 - _share_below(0.85)) - (0.80 - _share_below(0.82))


def test_nothing_changes_nothing_and_the_interval_still_has_width():
    ones = np.ones(300, dtype=int)
    found = reversal(ones, ones, ones, ones)
    assert found.change.value == 0.0
    assert found.change.low < 0 < found.change.high
    assert not found.reversed


def test_clusters_widen_the_change():
    rng = np.random.default_rng(0)
    four = [np.repeat(rng.random(100) < p, 6) for p in (0.9, 0.85, 0.7, 0.8)]
    naive = reversal(*four)
    honest = reversal(*four, clusters=np.repeat(np.arange(100), 6))
    assert honest.change.high - honest.change.low > 2 * (naive.change.high - naive.change.low)


def test_unfit_input_is_refused():
    with pytest.raises(ValueError, match="one length"):
        reversal([1], [1, 0], [1], [1])
    with pytest.raises(ValueError, match="0 or 1"):
        reversal([2], [1], [1], [1])
