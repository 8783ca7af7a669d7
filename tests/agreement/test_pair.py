import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa

from cascade_equivalence.agreement import INVALID, Resamples, compare

from .planted_data import arms


@st.composite
def three_arrays(draw):
    classes = draw(st.integers(1, 5))
    n = draw(st.integers(1, 60))
    labels = hnp.arrays(np.int64, n, elements=st.integers(-1, classes - 1))
    gold = hnp.arrays(np.int64, n, elements=st.integers(0, classes - 1))
    return classes, draw(labels), draw(labels), draw(gold)


def _finite(value):
    if isinstance(value, dict):
        return all(_finite(v) for v in value.values())
    if isinstance(value, list):
        return all(_finite(v) for v in value)
    return not isinstance(value, float) or math.isfinite(value)


@given(three_arrays())
@settings(deadline=None, max_examples=50)
def test_bounds_and_json(data):
    classes, left, right, gold = data
    pair = compare(left, right, gold, classes=classes, resamples=50)
    out = pair.to_json()
    assert _finite(out)
    assert json.loads(json.dumps(out, allow_nan=False)) == out
    kappa = pair.kappa
    if kappa.value is None:
        assert "kappa" in pair.notes
    else:
        assert -1 <= kappa.low <= kappa.value <= kappa.high <= 1
        assert kappa.low < kappa.high
        assert kappa.value <= pair.kappa_max + 1e-12
    overlap = pair.error_overlap
    assert overlap.value is None or 0 <= overlap.value <= 1
    assert overlap.chance is None or 0 <= overlap.chance <= 1
    assert pair.accuracy.difference.low <= pair.accuracy.difference.value <= pair.accuracy.difference.high
    assert pair.mcnemar.b - pair.mcnemar.c == round(pair.n * pair.accuracy.difference.value)


@given(three_arrays())
@settings(deadline=None, max_examples=50)
def test_symmetry(data):
    classes, left, right, gold = data
    one = compare(left, right, gold, classes=classes, resamples=50)
    other = compare(right, left, gold, classes=classes, resamples=50)
    assert one.agreement == other.agreement
    assert one.kappa.value == pytest.approx(other.kappa.value, abs=1e-12)
    assert one.error_overlap.value == other.error_overlap.value
    assert one.error_overlap.chance == pytest.approx(other.error_overlap.chance, abs=1e-12)
    assert one.accuracy.difference.value == pytest.approx(-other.accuracy.difference.value)
    assert (one.mcnemar.b, one.mcnemar.c) == (other.mcnemar.c, other.mcnemar.b)
    assert one.equivalence.p == pytest.approx(other.equivalence.p, abs=1e-9)


@given(three_arrays(), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=50)
def test_relabelling_and_row_order_change_nothing(data, random):
    classes, left, right, gold = data
    names = list(range(classes))
    random.shuffle(names)
    rename = np.array([*names, -1])
    order = np.array(random.sample(range(len(left)), len(left)))
    one = compare(left, right, gold, classes=classes, resamples=50)
    other = compare(rename[left][order], rename[right][order], rename[gold][order], classes=classes, resamples=50)
    for name in ("agreement", "expected", "kappa_max", "prevalence_index", "bias_index", "ac1", "n_valid"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-12), name
    assert one.kappa.value == pytest.approx(other.kappa.value, abs=1e-12)
    assert one.kappa_valid.value == pytest.approx(other.kappa_valid.value, abs=1e-12)
    assert one.error_overlap.value == other.error_overlap.value
    assert one.error_overlap.chance == pytest.approx(other.error_overlap.chance, abs=1e-12)
    assert one.mcnemar == other.mcnemar
    assert one.correctness == other.correctness


@given(three_arrays())
@settings(deadline=None, max_examples=50)
def test_identical_arms(data):
    classes, left, _, gold = data
    pair = compare(left, left, gold, classes=classes, resamples=50)
    if len(np.unique(left)) > 1:
        assert pair.kappa.value == 1.0
        assert pair.kappa.low < 1.0
        assert pair.kappa.high == 1.0
    else:
        assert pair.kappa.value is None
        assert pair.to_json()["kappa"]["value"] is None
        assert "one and the same label" in pair.notes["kappa"]


@pytest.mark.parametrize("invalid", [0.0, 0.08])
@pytest.mark.parametrize("classes", [2, 3, 7])
def test_kappa_matches_the_libraries(classes, invalid):
    gold, left, right = arms(classes, classes=classes, flipped=0.3, invalid=invalid)
    pair = compare(left, right, gold, classes=classes, resamples=4000)
    assert pair.kappa.value == pytest.approx(cohen_kappa_score(left, right), abs=1e-12)
    valid = (left >= 0) & (right >= 0)
    assert pair.kappa_valid.value == pytest.approx(cohen_kappa_score(left[valid], right[valid]), abs=1e-12)
    table = np.zeros((classes + 1, classes + 1))
    np.add.at(table, (left, right), 1)
    used = table.sum(0) + table.sum(1) > 0
    reference = cohens_kappa(table[np.ix_(used, used)])
    assert pair.kappa.value == pytest.approx(reference.kappa, abs=1e-12)
    assert pair.kappa_max == pytest.approx(reference.kappa_max, abs=1e-12)
    # Far from 1 the interval agrees with the asymptotic one.
    assert pair.kappa.high - pair.kappa.low == pytest.approx(4 * reference.std_kappa * 0.98, rel=0.05)


def test_replicates_equal_weighted_kappa_of_scikit_learn():
    gold, left, right = arms(5, n=300, flipped=0.2, invalid=0.02)
    weights = Resamples.draw(300, resamples=40, seed=9)
    pair = compare(left, right, gold, classes=4, weights=weights)
    drawn = np.concatenate(list(weights.blocks()), axis=1).T.astype(float)
    for i, w in enumerate(drawn):
        assert pair.replicates.kappa[i] == pytest.approx(cohen_kappa_score(left, right, sample_weight=w), abs=1e-12)
        joint = (left != gold) & (right != gold)
        same = joint & (left == right) & (left != INVALID)
        assert pair.replicates.overlap[i] == pytest.approx(w[same].sum() / w[joint].sum(), abs=1e-12)
        difference = (w * ((left == gold).astype(float) - (right == gold))).sum() / 300
        assert pair.replicates.difference[i] == pytest.approx(difference, abs=1e-12)


def test_gwet_and_byrt_on_a_skewed_table():
    # Gwet (2008), 118 / 5 / 2 / 0: κ is negative although the raters agree on 94.4 % of items.
    left = np.repeat([0, 0, 1, 1], [118, 5, 2, 0])
    right = np.repeat([0, 1, 0, 1], [118, 5, 2, 0])
    pair = compare(left, right, classes=2, resamples=100)
    assert pair.agreement == pytest.approx(0.944)
    assert pair.kappa.value == pytest.approx(-0.0234, abs=5e-5)
    assert pair.ac1 == pytest.approx(0.9408, abs=5e-5)
    assert pair.prevalence_index == pytest.approx(118 / 125)
    assert pair.bias_index == pytest.approx(3 / 125)


def test_error_overlap_of_independent_errors_is_its_chance_level():
    rng = np.random.default_rng(4)
    n, classes = 200_000, 5
    gold = rng.integers(classes, size=n)
    # Errors that prefer the next label, independently in both arms.
    step = rng.choice([0, 1, 2, 3], p=[0.6, 0.25, 0.1, 0.05], size=(2, n))
    left, right = (gold + step) % classes
    overlap = compare(left, right, gold, classes=classes, resamples=500).error_overlap
    assert overlap.low < overlap.chance < overlap.high
    assert overlap.chance == pytest.approx((0.25**2 + 0.1**2 + 0.05**2) / 0.4**2, abs=0.01)


def test_two_invalids_are_never_the_same_error():
    gold = np.zeros(40, dtype=int)
    left = np.full(40, INVALID)
    assert compare(left, left, gold, classes=3, resamples=50).error_overlap.value == 0.0


def test_overlap_is_withheld_where_it_says_nothing():
    gold, left, right = arms(1, classes=2, n=400)
    two = compare(left, right, gold, classes=2, resamples=50)
    assert two.error_overlap.value is None
    assert "by construction" in two.notes["error_overlap"]
    gold, left, right = arms(1, classes=4, n=60)
    few = compare(left, right, gold, classes=4, resamples=50)
    assert 0 < few.error_overlap.joint_errors < 20
    assert few.error_overlap.value is not None
    assert few.error_overlap.low is None
    assert few.error_overlap.high is None


def test_copied_items_in_clusters_are_as_good_as_one_copy():
    gold, left, right = arms(2, n=300, flipped=0.1)
    once = compare(left, right, gold, classes=4)
    again = [np.repeat(x, 4) for x in (left, right, gold)]
    copies = compare(*again, classes=4, clusters=np.repeat(np.arange(300), 4))
    naive = compare(*again, classes=4)
    assert copies.kappa.low == pytest.approx(once.kappa.low, abs=0.004)
    assert copies.kappa.high == pytest.approx(once.kappa.high, abs=0.004)
    difference, single = copies.accuracy.difference, once.accuracy.difference
    assert difference.low == pytest.approx(single.low, abs=0.002)
    assert naive.kappa.low > copies.kappa.low + 0.01


def test_strata_never_mix_labels():
    """The pooled κ of two tasks is 1 − ΣD/ΣE, whatever numbers their labels share."""
    _, l1, r1 = arms(1, n=400, classes=4, flipped=0.1)
    _, l2, r2 = arms(2, n=600, classes=2, flipped=0.3)
    pooled = compare(
        np.concatenate([l1, l2]),
        np.concatenate([r1, r2]),
        classes=4,
        strata=np.repeat(["topic", "sentiment"], [400, 600]),
    )
    one, two = compare(l1, r1, classes=4), compare(l2, r2, classes=2)
    disagreement = (1 - one.agreement) * 400 + (1 - two.agreement) * 600
    expected = (1 - one.expected) * 400 + (1 - two.expected) * 600
    assert pooled.kappa.value == pytest.approx(1 - disagreement / expected, abs=1e-12)
    assert pooled.kappa.low < pooled.kappa.value < pooled.kappa.high
    naive = compare(np.concatenate([l1, l2]), np.concatenate([r1, r2]), classes=4)
    assert naive.kappa.value != pytest.approx(pooled.kappa.value, abs=1e-3)


def test_own_weights_and_shared_weights_give_the_same_interval():
    gold, left, right = arms(8, flipped=0.1)
    own = compare(left, right, gold, classes=4)
    shared = compare(left, right, gold, classes=4, weights=Resamples.draw(len(gold), seed=3))
    assert own.kappa.low == pytest.approx(shared.kappa.low, abs=0.002)
    assert own.kappa.high == pytest.approx(shared.kappa.high, abs=0.002)
    assert own.error_overlap.low == pytest.approx(shared.error_overlap.low, abs=0.01)


def test_many_labels_take_the_sorting_path():
    rng = np.random.default_rng(0)
    left = rng.integers(300, size=2000)
    right = np.where(rng.random(2000) < 0.7, left, rng.integers(300, size=2000))
    weights = Resamples.draw(2000, resamples=20)
    pair = compare(left, right, classes=300, weights=weights)
    drawn = np.concatenate(list(weights.blocks()), axis=1).T.astype(float)
    reference = [cohen_kappa_score(left, right, sample_weight=w) for w in drawn]
    assert pair.replicates.kappa == pytest.approx(reference, abs=1e-12)


def test_items_without_gold_count_for_kappa_only():
    gold, left, right = arms(3, n=500)
    some = gold.copy()
    some[:200] = -1
    pair = compare(left, right, some, classes=4, resamples=100)
    rest = compare(left[200:], right[200:], gold[200:], classes=4, resamples=100)
    assert pair.n == 500
    assert pair.n_gold == 300
    assert pair.mcnemar == rest.mcnemar
    assert pair.correctness == rest.correctness
    assert "200 of 500" in pair.notes["gold"]
    assert compare(left, right, np.full(500, -1), classes=4, resamples=50).accuracy is None


def test_per_class_counts_add_up():
    gold, left, right = arms(6, invalid=0.03)
    pair = compare(left, right, gold, classes=4, resamples=50)
    assert sum(c.gold for c in pair.per_class) == pair.n
    assert sum(c.left_correct for c in pair.per_class) == round(pair.accuracy.left.value * pair.n)
    assert sum(c.joint_errors for c in pair.per_class) == pair.correctness.both_wrong
    assert sum(c.same_errors for c in pair.per_class) == pair.error_overlap.same_errors
    for c in pair.per_class:
        assert c.kappa == pytest.approx(cohen_kappa_score(left == c.label, right == c.label), abs=1e-12)


@pytest.mark.parametrize(
    ("left", "right", "gold", "message"),
    [
        ([], [], None, "at least one"),
        ([0, 1], [0], None, "2 items"),
        ([0, 4], [0, 1], None, "allowed are"),
        ([0, -2], [0, 1], None, "allowed are"),
        ([0.0, 1.0], [0, 1], None, "integer"),
        ([0, 1], [0, 1], [0, 9], "allowed are"),
    ],
)
def test_unfit_labels_are_refused(left, right, gold, message):
    with pytest.raises(ValueError, match=message):
        compare(left, right, gold, classes=4)


def test_unfit_weights_are_refused():
    gold, left, right = arms(0, n=100)
    with pytest.raises(ValueError, match="drawn for 50 items"):
        compare(left, right, classes=4, weights=Resamples.draw(50, resamples=10))
    with pytest.raises(ValueError, match="without clusters"):
        compare(left, right, classes=4, clusters=gold, weights=Resamples.draw(100, resamples=10))
    with pytest.raises(ValueError, match="no item"):
        Resamples.draw(0)
    with pytest.raises(ValueError, match="shape"):
        Resamples.draw(5, clusters=[1, 2])


def test_weights_are_the_same_for_the_same_seed_and_only_then():
    one, same, other = (Resamples.draw(80, resamples=30, seed=s) for s in (1, 1, 2))
    assert one.token == same.token != other.token
    first, second, third = (np.concatenate(list(w.blocks()), axis=1) for w in (one, same, other))
    assert (first == second).all()
    assert not (first == third).all()
    assert (first.sum(axis=0) == 80).all()


def test_a_single_item_has_a_defined_result():
    pair = compare([1], [1], [1], classes=4)
    assert pair.kappa.value is None
    assert _finite(pair.to_json())
    other = compare([1], [2], [1], classes=4)
    assert other.kappa.value == 0.0
    assert _finite(other.to_json())


def test_pooled_indices_count_the_labels_of_each_task():
    _, l1, r1 = arms(1, n=400, classes=4, flipped=0.1)
    _, l2, r2 = arms(2, n=600, classes=2, flipped=0.3)
    pooled = compare(
        np.concatenate([l1, l2]),
        np.concatenate([r1, r2]),
        classes=4,
        strata=np.repeat([0, 1], [400, 600]),
        resamples=50,
    )
    one, two = compare(l1, r1, classes=4, resamples=50), compare(l2, r2, classes=2, resamples=50)
    for name in ("prevalence_index", "bias_index"):
        expected = 0.4 * getattr(one, name) + 0.6 * getattr(two, name)
        assert getattr(pooled, name) == pytest.approx(expected, abs=1e-12)
