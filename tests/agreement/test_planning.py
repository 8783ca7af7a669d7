import numpy as np
import pytest

from cascade_equivalence.agreement import Resamples, compare, verdict
from cascade_equivalence.agreement.planning import (
    equivalence_power,
    items_for_ceiling,
    items_for_kappa,
    items_for_margin,
    kappa_estimate,
    power_of,
    simulated_power,
)

from .planted_data import arms, flip


@pytest.mark.parametrize("discordance", [0.05, 0.10, 0.20])
@pytest.mark.parametrize(("margin", "difference"), [(0.03, 0.0), (0.03, 0.01), (0.05, 0.0)])
def test_the_formula_agrees_with_simulation(discordance, margin, difference):
    n = items_for_margin(discordance, margin, 0.8, difference=difference)
    assert simulated_power(n, discordance, margin, difference=difference) == pytest.approx(0.8, abs=0.04)
    assert equivalence_power(n, discordance, margin, difference=difference) >= 0.8
    assert equivalence_power(n - 1, discordance, margin, difference=difference) < 0.8


def test_the_known_orders_of_magnitude():
    """(z_α + z_{β/2})²·D / m²: about 480 and 950 items; the score test asks for a little more."""
    assert 470 <= items_for_margin(0.05) <= 570
    assert 930 <= items_for_margin(0.10) <= 1030


def test_more_discordance_and_power_need_more_items():
    needed = [items_for_margin(d) for d in (0.02, 0.05, 0.1, 0.3)]
    assert needed == sorted(needed)
    assert items_for_margin(0.1, power=0.9) > items_for_margin(0.1, power=0.8)
    assert items_for_margin(0.1, difference=0.03) is None


def test_size_at_the_margin_is_alpha():
    assert simulated_power(2000, 0.1, difference=0.03, studies=8000) == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize(("kappa", "classes"), [(0.95, 4), (0.8, 2), (0.6, 5)])
def test_kappa_interval_has_the_planned_width(kappa, classes):
    n = items_for_kappa(kappa, 0.03, classes)
    flips = (1 - kappa) * (1 - 1 / classes)
    widths = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        left = rng.integers(classes, size=n)
        right = flip(rng, left, flips, classes)
        interval = compare(left, right, classes=classes, resamples=500).kappa
        widths.append(interval.high - interval.low)
    assert np.mean(widths) == pytest.approx(0.06, rel=0.06)


def test_items_against_the_ceiling_reach_their_power():
    plan = items_for_ceiling(0.94, 0.95, classes=4)
    assert (plan.claim, plan.reference, plan.epsilon) == ("same", 0.95, 0.05)
    wins = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        cascade = rng.integers(4, size=plan.items)
        left, other = (flip(rng, cascade, rate * 0.75, 4) for rate in (0.06, 0.05))
        weights = Resamples.draw(plan.items, resamples=200, seed=seed)
        pair = compare(left, cascade, classes=4, weights=weights)
        wins += verdict(pair, compare(cascade, other, classes=4, weights=weights)).kind == "same answers"
    assert wins / 200 == pytest.approx(0.8, abs=0.1)
    assert items_for_ceiling(0.80, 0.95, classes=4).claim == "other"
    assert (
        items_for_ceiling(0.90, 0.95, classes=4).items is None or items_for_ceiling(0.90, 0.95, classes=4).items > 1e6
    )
    assert (
        items_for_ceiling(0.93, 0.95, classes=4, correlation=0.5).items < items_for_ceiling(0.93, 0.95, classes=4).items
    )


def test_power_of_the_study_just_run():
    gold, left, right = arms(0, n=1050, flipped=0.05)
    pair = compare(left, right, gold, classes=4)
    test = pair.mcnemar
    assert power_of(pair) == equivalence_power(1050, (test.b + test.c) / 1050)
    assert power_of(pair, difference=0.029) < 0.1
    assert power_of(compare(left, right, classes=4)) is None
    ones = np.ones(400, dtype=int)
    assert power_of(compare(ones, ones, ones, classes=2)) > 0.99


@pytest.mark.parametrize(
    "call",
    [
        lambda: items_for_margin(0.0),
        lambda: items_for_margin(float("nan")),
        lambda: items_for_margin(0.05, margin=1.5),
        lambda: items_for_margin(0.05, power=1.0),
        lambda: equivalence_power(100, 0.05, difference=0.2),
        lambda: items_for_kappa(0.9, 0.0, 4),
        lambda: kappa_estimate(1.5, 10, 4),
        lambda: kappa_estimate(0.5, 10, 1),
    ],
)
def test_impossible_expectations_are_refused(call):
    with pytest.raises(ValueError, match=r"must|cannot|at least"):
        call()
