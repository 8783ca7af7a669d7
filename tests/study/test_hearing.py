"""The hearing check on planted answers: who hears passes, who does not fails, too few show nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from cascade_equivalence.study.hearing import Hearing, hearing

STIMULI = ("real", "again", "swap", "silence", "none")
K = 4


def trials(
    n: int, hears: float, rng: np.random.Generator, noise: float = 1e-4, moves: float = 1.0
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, list[bool]]]:
    """An arm that follows the audio on a share `hears` of the trials and ignores it on the others."""
    gold = np.arange(n) % K
    listens = rng.random(n) < hears
    fixed = rng.integers(K, size=n)
    labels = {
        "real": np.where(listens, gold, fixed),
        "again": np.where(listens, gold, fixed),
        "swap": np.where(listens, (gold + 1) % K, fixed),
        "silence": np.where(listens, 0, fixed),
        "none": np.where(listens, 0, fixed),
    }
    moved = {name: rng.random(n) * noise for name in STIMULI[1:]}
    for name in ("swap", "silence", "none"):
        moved[name] = moved[name] + listens * moves
    return labels, moved, {name: list(values == gold) for name, values in labels.items()}


def judged(n: int, hears: float, seed: int = 0, gold: bool = True, **shape: float) -> Hearing:
    labels, moved, correct = trials(n, hears, np.random.default_rng(seed), **shape)
    return hearing(labels, moved, correct if gold else None)


@pytest.mark.parametrize("gold", [True, False])
@pytest.mark.parametrize("n", [10, 40, 400])
def test_an_arm_that_hears_passes_and_a_deaf_one_fails(n: int, gold: bool) -> None:
    assert judged(n, 1.0, gold=gold).passed is True
    found = judged(n, 0.0, gold=gold)
    assert found.passed is False
    assert "do not depend on which audio" in found.reason
    assert found.moved["swap"].value == 0


def test_below_ten_trials_nothing_is_shown() -> None:
    assert judged(9, 1.0).passed is None
    assert judged(9, 0.0).passed is None
    assert hearing({s: [] for s in STIMULI}, {s: [] for s in STIMULI[1:]}).passed is None


def test_a_share_below_one_half_fails_whatever_the_number_of_trials() -> None:
    assert judged(4000, 0.45).passed is False
    assert judged(4000, 0.55).passed is True


def test_scores_that_move_without_an_answer_that_follows_are_not_hearing() -> None:
    labels, moved, _ = trials(40, 1.0, np.random.default_rng(0))
    constant = {name: np.zeros(40, dtype=int) for name in labels}
    found = hearing(constant, moved)
    assert found.passed is False
    assert "what it hears decides nothing" in found.reason


def test_the_floor_is_what_moves_when_nothing_but_the_batch_does() -> None:
    """bfloat16 rounds by hundredths: a deaf arm's moves are as large as its rounding, and stay below the floor."""
    labels, moved, _ = trials(400, 0.0, np.random.default_rng(1), noise=0.08)
    found = hearing(labels, moved)
    assert found.floor == pytest.approx(3 * moved["again"].max())
    assert found.passed is False
    assert judged(400, 1.0, noise=0.08).passed is True
    assert judged(40, 1.0, noise=0.0).floor == 1e-3


def test_answers_that_change_by_rounding_do_not_count_as_changed() -> None:
    labels, moved, _ = trials(40, 0.0, np.random.default_rng(2))
    labels["again"] = (labels["real"] + 1) % K
    labels["swap"] = labels["again"]
    assert hearing(labels, moved).changed["swap"].value == 0


def test_the_drop_in_accuracy_is_mcnemars_exact_test() -> None:
    labels, moved, _ = trials(40, 1.0, np.random.default_rng(3))
    real = [True] * 30 + [False] * 10
    swap = [True] * 18 + [False] * 12 + [True] * 3 + [False] * 7
    found = hearing(labels, moved, dict.fromkeys(STIMULI, real) | {"swap": swap})
    assert found.p_accuracy == pytest.approx(binomtest(12, 15, 0.5, alternative="greater").pvalue)


def test_shapes_must_agree() -> None:
    labels, moved, _ = trials(12, 1.0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="one answer a trial"):
        hearing(labels | {"swap": labels["swap"][:5]}, moved)
