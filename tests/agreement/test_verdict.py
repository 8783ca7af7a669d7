import numpy as np
import pytest

from cascade_equivalence.agreement import GoldArm, Resamples, Verdict, compare, family, kappa_gap, verdict

from .planted_data import arms, flip


def study(seed, n, flipped, ceiling_flipped=0.04, classes=4):
    """gold, a pair with `flipped` labels changed, and the pair of cascades, on the same items."""
    gold, cascade, arm = arms(seed, n=n, classes=classes, flipped=flipped)
    weak = flip(np.random.default_rng(seed + 10_000), cascade, ceiling_flipped, classes)
    weights = Resamples.draw(n, resamples=500, seed=seed)
    pair = compare(arm, cascade, gold, classes=classes, weights=weights)
    return pair, compare(cascade, weak, gold, classes=classes, weights=weights)


def test_a_near_copy_is_equivalent_and_another_system_is_different():
    pair, ceiling = study(0, 1050, 0.02)
    assert verdict(pair).name == "equivalent"
    assert verdict(pair, ceiling).name == "equivalent"
    pair, ceiling = study(0, 1050, 0.25)
    assert verdict(pair).name == "different"
    assert verdict(pair, ceiling).name == "different"


def test_few_items_leave_it_undecided_and_the_number_named_decides_it():
    gold, left, right = arms(3, n=60, flipped=0.04)
    pair = compare(left, right, gold, classes=4, resamples=500)
    said = pair.verdict
    assert said.name == "undecided"
    assert f"about {said.items_needed} more items" in said.reason
    # Studies of that size drawn from what was seen decide in about 80 % of cases.
    names = []
    for seed in range(60):
        drawn = np.random.default_rng(seed).integers(60, size=60 + said.items_needed)
        more = compare(left[drawn], right[drawn], gold[drawn], classes=4, resamples=200)
        names.append(more.verdict.name)
    assert 0.6 <= 1 - names.count("undecided") / 60 <= 0.95


def test_p_values_agree_with_the_name():
    for seed in range(24):
        pair, ceiling = study(seed, 300 + 40 * seed, [0.02, 0.06, 0.12][seed % 3])
        said = verdict(pair, ceiling)
        assert (said.p_equivalent <= 0.05) == (said.name == "equivalent")
        assert (said.name == "different") >= (said.p_different <= 0.05)
        low, high = said.kappa_gap.low, said.kappa_gap.high
        assert low < said.kappa_gap.value < high


def test_without_gold_kappa_alone_decides():
    _, left, right = arms(0, flipped=0.01)
    pair = compare(left, right, classes=4)
    assert pair.verdict.name == "equivalent"
    assert "no gold labels" in pair.verdict.reason
    _, left, right = arms(0, flipped=0.4)
    assert compare(left, right, classes=4).verdict.name == "different"


def test_equal_accuracy_with_independent_errors_is_different():
    """Not significantly different accuracies are no equivalence: κ is far below 1."""
    rng = np.random.default_rng(1)
    gold = rng.integers(4, size=3000)
    left, right = flip(rng, gold, 0.15, 4), flip(rng, gold, 0.15, 4)
    pair = compare(left, right, gold, classes=4)
    assert pair.equivalence.passed
    assert pair.verdict.name == "different"


def test_verdict_is_symmetric():
    for seed in range(10):
        gold, left, right = arms(seed, n=500, flipped=0.06)
        one, other = compare(left, right, gold, classes=4), compare(right, left, gold, classes=4)
        assert one.verdict.name == other.verdict.name


def test_accuracy_alone_may_show_a_difference_but_never_equivalence():
    ones = np.ones(2000, dtype=int)
    pair = compare(ones, ones, ones, classes=2)
    assert pair.kappa.value is None
    assert pair.equivalence.passed
    assert pair.verdict.name == "undecided"
    assert pair.verdict.items_needed is None


def test_no_verdict_where_the_gold_arm_shows_that_the_task_measures_nothing():
    pair, ceiling = study(0, 1050, 0.02)
    weak = GoldArm(correct=560, n=1050, chance=0.5, majority=0.52)
    assert not weak.measures
    said = verdict(pair, ceiling, gold_arm=weak)
    assert said.name is None
    assert "measures nothing" in said.reason
    strong = GoldArm(correct=900, n=1050, chance=0.5, majority=0.52)
    assert verdict(pair, ceiling, gold_arm=strong).name == "equivalent"
    assert not GoldArm(0, 0, 0.5, 0.5).measures


def test_pooled_verdict_over_tasks():
    """Each task alone is too small whatever it shows; pooled, stratified by task, they decide."""
    tasks = [(classes, seed) for seed, classes in enumerate((4, 2, 5, 3) * 2)]
    columns = {"gold": [], "cascade": [], "arm": [], "weak": [], "task": []}
    alone = []
    for classes, seed in tasks:
        gold, cascade, arm = arms(seed, n=60, classes=classes, flipped=0.01)
        weak = flip(np.random.default_rng(seed + 50), cascade, 0.03, classes)
        alone.append(compare(arm, cascade, gold, classes=classes, resamples=500).verdict.name)
        for name, values in zip(columns, (gold, cascade, arm, weak, [seed] * 60), strict=True):
            columns[name] = [*columns[name], *values]
    pooled = {name: np.array(values) for name, values in columns.items()}
    strata = pooled["task"]
    weights = Resamples.draw(len(strata), resamples=2000, strata=strata)
    options = {"classes": 5, "strata": strata, "weights": weights}
    pair = compare(pooled["arm"], pooled["cascade"], pooled["gold"], **options)
    ceiling = compare(pooled["cascade"], pooled["weak"], pooled["gold"], **options)
    assert "equivalent" not in alone
    assert verdict(pair, ceiling).name == "equivalent"
    # Resampling keeps the size of every task.
    drawn = np.concatenate(list(weights.blocks()))
    for task in range(8):
        assert (drawn[:, strata == task].sum(axis=1) == 60).all()


def test_unpaired_ceilings_are_refused():
    gold, left, right = arms(0, n=200)
    one = compare(left, right, gold, classes=4, weights=Resamples.draw(200, resamples=50, seed=1))
    other = compare(left, right, gold, classes=4, weights=Resamples.draw(200, resamples=50, seed=2))
    with pytest.raises(ValueError, match="same Resamples"):
        verdict(one, other)
    same = compare(left, right, gold, classes=4, weights=Resamples.draw(200, resamples=50, seed=1))
    assert kappa_gap(one, same).value == 0.0


def test_a_gap_to_itself_is_nothing_and_pairing_narrows_it():
    pair, ceiling = study(5, 800, 0.08)
    itself = kappa_gap(pair, pair)
    assert itself.value == 0.0
    assert itself.limits(1.645) == pytest.approx((0.0, 0.0), abs=0.005)
    gap = kappa_gap(pair, ceiling)
    assert gap.correlation > -1
    low, high = gap.limits(1.96)
    assert gap.p_at_least(high) == pytest.approx(0.025, abs=1e-4)
    assert gap.p_at_least(low) == pytest.approx(0.975, abs=1e-4)


def test_family_adjusts_what_was_said():
    firm = Verdict("equivalent", "a", p_equivalent=0.001, p_different=1.0)
    frail = Verdict("different", "b", p_equivalent=1.0, p_different=0.045)
    silent = Verdict(None, "measures nothing")
    open_ = Verdict("undecided", "c", p_equivalent=0.4, p_different=0.9)
    adjusted = family([firm, frail, silent, open_])
    assert [v.name for v in adjusted] == ["equivalent", "undecided", None, "undecided"]
    assert adjusted[1].unadjusted == "different"
    assert "not among 3 comparisons" in adjusted[1].reason
    assert adjusted[0].p_adjusted == pytest.approx(0.003)
    assert adjusted[2] == silent
    assert family([firm, frail], "holm")[1].name == "different"
    assert family([firm, frail, open_], "holm")[0].name == "equivalent"
