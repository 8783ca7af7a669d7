"""Characters planted in states: read where the rate allows, not read where nothing is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cascade_equivalence.errors import AnalysisError
from cascade_equivalence.mechanism.ctc_probe import (
    bag_probe,
    bags,
    ctc_probe,
    sufficient_rate,
    symbols_needed,
)
from cascade_equivalence.mechanism.fitting import fit_erasure

LETTERS = "abcdefgh "


def planted(per_position: int, count: int = 240, seed: int = 0):
    """Utterances whose states hold `per_position` characters each, in random directions, with noise."""
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((per_position, len(LETTERS), 40))
    states, texts = [], []
    for _ in range(count):
        codes = rng.integers(len(LETTERS), size=per_position * rng.integers(6, 12))
        codes = codes[np.r_[True, codes[1:] != codes[:-1]]]
        codes = codes[: len(codes) // per_position * per_position]
        rows = codes.reshape(-1, per_position)
        state = sum(directions[k, rows[:, k]] for k in range(per_position))
        states.append(state + 0.1 * rng.standard_normal(state.shape))
        texts.append("".join(LETTERS[c] for c in codes))
    return states, texts


def test_the_shortest_path_counts_blanks_between_equal_letters():
    assert symbols_needed("hello") == 6
    assert symbols_needed("aaa") == 5
    assert sufficient_rate([3, 10], ["hello", "hello"]) == 2
    assert sufficient_rate([30], ["hello"]) == 1
    # One of ten needs six: nine tenths do with two.
    assert sufficient_rate([1, *[3] * 9], ["hello"] * 10) == 6
    assert sufficient_rate([1, *[3] * 9], ["hello"] * 10, 0.9) == 2
    with pytest.raises(AnalysisError, match="at least one position"):
        sufficient_rate([0], ["a"])


def test_one_character_a_position_is_read():
    found = ctc_probe(*planted(1), symbols=1)
    assert found.decodability > 0.95
    assert found.impossible == 0
    assert found.low <= found.cer <= found.high


def test_two_characters_a_position_need_two_symbols():
    states, texts = planted(2)
    slow, fast = ctc_probe(states, texts, symbols=1), ctc_probe(states, texts, symbols=2)
    assert slow.impossible == 1
    assert slow.decodability <= 0.5 + 1e-9  # one symbol a position emits half of the text at most
    assert fast.impossible == 0
    assert fast.decodability > 0.9
    assert sufficient_rate([len(s) for s in states], texts) == 2


def test_nothing_is_read_from_states_of_other_utterances():
    states, texts = planted(1)
    swapped = [states[(i + 1) % len(states)] for i in range(len(states))]
    assert ctc_probe(swapped, texts, symbols=1).decodability < 0.3
    assert bag_probe(swapped, texts).r2 < 0.2


def test_a_hidden_layer_reads_what_is_not_linear():
    rng = np.random.default_rng(1)
    states, texts = [], []
    for _ in range(400):
        bits = rng.integers(2, size=(8, 2)) * 2 - 1
        spoken = np.concatenate([bits, np.zeros((8, 1)), rng.standard_normal((8, 1))], 1)
        rows = np.stack([spoken, np.tile([0.0, 0, 3, 0], (8, 1))], 1).reshape(16, 4)
        states.append(rows)
        texts.append("".join("ab"[int(a * b > 0)] + "-" for a, b in bits))
    linear = ctc_probe(states, texts, symbols=1)
    deep = ctc_probe(states, texts, symbols=1, hidden=32)
    assert deep.decodability > linear.decodability + 0.2


def test_the_bag_is_linear_in_summed_states():
    states, texts = planted(1)
    assert bag_probe(states, texts).r2 > 0.9
    np.testing.assert_array_equal(bags(["abba", "c a"], "abc"), [[2, 2, 0], [1, 0, 1]])


def test_bad_input_is_named():
    states, texts = planted(1, count=12)
    with pytest.raises(AnalysisError, match="needs ten"):
        ctc_probe(states[:5], texts[:5], symbols=1)
    with pytest.raises(AnalysisError, match="utterance 3 has no positions or no text"):
        ctc_probe(states, [*texts[:3], "", *texts[4:]], symbols=1)
    states[2][0, 0] = np.nan
    with pytest.raises(AnalysisError, match="utterance 2 are NaN"):
        ctc_probe(states, texts, symbols=1)


def test_erasing_what_ctc_reads_leaves_nothing_linear_to_read():
    states, texts = planted(1)
    found = ctc_probe(states, texts, symbols=1)
    assert [found.reader.read(states[i]) for i in found.test] == list(found.hypotheses)
    together = torch.from_numpy(np.concatenate(states))
    emissions = found.reader.emissions(together.numpy())
    assert emissions.exp().sum(-1).numpy() == pytest.approx(1, abs=1e-5)
    eraser = fit_erasure(together, emissions.exp()).eraser
    erased = eraser(together).split([len(s) for s in states])
    again = ctc_probe([e.numpy() for e in erased], texts, symbols=1)
    assert again.decodability < 0.4 < found.decodability
