import numpy as np
import pytest

from cascade_equivalence.agreement import compare, label_shift
from cascade_equivalence.agreement.label_shift import _raked, _scalable

from .planted_data import flip


def test_a_shift_of_labels_alone_is_all_shift():
    """Every item that changes goes the same way, so that the frequencies explain all of it."""
    left = np.repeat([0, 1, 2], 100)
    right = left.copy()
    right[:30] = 1
    found = label_shift(left, right, classes=3)
    assert found.disagreement == pytest.approx(0.1)
    assert found.shift == pytest.approx(0.1)
    assert found.items == pytest.approx(0.0, abs=1e-12)
    assert found.share == pytest.approx(1.0)


def test_an_exchange_of_labels_is_no_shift():
    left = np.repeat([0, 1, 2], 100)
    right = left.copy()
    right[:20], right[100:120] = 1, 0
    found = label_shift(left, right, classes=3)
    assert found.shift == pytest.approx(0.0, abs=1e-12)
    assert found.items == pytest.approx(40 / 300)
    assert found.kappa_matched == pytest.approx(found.kappa)


@pytest.mark.parametrize("classes", [2, 4])
def test_the_parts_add_up_and_kappa_is_that_of_compare(classes):
    rng = np.random.default_rng(classes)
    for rate in (0.0, 0.1, 0.4):
        left = rng.integers(classes, size=600)
        right = np.where(rng.random(600) < 0.03, -1, flip(rng, left, rate, classes))
        task = rng.integers(3, size=600)
        found = label_shift(left, right, classes=classes, strata=task)
        pair = compare(left, right, classes=classes, strata=task, resamples=20)
        assert found.shift + found.items == pytest.approx(found.disagreement)
        assert found.disagreement == pytest.approx(1 - pair.agreement)
        assert found.shift == pytest.approx(pair.bias_index)
        assert found.kappa == pytest.approx(pair.kappa.value)


def test_matching_the_frequencies_undoes_a_biased_threshold():
    """Two arms read one noisy score; one's threshold is off: κ after matching comes near κ at equal thresholds."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=200_000)
    one, two = truth + rng.normal(size=len(truth)) * 0.5, truth + rng.normal(size=len(truth)) * 0.5
    fair = label_shift((one > 0).astype(int), (two > 0).astype(int), classes=2)
    biased = label_shift((one > 0).astype(int), (two > 0.8).astype(int), classes=2)
    assert biased.kappa < fair.kappa - 0.05
    assert biased.share > 0.5
    assert abs(biased.kappa_matched - fair.kappa) < 0.5 * abs(biased.kappa - fair.kappa)


def test_raking_keeps_the_odds_ratio():
    """κ of the raked two-by-two table from its closed form: equal margins and the odds ratio determine it."""
    counts = {(0, 0): 40, (0, 1): 25, (1, 0): 5, (1, 1): 30}
    left, right = (np.repeat([cell[i] for cell in counts], list(counts.values())) for i in (0, 1))
    found = label_shift(left, right, classes=2)
    odds, p = 40 * 30 / (25 * 5), (65 + 45) / 200
    # Equal margins p: x(1 − 2p + x) = odds (p − x)², x the share of (0, 0).
    a, b, c = odds - 1, -(2 * p * odds + 1 - 2 * p), odds * p * p
    x = (-b - np.sqrt(b * b - 4 * a * c)) / (2 * a)
    expected = 1 - p * p - (1 - p) ** 2
    assert found.kappa_matched == pytest.approx(1 - 2 * (p - x) / expected, abs=1e-8)


def test_what_cannot_be_defined_is_none():
    ones = np.ones(50, dtype=int)
    found = label_shift(ones, ones, classes=2)
    assert (found.kappa, found.share) == (None, None)
    # An arm that never uses a label cannot be made to use it.
    assert label_shift(np.repeat([0, 1], 25), np.zeros(50, dtype=int), classes=2).kappa_matched is None
    with pytest.raises(ValueError, match="left has 50 items"):
        label_shift(ones, ones[:20], classes=2)


def raked_plainly(table, rounds=200_000):
    """Both margins brought to their mean in turn, until they hold; None where they never do."""
    target = 0.5 * (table.sum(axis=0) + table.sum(axis=1))
    out = table.astype(float)
    for _ in range(rounds):
        for axis in (1, 0):
            margin = out.sum(axis=axis)
            factor = np.divide(target, margin, out=np.zeros_like(target), where=margin > 0)
            out = out * (factor[:, None] if axis == 1 else factor[None, :])
        if np.abs(out.sum(axis=1) - target).max() <= 1e-13 * table.sum():
            return out
    return None


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_raking_by_newton_is_raking_in_turn(classes):
    rng = np.random.default_rng(classes)
    for scale in (3, 40, 4000):
        for _ in range(10):
            table = rng.poisson(rng.random((classes, classes)) * scale) + np.diag(rng.poisson(2.0 * scale, classes) + 1)
            plain = raked_plainly(table, 2_000)
            if plain is not None:
                assert _raked(table.astype(float)) == pytest.approx(plain, abs=1e-9 * table.sum())


@pytest.mark.parametrize(
    ("table", "possible"),
    [
        # A label that only one of the arms uses; an entry off every cycle; the same with a way back.
        ([[5, 3], [0, 0]], False),
        ([[5, 3], [0, 4]], False),
        ([[5, 3, 0], [0, 4, 2], [1, 0, 6]], True),
        # Never the same label: margins of two labels that are met, and of three that are not.
        ([[0, 3], [5, 0]], True),
        ([[0, 3, 0], [4, 0, 1], [0, 2, 0]], True),
        ([[0, 9, 1], [9, 0, 1], [1, 1, 0]], True),
        ([[9, 1, 0], [0, 0, 2], [1, 1, 0]], True),
    ],
)
def test_zeros_forbid_raking_where_no_such_table_has_the_margins(table, possible):
    counts = np.array(table, dtype=float)
    target = 0.5 * (counts.sum(axis=0) + counts.sum(axis=1))
    used = target > 0
    assert _scalable(counts[np.ix_(used, used)], target[used]) == possible
    raked = _raked(counts)
    assert (raked is not None) == possible
    if raked is not None:
        assert raked.sum(axis=0) == pytest.approx(target)
        assert raked.sum(axis=1) == pytest.approx(target)
        assert ((raked > 0) == (counts > 0)).all()
