"""Where an advantage reverses: planted sweeps, a hand-written reference, and invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cascade_equivalence.agreement import Resamples, crossing


def by_hand(snr: list[float], means: list[int]) -> float | None:
    """The reference: walk down the levels and interpolate, one pair of them at a time."""
    told = [m for m in means if m]
    if not told or all(m * told[0] >= 0 for m in told):
        return None
    sign = 1 if told[0] > 0 else -1
    points = [(x, sign * m) for x, m in zip(snr, means, strict=True)]
    end = next(i for i, (_, m) in enumerate(points) if m < 0)
    start = max(i for i in range(end) if points[i][1] > 0)
    (x0, y0), (x1, y1) = points[start], points[start + 1]
    return x0 + (x1 - x0) * y0 / (y0 - y1)


def spread(means: list[int]) -> np.ndarray:
    """Items whose sums are `means`: one item a point."""
    n = max(1, *map(abs, means))
    return np.array([[np.sign(m) * (i < abs(m)) for m in means] for i in range(n)])


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=7))
def test_the_value_is_that_of_a_walk_by_hand(means: list[int]) -> None:
    snr = [25.0 - 5 * i for i in range(len(means))]
    found = crossing(snr, spread(means), resamples=50)
    expected = by_hand(snr, means)
    assert (found.snr.value is None) == (expected is None)
    if expected is not None:
        assert found.snr.value == pytest.approx(expected)
    assert not found.above


@given(arrays(np.int64, (12, 4), elements=st.integers(-1, 1)), st.permutations(range(4)))
def test_neither_the_order_of_levels_nor_exchanging_the_arms_matters(table: np.ndarray, order: list[int]) -> None:
    snr = np.array([20.0, 10.0, 5.0, 0.0])
    a = crossing(snr, table, resamples=200, seed=3)
    b = crossing(snr[order], -table[:, order], resamples=200, seed=3)
    assert (a.snr, a.share, a.leader) == (b.snr, b.share, -b.leader)
    assert 0 <= a.share <= 1


def test_a_planted_reversal_is_found_with_an_interval_that_holds_it() -> None:
    """Left is ahead by 8 points at 20 dB and behind by 8 at 0 dB, in a straight line: the truth is 10 dB."""
    rng = np.random.default_rng(0)
    snr = np.array([20.0, 15.0, 10.0, 5.0, 0.0])
    held = 0
    for _ in range(60):
        p = 0.16 + 0.08 * (snr - 10) / 10
        difference = (rng.random((1500, 5)) < p).astype(int) - (rng.random((1500, 5)) < 0.32 - p)
        found = crossing(snr, difference, resamples=400)
        assert found.leader == 1 and found.share > 0.9
        held += found.snr.low <= 10 <= found.snr.high
    assert held >= 51


def test_two_arms_that_never_cross_say_so_with_their_share() -> None:
    table = np.zeros((400, 3))
    table[:60] = 1
    found = crossing([10, 5, 0], table, resamples=500)
    assert (found.found, found.share, found.leader) == (False, 0.0, 1)
    same = crossing([10, 5, 0], np.zeros((400, 3)))
    assert (same.found, same.share, same.leader) == (False, 0.0, 0)


def test_a_reversal_above_every_level_has_no_snr() -> None:
    clean = np.repeat([1, 0], [40, 60])
    table = -np.column_stack([clean, clean])
    found = crossing([20, 10], table, clean)
    assert found.above and found.snr.value is None and found.share == pytest.approx(1.0)
    assert not crossing([20, 10], table).found


def test_an_advantage_already_lost_at_a_level_of_zero_ends_there() -> None:
    assert crossing([20, 15, 10, 5], spread([2, 0, 0, -2]), resamples=50).snr.value == 15


def test_clusters_widen_the_interval() -> None:
    rng = np.random.default_rng(1)
    cluster = np.repeat(np.arange(30), 20)
    table = np.sign(rng.normal([0.3, 0.1, -0.1, -0.3], 1, (30, 4)))[cluster]
    snr = [15, 10, 5, 0]
    alone = crossing(snr, table, resamples=1000)
    whole = crossing(snr, table, weights=Resamples.draw(600, clusters=cluster, resamples=1000))
    assert alone.snr.value == whole.snr.value
    assert whole.share < alone.share


@pytest.mark.parametrize(
    ("snr", "table", "clean"),
    [([10, 10], np.ones((3, 2)), None), ([10], np.ones((3, 2)), None), ([10, 5], np.ones((3, 2)), np.ones(4))],
)
def test_what_does_not_fit_is_an_error(snr: list[float], table: np.ndarray, clean: np.ndarray | None) -> None:
    with pytest.raises(ValueError):
        crossing(snr, table, clean)


def test_weights_for_other_items_are_refused() -> None:
    with pytest.raises(ValueError, match="weights are for 5"):
        crossing([10, 5], np.ones((3, 2)), weights=Resamples.draw(5, resamples=10))
