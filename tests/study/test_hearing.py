"""The hearing check on planted answers: who hears passes, who does not fails, too few show nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from cascade_equivalence.agreement import wilson
from cascade_equivalence.study.hearing import Hearing, hearing, hearing_of, one_label_of
from cascade_equivalence.study.records import Answer, HeardTrial, HearingTrials, ItemRecord, TaskRecord

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
    assert "not shown to depend on which audio" in found.reason
    assert found.moved["swap"].value == 0


def test_below_ten_trials_nothing_is_shown() -> None:
    assert judged(9, 1.0).passed is None
    assert judged(9, 0.0).passed is None
    assert hearing({s: [] for s in STIMULI}, {s: [] for s in STIMULI[1:]}).passed is None


def test_a_share_below_a_tenth_fails_whatever_the_number_of_trials() -> None:
    assert judged(4000, 0.08).passed is False
    assert judged(4000, 0.12).passed is True
    assert (wilson(0, 40).high or 1) < 0.1, "where the line is, a deaf arm cannot come"


GATES, N = 1000, 40


def gate(kind: str, rng: np.random.Generator) -> Hearing:
    """One simulated gate of 40 trials on four labels."""
    gold = np.arange(N) % K
    if kind.startswith("texts"):
        # A text that is deaf or hears, and turns to another one by itself now and then.
        heard = {"real": gold, "again": gold, "swap": (gold + 1) % K, "silence": 0 * gold, "none": 0 * gold}
        if "deaf" in kind:
            heard = dict.fromkeys(STIMULI, rng.integers(K, size=N))
        restless = float(kind.split()[-1])
        labels = {s: np.where(rng.random(N) < restless, rng.integers(K, size=N), heard[s]) for s in STIMULI}
        return hearing(labels, {s: (labels[s] != labels["real"]).astype(float) for s in STIMULI[1:]})
    noise = {s: rng.lognormal(-7, 1, size=N) for s in STIMULI[1:]}
    if kind == "deaf":
        return hearing(dict.fromkeys(STIMULI, rng.integers(K, size=N)), noise)
    assert kind == "two states"
    state, other = rng.integers(2, size=N), rng.integers(2, size=N)
    states = {"real": state, "again": state, "swap": other, "silence": 0 * state, "none": 0 * state}
    moved = {s: noise[s] + 0.5 * (states[s] != state) for s in STIMULI[1:]}
    return hearing(states, moved)


@pytest.mark.parametrize("kind", ["deaf", "texts deaf 0", "texts deaf 0.05", "texts deaf 0.2", "texts deaf 1"])
def test_planted_deaf_arms_fail_the_gate(kind: str) -> None:
    rng = np.random.default_rng(0)
    failed = sum(gate(kind, rng).passed is False for _ in range(GATES))
    assert failed >= 0.99 * GATES, failed


@pytest.mark.parametrize("kind", ["two states", "texts hear 0", "texts hear 0.05", "texts hear 0.2"])
def test_coarse_ears_and_arms_that_write_pass_the_gate(kind: str) -> None:
    rng = np.random.default_rng(0)
    passed = sum(gate(kind, rng).passed is True for _ in range(GATES))
    assert passed >= 0.95 * GATES, passed


def test_one_text_that_turns_by_itself_is_no_floor_that_nothing_passes() -> None:
    labels, _, _ = trials(40, 1.0, np.random.default_rng(0))
    labels["again"] = labels["real"].copy()
    labels["again"][0] += 1
    found = hearing(labels, {s: (labels[s] != labels["real"]).astype(float) for s in STIMULI[1:]})
    assert found.passed is True
    assert "40 answers 39 changed with another item's audio alone and 0 by themselves" in found.reason


def gold_task(name: str, n: int) -> TaskRecord:
    items = tuple(ItemRecord(f"{name}{i}", "words", (str(i % 2),), ("0", "1")) for i in range(n))
    return TaskRecord(name, "labels", True, ("0", "1"), items)


def test_where_the_prompt_decides_nothing_the_prompt_is_named() -> None:
    """A gold arm that says one thing to everything: no arm on its LLM can show that it hears."""
    flat, good = gold_task("flat", 20), gold_task("good", 20)
    answers = {
        "flat": [Answer(item.id, "gold", "1", False, "", 0.0) for item in flat.items],
        "good": [Answer(item.id, "gold", item.accepted[0], False, "", 0.0) for item in good.items],
    }
    one = one_label_of((flat, good), answers)
    assert one == {"flat": "1"}
    said = dict.fromkeys(STIMULI, ("1",) * 20)
    kept = HearingTrials(
        tuple(HeardTrial("flat", item.id) for item in flat.items), said, dict.fromkeys(STIMULI[1:], (0.01,) * 20)
    )
    found = hearing_of((flat, good), kept, one)
    assert found.passed is False
    assert "the prompt decides nothing: given the true text of 'flat', the LLM says '1'" in found.reason
    assert "'shot'" in found.reason and "'dev'" in found.reason
    alone = hearing_of((flat, good), kept).reason
    assert "prompt" not in alone and "it says '1' to every one of them" in alone
    real = tuple(item.accepted[0] for item in good.items)
    swapped = tuple("10"[int(label)] for label in real)
    both = HearingTrials(
        (*kept.trials, *(HeardTrial("good", item.id) for item in good.items)),
        {s: said[s] + (real if s in ("real", "again") else swapped) for s in STIMULI},
        {s: kept.moved[s] + ((0.0001 if s == "again" else 1.5,) * 20) for s in STIMULI[1:]},
    )
    assert hearing_of((flat, good), both, one).passed is True
    assert hearing_of((flat, good), both, one).n == 20


def test_scores_that_move_without_an_answer_that_follows_are_not_hearing() -> None:
    labels, moved, _ = trials(40, 1.0, np.random.default_rng(0))
    constant = {name: np.zeros(40, dtype=int) for name in labels}
    found = hearing(constant, moved)
    assert found.passed is False
    assert "what it hears does not decide its answers" in found.reason


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
