from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from cascade_equivalence.agreement import GoldArm, Resamples, Verdict, compare, family, gap_of, verdict, verdict_words
from cascade_equivalence.agreement.gap import p_at_least
from cascade_equivalence.agreement.kinds import kind_of, name_of
from cascade_equivalence.agreement.verdict_words import more_than_a_cascade, title

from .planted_data import arms, flip


def study(seed, n, flipped, ceiling_flipped=0.04, classes=4):
    """A pair with `flipped` labels changed, and the pair of cascades, on the same items."""
    gold, cascade, arm = arms(seed, n=n, classes=classes, flipped=flipped)
    weak = flip(np.random.default_rng(seed + 10_000), cascade, ceiling_flipped, classes)
    weights = Resamples.draw(n, resamples=500, seed=seed)
    pair = compare(arm, cascade, gold, classes=classes, weights=weights)
    return pair, compare(cascade, weak, gold, classes=classes, weights=weights)


def test_every_combination_of_parts_has_the_kind_and_name_of_the_rule():
    """The table of the rule, written out."""
    table = {
        ("same", "same"): ("same", "equivalent"),
        ("same", "other"): ("other answers, same accuracy", "different"),
        ("same", "open"): ("same accuracy", "undecided"),
        ("same", "not judged"): ("same accuracy", "undecided"),
        ("open", "same"): ("same answers", "undecided"),
        ("open", "other"): ("other answers, accuracy open", "different"),
        ("open", "open"): ("open", "undecided"),
        ("open", "not judged"): ("open", "undecided"),
    }
    for answers in ("same", "other", "open", "not judged"):
        table["better", answers] = ("better", "different")
        table["worse", answers] = ("worse", "different")
    for accuracy, answers in product(("better", "worse", "same", "open"), ("same", "other", "open", "not judged")):
        kind, name = table[accuracy, answers]
        assert kind_of(accuracy, answers) == kind
        assert name_of(kind, has_gold=True) == name
    assert name_of(kind_of(None, "same"), has_gold=False) == "equivalent"
    assert name_of(kind_of(None, "other"), has_gold=False) == "different"
    assert name_of(kind_of(None, "open"), has_gold=False) == "undecided"


def test_the_parts_are_what_the_bounds_say():
    for seed in range(24):
        pair, ceiling = study(seed, 300 + 40 * seed, [0.02, 0.06, 0.12][seed % 3])
        said = verdict(pair, ceiling)
        low, high, m = said.accuracy.difference.low, said.accuracy.difference.high, said.accuracy.margin
        expected = "better" if low > m else "worse" if high < -m else "same" if -m < low and high < m else "open"
        assert said.accuracy.name == expected
        assert said.better == ("yes" if low > m else "no" if high < m else "open")
        gap = said.answers.gap
        assert gap.low < gap.value < gap.high
        bounds_say = "same" if gap.high <= 0.05 else "other" if gap.low > 0.05 else "open"
        assert said.answers.name == ("not judged" if said.answers.why else bounds_say)
        assert said.answers.why is None or "itself worse" in said.answers.why
        if said.answers.why:
            continue
        assert (said.answers.p_same <= 0.05) == (said.answers.name == "same")
        assert (said.answers.p_other < 0.05) == (said.answers.name == "other")
        d = pair.accuracy.difference
        leans = said.accuracy.name == "open" and not d.low <= 0 <= d.high
        assert said.accuracy.lean == (("ahead" if d.value > 0 else "behind") if leans else None)


def test_planted_kinds():
    pair, ceiling = study(0, 1050, 0.02)
    assert verdict(pair, ceiling).kind == "same"
    pair, ceiling = study(0, 1050, 0.25)
    assert verdict(pair, ceiling).kind == "worse" if pair.accuracy.difference.value < -0.06 else "better"
    rng = np.random.default_rng(1)
    gold = rng.integers(4, size=3000)
    left, right = flip(rng, gold, 0.15, 4), flip(rng, gold, 0.15, 4)
    said = verdict(compare(left, right, gold, classes=4), 0.95)
    assert (said.name, said.kind, said.better) == ("different", "other answers, same accuracy", "no")


def test_without_a_ceiling_accuracy_alone_is_judged():
    pair, _ = study(0, 1050, 0.02)
    said = verdict(pair)
    assert (said.name, said.kind, said.answers.name) == ("undecided", "same accuracy", "not judged")
    assert said.items_needed is None
    assert "second cascade on the same LLM" in said.reason
    gold, left, right = arms(0, n=1000, flipped=0.3)
    assert verdict(compare(left, right, gold, classes=4)).kind in ("better", "worse")


@pytest.mark.parametrize(
    ("ceiling", "why"),
    [(0.59, "under 0.60"), (None, "there is no ceiling")],
)
def test_a_number_that_cannot_carry_a_judgement(ceiling, why):
    pair, _ = study(0, 1050, 0.02)
    said = verdict(pair, ceiling)
    assert said.answers.name == "not judged"
    assert why in said.answers.why
    assert said.answers.kappa == pair.kappa.value


def test_the_floor_is_for_the_lower_bound_of_the_ceiling():
    for flipped, judged in ((0.20, True), (0.29, False), (0.5, False)):
        rng = np.random.default_rng(1)
        cascade = rng.integers(4, size=800)
        weights = Resamples.draw(800, resamples=300)
        pair, ceiling = (
            compare(flip(rng, cascade, rate, 4), cascade, classes=4, weights=weights) for rate in (0.02, flipped)
        )
        low, _ = ceiling.estimate.limits(1.6448536)
        assert (low >= 0.60) == judged
        assert (verdict(pair, ceiling).answers.name != "not judged") == judged


def test_a_ceiling_of_a_worse_cascade_is_not_used():
    """All that the other cascade has changed is for the worse: shown, yet κ is high enough."""
    gold, cascade, arm = arms(3, n=2000, flipped=0.02)
    right = np.flatnonzero(cascade == gold)[:200]
    weak = cascade.copy()
    weak[right] = (gold[right] + 1) % 4
    weights = Resamples.draw(2000, resamples=300)
    pair = compare(arm, cascade, gold, classes=4, weights=weights)
    ceiling = compare(cascade, weak, gold, classes=4, weights=weights)
    assert ceiling.kappa.low > 0.8
    said = verdict(pair, ceiling)
    assert said.answers.name == "not judged"
    assert "itself worse" in said.answers.why
    assert "kappa" in said.reason
    # The mirror image, another cascade that is better, is a ceiling like any other.
    mirrored = compare(weak, cascade, gold, classes=4, weights=weights)
    assert verdict(pair, mirrored).answers.name != "not judged"


def test_few_items_leave_it_undecided_and_the_number_named_decides_it_as_said():
    gold, left, right = arms(3, n=60, flipped=0.04)
    said = verdict(compare(left, right, gold, classes=4, resamples=500), 0.95)
    assert said.name == "undecided"
    assert f"about {verdict_words.about(said.items_needed)} new items" in said.reason
    # New studies of that size drawn from what was seen decide in about 80 % of cases.
    kinds = []
    for seed in range(60):
        drawn = np.random.default_rng(seed).integers(60, size=said.items_needed)
        more = compare(left[drawn], right[drawn], gold[drawn], classes=4, resamples=200)
        kinds.append(verdict(more, 0.95).kind)
    assert 0.6 <= kinds.count(said.towards) / 60 <= 0.97


def test_what_lies_at_a_limit_is_decided_by_no_number_of_items():
    gold = np.zeros(1000, dtype=int)
    left, right = gold.copy(), gold.copy()
    right[:30] = 1
    left[30:60] = 1
    left[60:90] = 1
    said = verdict(compare(left, right, gold, classes=2, resamples=200))
    assert said.kind == "open"
    assert said.items_needed is None
    assert "no feasible number" in said.reason
    assert title(said).startswith("too close to call")
    assert "Cannot tell: 3 points" in more_than_a_cascade(verdict(compare(right, left, gold, classes=2, resamples=200)))


def test_without_gold_the_answers_decide_and_without_a_ceiling_too_nothing_does():
    _, left, right = arms(0, flipped=0.01)
    pair = compare(left, right, classes=4)
    said = verdict(pair, 0.95)
    assert (said.name, said.kind, said.better) == ("equivalent", "same answers", "open")
    assert "no gold labels" in said.reason
    alone = verdict(pair)
    assert (alone.name, alone.kind, alone.better) == (None, None, None)
    _, left, right = arms(0, flipped=0.4)
    other = verdict(compare(left, right, classes=4), 0.95)
    assert (other.name, other.kind) == ("different", "other answers, accuracy open")


def test_one_label_everywhere_leaves_the_answers_unjudged():
    ones = np.ones(2000, dtype=int)
    pair = compare(ones, ones, ones, classes=2)
    assert pair.kappa.value is None
    said = verdict(pair, 0.95)
    assert (said.kind, said.answers.name) == ("same accuracy", "not judged")
    assert "not defined" in said.reason


def test_accuracy_is_mirrored_when_the_sides_are_swapped():
    mirror = {"better": "worse", "worse": "better"}
    for seed in range(10):
        gold, left, right = arms(seed, n=500, flipped=0.06 + 0.02 * seed)
        one, other = (verdict(compare(x, y, gold, classes=4), 0.95) for x, y in ((left, right), (right, left)))
        assert other.accuracy.name == mirror.get(one.accuracy.name, one.accuracy.name)
        assert other.answers.kappa == one.answers.kappa
        assert other.accuracy.p_better == pytest.approx(one.accuracy.p_worse)


def test_no_verdict_where_the_gold_arm_shows_that_the_task_measures_nothing():
    pair, ceiling = study(0, 1050, 0.02)
    weak = GoldArm(correct=560, n=1050, chance=0.5, majority=0.52)
    assert not weak.measures
    said = verdict(pair, ceiling, gold_arm=weak)
    assert (said.name, said.kind, said.better) == (None, None, None)
    assert "measures nothing" in said.reason
    assert said.answers.kappa == pair.kappa.value
    strong = GoldArm(correct=900, n=1050, chance=0.5, majority=0.52)
    assert verdict(pair, ceiling, gold_arm=strong).name == "equivalent"
    assert not GoldArm(0, 0, 0.5, 0.5).measures


def test_under_twenty_clusters_there_are_figures_and_no_verdict():
    gold, left, right = arms(0, n=1000, flipped=0.3)
    for clusters, decided in ((19, False), (20, True)):
        pair = compare(left, right, gold, classes=4, clusters=np.arange(1000) % clusters, resamples=200)
        said = verdict(pair, 0.95)
        assert (said.name is not None) == decided
        assert said.accuracy.difference.value == pair.accuracy.difference.value
        assert said.answers.kappa == pair.kappa.value
    few = verdict(compare(left[:19], right[:19], gold[:19], classes=4), 0.95)
    assert few.name is None
    assert "19 items" in few.reason


def test_an_interim_look_gives_no_verdict_but_what_it_would_be():
    pair, ceiling = study(0, 1050, 0.02)
    said = verdict(pair, ceiling, interim=True)
    assert (said.name, said.kind, said.better) == (None, None, None)
    assert said.interim
    assert said.so_far == "same"
    assert not verdict(pair, ceiling).interim


def test_an_opaque_pair_says_so():
    pair, ceiling = study(0, 1050, 0.02)
    assert "opaque" in verdict(pair, ceiling, opaque=True).reason
    assert "opaque" not in verdict(pair, ceiling).reason


def test_pooled_verdict_over_tasks():
    """Each task alone is too small whatever it shows; pooled, stratified by task, they decide."""
    tasks = [(classes, seed) for seed, classes in enumerate((4, 2, 5, 3) * 2)]
    columns = {"gold": [], "cascade": [], "arm": [], "weak": [], "task": []}
    alone = []
    for classes, seed in tasks:
        gold, cascade, arm = arms(seed, n=60, classes=classes, flipped=0.01)
        weak = flip(np.random.default_rng(seed + 50), cascade, 0.03, classes)
        alone.append(verdict(compare(arm, cascade, gold, classes=classes, resamples=500), 0.95).name)
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
    drawn = np.concatenate(list(weights.blocks()), axis=1).T
    for task in range(8):
        assert (drawn[:, strata == task].sum(axis=1) == 60).all()


def test_unpaired_ceilings_are_refused():
    gold, left, right = arms(0, n=200)
    one = compare(left, right, gold, classes=4, weights=Resamples.draw(200, resamples=50, seed=1))
    other = compare(left, right, gold, classes=4, weights=Resamples.draw(200, resamples=50, seed=2))
    with pytest.raises(ValueError, match="same Resamples"):
        verdict(one, other)
    same = compare(left, right, gold, classes=4, weights=Resamples.draw(200, resamples=50, seed=1))
    assert gap_of(one, same).value == 0.0


def test_the_p_of_a_gap_and_its_limits_agree():
    pair, ceiling = study(5, 800, 0.08)
    gap = gap_of(pair, ceiling)
    low, high = gap.limits(1.96)
    assert p_at_least(gap, high) == pytest.approx(0.025, abs=1e-4)
    assert p_at_least(gap, low) == pytest.approx(0.975, abs=1e-4)


def enters(seed, n, flipped):
    pair, ceiling = study(seed, n, flipped)
    return verdict(pair, ceiling)


def test_a_family_enters_with_the_p_of_what_each_kind_states():
    """Independent reference: scipy's Benjamini–Hochberg."""
    said = [enters(seed, 400 + 50 * seed, [0.0, 0.02, 0.05, 0.15, 0.4][seed % 5]) for seed in range(10)]
    assert {v.kind for v in said} >= {"same", "same answers", "worse"}
    p = []
    for v in said:
        accuracy, answers = v.accuracy, v.answers
        p.append(
            {
                "better": accuracy.p_better,
                "worse": accuracy.p_worse,
                "same": max(accuracy.p_same, answers.p_same),
                "other answers, same accuracy": max(accuracy.p_same, answers.p_other),
                "other answers, accuracy open": answers.p_other,
                "same accuracy": accuracy.p_same,
                "same answers": answers.p_same,
                "open": accuracy.p_not_better if v.better == "no" else 1.0,
            }[v.kind]
        )
    assert [v.p for v in said] == p
    silent = Verdict(None, None, None, why_none="measures nothing")
    adjusted = family([*said, silent])
    assert [v.p_adjusted for v in adjusted[:-1]] == pytest.approx(list(false_discovery_control(p)))
    assert adjusted[-1] is silent
    assert {v.family for v in adjusted[:-1]} == {10}


def test_a_statement_that_fails_takes_accuracy_answers_and_better_with_it():
    frail = next(v for s in range(200) if 0.02 < (v := enters(s, 500, 0.02)).p <= 0.05 and v.kind == "same")
    before = frail.to_json()
    noise = Verdict("undecided", "open", "open", p=1.0)
    adjusted = family([frail, noise, noise])[0]
    assert (adjusted.name, adjusted.kind, adjusted.better) == ("undecided", "open", "open")
    assert (adjusted.accuracy.name, adjusted.answers.name) == ("open", "open")
    assert adjusted.unadjusted == "same"
    assert "not once adjusted for 3 primary pairs" in adjusted.reason
    assert adjusted.accuracy.difference == frail.accuracy.difference
    assert frail.to_json() == before
    assert family([frail])[0].kind == "same"
    firm = replace(frail, p=0.0001)
    assert [v.kind for v in family([firm, firm, firm, firm])] == ["same"] * 4
    assert family([frail, noise, noise], "holm")[0].kind == "open"
