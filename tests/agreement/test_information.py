import numpy as np
import pytest
from scipy import optimize, special

from cascade_equivalence.agreement import predictive_information
from cascade_equivalence.agreement.information import _RIDGE, _calibrate


def gaussian_arm(rng, gold, classes, strength):
    """Scores whose exact posterior is known: one Gaussian feature per class, shifted at the gold class."""
    features = rng.normal(size=(len(gold), classes))
    features[np.arange(len(gold)), gold] += strength
    return strength * features  # log-likelihood ratio up to a constant per item


def true_bits(rng, classes, strength, n=400_000):
    gold = rng.integers(classes, size=n)
    scores = gaussian_arm(rng, gold, classes, strength)
    posterior = special.log_softmax(scores, axis=1)[np.arange(n), gold]
    return np.log2(classes) + posterior.mean() / np.log(2)


def test_it_recovers_a_known_mutual_information_whatever_the_scale_and_bias():
    rng = np.random.default_rng(0)
    classes, n = 4, 4000
    gold = rng.integers(classes, size=n)
    left = gaussian_arm(rng, gold, classes, 1.5) * 7.0 + np.array([0.0, 5.0, -3.0, 1.0])
    right = gaussian_arm(rng, gold, classes, 1.0) * 0.01 + rng.normal(size=(n, 1)) * 100
    found = predictive_information(left, right, gold)
    strong, weak = true_bits(rng, classes, 1.5), true_bits(rng, classes, 1.0)
    assert found.left.low < strong < found.left.high
    assert found.right.low < weak < found.right.high
    assert found.difference.low < strong - weak < found.difference.high
    assert found.difference.value == pytest.approx(found.left.value - found.right.value)
    assert found.prior_bits == pytest.approx(2.0, abs=0.01)
    assert "two lower bounds" in found.note


def test_an_arm_that_knows_nothing_has_no_bits():
    rng = np.random.default_rng(1)
    gold = rng.integers(3, size=2000)
    noise = rng.normal(size=(2000, 3))
    found = predictive_information(noise, np.zeros((2000, 3)), gold)
    assert abs(found.left.value) < 0.01
    assert found.left.low < 0.001
    assert found.difference.low < 0 < found.difference.high


def test_an_arm_that_knows_all_has_nearly_all_bits():
    rng = np.random.default_rng(1)
    gold = rng.integers(3, size=900)
    perfect = np.eye(3)[gold] * 1000.0
    found = predictive_information(perfect, np.zeros((900, 3)), gold)
    assert found.left.value == pytest.approx(np.log2(3), abs=0.02)


def test_it_is_the_same_for_identical_arms_and_antisymmetric():
    rng = np.random.default_rng(2)
    gold = rng.integers(3, size=600)
    left, right = gaussian_arm(rng, gold, 3, 1.0), gaussian_arm(rng, gold, 3, 0.5)
    same = predictive_information(left, left, gold)
    assert (same.difference.value, same.difference.low, same.difference.high) == (0.0, 0.0, 0.0)
    one, other = predictive_information(left, right, gold), predictive_information(right, left, gold)
    assert one.difference.value == pytest.approx(-other.difference.value)
    assert one.difference.low == pytest.approx(-other.difference.high)


def test_calibration_is_the_optimum():
    rng = np.random.default_rng(3)
    gold = rng.integers(3, size=300)
    scores = gaussian_arm(rng, gold, 3, 1.0)
    centred = scores - scores.mean(axis=1, keepdims=True)
    scale = np.sqrt((centred**2).mean())

    def loss(w):
        logits = centred * w[0] / scale + np.array([0.0, w[1], w[2]])
        return -special.log_softmax(logits, axis=1)[np.arange(300), gold].sum() + 0.5 * _RIDGE * (w @ w)

    best = optimize.minimize(loss, np.zeros(3), tol=1e-12).x
    assert _calibrate(scores, gold) == pytest.approx([best[0] / scale, best[1], best[2]], abs=1e-4)


def test_clusters_widen_the_interval_and_stay_in_one_fold():
    rng = np.random.default_rng(4)
    gold = rng.integers(3, size=200)
    left, right = gaussian_arm(rng, gold, 3, 1.0), gaussian_arm(rng, gold, 3, 0.8)
    many = [np.repeat(x, 5, axis=0) for x in (left, right, gold)]
    naive = predictive_information(*many)
    honest = predictive_information(*many, clusters=np.repeat(np.arange(200), 5))
    width = [i.difference.high - i.difference.low for i in (naive, honest)]
    assert width[1] > 1.8 * width[0]


@pytest.mark.parametrize(
    ("left", "gold", "message"),
    [
        (np.zeros((4, 1)), [0, 0, 0, 0], "needed"),
        (np.full((4, 2), np.nan), [0, 1, 0, 1], "finite"),
        (np.zeros((4, 2)), [0, 1, 2, 0], "from 0 to 1"),
        (np.zeros((4, 2)), [0, 1, 1, 0], "folds"),
    ],
)
def test_unfit_input_is_refused(left, gold, message):
    with pytest.raises(ValueError, match=message):
        predictive_information(left, left, gold)
