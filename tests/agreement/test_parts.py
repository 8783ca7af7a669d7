"""The parts of a verdict where their bounds are met exactly, and their figures against formulas written out."""

import json
import math

import numpy as np
import pytest
from scipy import stats

from cascade_equivalence.agreement import Resamples, compare, gap_of, verdict
from cascade_equivalence.agreement.paired import tango_z
from cascade_equivalence.agreement.parts import accuracy_name, accuracy_part, answers_name, answers_part

from .planted_data import arms, flip

Z = stats.norm.ppf(0.95)


def counted(both, b, c, neither):
    """A pair of arms with these counts of items that both, one, the other, or neither got right."""
    gold = np.zeros(both + b + c + neither, dtype=int)
    left = np.repeat([0, 0, 1, 1], [both, b, c, neither])
    right = np.repeat([0, 1, 0, 2], [both, b, c, neither])
    return compare(left, right, gold, classes=3, resamples=100)


@pytest.mark.parametrize(
    ("b", "c", "name"), [(90, 10, "better"), (10, 90, "worse"), (20, 21, "same"), (21, 20, "same"), (40, 21, "open")]
)
def test_a_bound_is_beyond_the_margin_where_the_score_test_says_so(b, c, name):
    pair = counted(500, b, c, 100)
    n = 600 + b + c
    assert accuracy_name(pair, Z) == accuracy_part(pair).name == name
    assert accuracy_part(pair).better == {"better": "yes", "open": "open"}.get(name, "no")
    leans = name == "open" and abs(b - c) > 1.96 * math.sqrt(b + c)
    assert accuracy_part(pair).lean == (("ahead" if b > c else "behind") if leans else None)
    below, above = tango_z(b, c, n, -0.03), tango_z(b, c, n, 0.03)
    met = {"better": above, "worse": -below, "same": min(below, -above), "open": None}[name]
    if met is None:
        assert min(above, -below) < Z and min(below, -above) < Z
        return
    # At the very bound nothing lies beyond the margin, and all lies within it.
    assert accuracy_name(pair, met * 0.999) == name
    assert accuracy_name(pair, met) == (name if name == "same" else "open")
    assert accuracy_name(pair, met * 1.001) == "open"
    # Twice as many items of the same kind: the statistic grows by the root of two.
    assert accuracy_name(pair, met * math.sqrt(2) * 0.999, 2.0) == name
    assert accuracy_name(pair, met * math.sqrt(2) * 1.001, 2.0) == "open"


def test_only_one_side_of_the_margin_is_not_the_same():
    """Far below the margin, or far above its lower end, alone says nothing."""
    for b, c in ((60, 20), (20, 60)):
        pair = counted(300, b, c, 20)
        assert accuracy_name(pair, Z) != "same"
        assert accuracy_name(pair, 0.0) != "same"


@pytest.mark.parametrize("flipped", [0.01, 0.12])
@pytest.mark.parametrize("known", [True, False])
def test_answers_are_named_where_the_statistic_meets_its_bound(flipped, known):
    gold, cascade, arm = arms(1, n=900, flipped=flipped)
    weights = Resamples.draw(900, resamples=300, seed=1)
    pair = compare(arm, cascade, gold, classes=4, weights=weights)
    weak = flip(np.random.default_rng(7), cascade, 0.04, 4)
    ceiling = 0.95 if known else compare(cascade, weak, gold, classes=4, weights=weights)
    gap = gap_of(pair, ceiling)
    at = gap.above(0.05)
    name = "same" if at < 0 else "other"
    assert answers_name(gap, 0.05, abs(at) * 0.999) == name
    assert answers_name(gap, 0.05, abs(at)) == ("same" if name == "same" else "open")
    assert answers_name(gap, 0.05, abs(at) * 1.001) == "open"
    assert answers_name(gap, 0.05, 2 * abs(at) * 0.999, 4.0) == name
    assert answers_name(gap, 0.05, 2 * abs(at) * 1.001, 4.0) == "open"
    part = answers_part(pair, ceiling)
    assert (part.gap.low, part.gap.high) == pytest.approx(gap.limits(Z))
    assert part.p_same == pytest.approx(stats.norm.cdf(at)) and part.p_other == pytest.approx(stats.norm.sf(at))


@pytest.mark.parametrize("copies", [2, 5])
def test_clustered_counts_are_divided_by_the_design_effect(copies):
    """Copies of items, said to be copies, lean as far as McNemar's statistic over the root of the design effect."""
    leans = set()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        gold = np.zeros(120, dtype=int)
        left, right = (rng.random(120) < share for share in (0.1, 0.1 + 0.02 * seed))
        whole = [np.repeat(x.astype(int), copies) for x in (left, right, gold)]
        pair = compare(*whole, classes=2, clusters=np.repeat(np.arange(120), copies), resamples=50)
        b, c, effect = pair.mcnemar.b, pair.mcnemar.c, pair.design_effect
        assert effect > 0.8 * copies
        statistic = (b - c) / math.sqrt((b + c) * effect) if b + c else 0.0
        beyond = abs(statistic) > stats.t.ppf(0.975, 119)
        assert accuracy_part(pair).side == (("ahead" if statistic > 0 else "behind") if beyond else None)
        leans.add(accuracy_part(pair).side)
    assert leans == {None, "ahead"}


def test_a_known_ceiling_at_the_floor_is_judged():
    gold, cascade, arm = arms(0, n=1050, flipped=0.02)
    pair = compare(arm, cascade, gold, classes=4)
    assert answers_part(pair, 0.60).why is None
    assert "under 0.60" in answers_part(pair, math.nextafter(0.60, 0)).why
    assert answers_part(pair, 1).why is None
    assert accuracy_part(compare(arm, cascade, classes=4)) is None
    assert accuracy_name(compare(arm, cascade, classes=4), Z) == "open"


def test_what_the_verdict_is_in_json():
    """Every field under its own name, nothing that JSON lacks, intervals as value, low and high."""
    gold, cascade, arm = arms(0, n=1050, flipped=0.02)
    said = verdict(compare(arm, cascade, gold, classes=4), 0.95)
    found = json.loads(json.dumps(said.to_json(), allow_nan=False))
    for key in (
        "name",
        "kind",
        "better",
        "reason",
        "items_needed",
        "towards",
        "p",
        "p_adjusted",
        "family",
        "opaque",
        "unadjusted",
    ):
        assert found[key] == getattr(said, key), key
    accuracy, answers = found["accuracy"], found["answers"]
    for key in ("name", "margin", "p_better", "p_worse", "p_same", "p_not_better", "lean"):
        assert accuracy[key] == getattr(said.accuracy, key), key
    for key in ("name", "why", "kappa", "reference", "epsilon", "p_same", "p_other"):
        assert answers[key] == getattr(said.answers, key), key
    for part, interval in ((accuracy["difference"], said.accuracy.difference), (answers["gap"], said.answers.gap)):
        assert part == {"value": interval.value, "low": interval.low, "high": interval.high}
    assert "side" not in accuracy
    early = verdict(compare(arm, cascade, gold, classes=4), 0.95, interim=True)
    assert (early.to_json()["so_far"], early.to_json()["name"], early.p) == ("same", None, None)
    assert early.why_none == "interim: not all planned trials are done"
    without = verdict(compare(arm, cascade, classes=4), 0.95).to_json()
    assert without["accuracy"] is None and without["answers"] is not None


def test_the_p_of_a_verdict_is_that_of_what_it_states():
    seen = set()
    for seed in range(20):
        gold, cascade, arm = arms(seed, n=150 + 60 * seed, flipped=[0.01, 0.05, 0.12, 0.3][seed % 4])
        if seed % 2:
            arm, cascade = cascade, arm
        pair = compare(arm, cascade, gold, classes=4, resamples=200)
        for ceiling in (0.95, 0.8, None):
            said = verdict(pair, ceiling)
            a, b = said.accuracy, said.answers
            stated = {
                "better": [a.p_better], "worse": [a.p_worse], "same": [a.p_same, b.p_same],
                "same accuracy": [a.p_same], "same answers": [b.p_same],
                "other answers, same accuracy": [a.p_same, b.p_other], "other answers, accuracy open": [b.p_other],
                "open": [a.p_not_better] if said.better == "no" else [1.0],
            }[said.kind]  # fmt: skip
            assert said.p == max(stated), said.kind
            assert said.p == 1.0 or said.p <= 0.05
            seen.add((said.kind, said.better == "no"))
    assert len(seen) >= 5 and {("open", True), ("open", False)} & seen
