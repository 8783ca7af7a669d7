"""The simulation of `benchmarks/verdict_errors.py` in small, and its shortcut against the verdict itself."""

import importlib.util
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cascade_equivalence.agreement import Resamples, compare, gap_of, verdict

_PATH = Path(__file__).parents[2] / "benchmarks" / "verdict_errors.py"


@pytest.fixture(scope="module")
def simulation():
    spec = importlib.util.spec_from_file_location("verdict_errors", _PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_populations_know_their_truth(simulation):
    """Exact κ and difference are those of a very large sample."""
    world = simulation.Population(4, (0.03, 0.06, 0.02), simulation.CEILING[4], shared=0.3)
    counts, (gold, left, cascade, other) = world.studies(np.random.default_rng(0), 400_000, 1)
    gold, left, cascade, other = (np.repeat(x, counts[0]) for x in (gold, left, cascade, other))
    pair = compare(left, cascade, gold, classes=4, resamples=20)
    assert pair.kappa.value == pytest.approx(world.kappa(1, 2), abs=0.003)
    assert pair.accuracy.difference.value == pytest.approx(world.difference(), abs=0.002)
    assert compare(cascade, other, classes=4, resamples=20).kappa.value == pytest.approx(world.kappa(2, 3), abs=0.003)


def test_the_shortcut_judges_as_the_verdict_does(simulation):
    """The limit of the bootstrap variance in place of the bootstrap: the same kinds but for close calls."""
    world, n = simulation.Population(4, (0.03, 0.03, 0.015), simulation.CEILING[4]), 800
    fast = list(simulation.judged(world, n, 5, 40))
    counts, labels = world.studies(np.random.default_rng(5), n, 40)
    same = 0
    for i in range(40):
        gold, left, cascade, other = (np.repeat(x, counts[i]) for x in labels)
        weights = Resamples.of_labels(left, cascade, other, gold, resamples=2000, seed=i)
        pair = compare(left, cascade, gold, classes=4, weights=weights)
        said = verdict(pair, compare(cascade, other, gold, classes=4, weights=weights))
        assert (said.accuracy.name, said.better, verdict(pair).kind) == (fast[i][0], fast[i][1], fast[i][4])
        same += said.kind == fast[i][3]
    assert same >= 38


def test_the_limit_of_the_variance_is_that_of_the_bootstrap(simulation):
    rng = np.random.default_rng(1)
    left, right = rng.integers(3, size=(2, 700))
    right = np.where(rng.random(700) < 0.8, left, right)
    cells, counts = np.unique(np.stack([left, right]), axis=1, return_counts=True)
    shares = counts[None, :] / 700
    *_, influence = simulation.agreement(shares, cells[0], cells[1], 3)
    limit = float((shares * influence**2).sum() - (shares * influence).sum() ** 2) / 700
    replicates = compare(left, right, classes=3, resamples=20_000).replicates
    assert replicates.variance("kappa") == pytest.approx(limit, rel=0.05)


def test_statements_false_at_their_boundary_are_rare(simulation):
    """600 studies: at most 8 % (three standard errors above 5 %)."""
    for text, world, statements in simulation.limits():
        made = Counter()
        for study in simulation.judged(world, 480, 7, 600):
            made.update(s for s in statements if simulation.made(study, s))
        assert all(made[s] / 600 <= 0.08 for s in statements), (text, made)


def test_the_gap_is_never_of_zero_width():
    """Where the arm answers as the other cascade does on every item, their gap is 0 and still not known exactly."""
    rng = np.random.default_rng(0)
    gold = rng.integers(4, size=200)
    other = np.where(rng.random(200) < 0.05, (gold + 1) % 4, gold)
    weights = Resamples.draw(200, resamples=100)
    pair = compare(other, gold, classes=4, weights=weights)
    gap = gap_of(pair, compare(gold, other, classes=4, weights=weights))
    low, high = gap.limits(1.645)
    assert gap.value == 0.0
    assert low < -0.001
    assert high > 0.001
