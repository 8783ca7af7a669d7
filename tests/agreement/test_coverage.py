"""Coverage and error rates by simulation, in small; `benchmarks/coverage.py` is the full one (2,000 studies each)."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from cascade_equivalence.agreement import compare

_PATH = Path(__file__).parents[2] / "benchmarks" / "coverage.py"


@pytest.fixture(scope="module")
def simulation():
    spec = importlib.util.spec_from_file_location("coverage_simulation", _PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_populations_know_their_truth(simulation):
    """The exact κ and difference are those of a very large sample."""
    world = simulation.Population(4, (0.05, 0.12), prior=simulation.SKEW)
    gold, left, right = world.draw(np.random.default_rng(0), 400_000)
    pair = compare(left, right, gold, classes=4, resamples=50)
    assert pair.kappa.value == pytest.approx(world.kappa(1, 2), abs=0.003)
    assert pair.accuracy.difference.value == pytest.approx(world.difference(1, 2), abs=0.002)
    assert simulation.apart(0.06, 0.03).difference(1, 2) == pytest.approx(0.03)
    gap = simulation.balanced(0.88, 4, 0.93)
    assert (gap.kappa(1, 2), gap.kappa(2, 3)) == pytest.approx((0.88, 0.93))
    assert gap.difference(1, 2) == pytest.approx(0.0)


@pytest.mark.parametrize(("n", "stray"), [(200, (0.0, 0.12)), (1050, (0.0, 0.03)), (120, (0.0, 0.015))])
def test_intervals_cover(simulation, n, stray):
    """400 studies: between 92 and 98 % at a nominal 95 % (three standard errors); never of zero width."""
    world = simulation.Population(4, stray)
    kappa, difference = world.kappa(1, 2), world.difference(1, 2)
    covered = accurate = 0
    for study in range(400):
        gold, left, right = world.draw(np.random.default_rng([7, study]), n)
        pair = compare(left, right, gold, classes=4, resamples=100, seed=study)
        assert pair.kappa.low < pair.kappa.high
        covered += pair.kappa.low <= kappa <= pair.kappa.high
        d = pair.accuracy.difference
        accurate += d.low <= difference <= d.high
    assert 0.92 <= covered / 400 <= 0.98
    assert 0.92 <= accurate / 400 <= (0.98 if n >= 200 else 1.0)
