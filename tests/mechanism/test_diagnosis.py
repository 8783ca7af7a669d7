"""Planted models get the right diagnosis from probes, lens, erasure and patching."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cascade_equivalence.mechanism.fitting import (
    fit_erasure,
    permuted_over_utterances,
    random_eraser,
    variance_matched_eraser,
)
from cascade_equivalence.mechanism.interventions import erasing, interchanging
from cascade_equivalence.mechanism.layers import Layout, Stage
from cascade_equivalence.mechanism.lens import bag_scores, logit_lens
from cascade_equivalence.mechanism.probes import probe
from cascade_equivalence.mechanism.states import collecting
from tests.mechanism.planted import HAND_OFF, POSITIONS, WORD_AXES, WORDS, Carrier, Clips, Planted, clips

LAYERS = (0, 1, 2, 3)
CARRIERS: tuple[Carrier, ...] = ("text", "signs", "loudness")


def stage(count: int) -> Stage:
    return Stage(Layout(POSITIONS + 1, (((0, POSITIONS),),) * count))


def states_of(model: Planted, data: Clips) -> dict[int, torch.Tensor]:
    with collecting(model.layers, LAYERS, stage(len(data.states))) as collected:
        model(data.states)
    rows = collected.take()["audio"]
    return {layer: torch.cat([row[layer] for row in rows]) for layer in LAYERS}


def accuracy(model: Planted, data: Clips, erasers: dict) -> float:
    with erasing(model.layers, erasers, stage(len(data.states))):
        return float((model(data.states).argmax(-1).numpy() == data.labels).mean())


def one_hot(words: np.ndarray) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.from_numpy(words.ravel()), WORDS).double()


def after_erasing(carrier: Carrier) -> dict[str, float]:
    """Accuracy under each condition, erasers fitted on other clips at every layer."""
    model, fitted_on, data = Planted(carrier), clips(carrier, 400, 0), clips(carrier, 300, 1)
    text, loud = one_hot(fitted_on.words), torch.from_numpy(fitted_on.loudness.ravel())
    utterances = np.repeat(np.arange(400), POSITIONS)
    chosen: dict[str, dict] = {"none": {}, "text": {}, "loudness": {}, "permuted": {}, "random": {}, "matched": {}}
    for layer, states in states_of(model, fitted_on).items():
        erasure = fit_erasure(states, text)
        bias, rank = erasure.eraser.bias, erasure.eraser.rank
        chosen["text"][layer] = erasure.eraser
        chosen["loudness"][layer] = fit_erasure(states, loud).eraser
        chosen["permuted"][layer] = fit_erasure(states, permuted_over_utterances(text, utterances, 0)).eraser
        chosen["random"][layer] = random_eraser(len(bias), rank, 5, bias)
        chosen["matched"][layer] = variance_matched_eraser(torch.cov(states.T), rank, erasure.removed, 5, bias)
    return {name: accuracy(model, data, erasers) for name, erasers in chosen.items()}


@pytest.mark.parametrize("carrier", CARRIERS)
def test_erasure_hits_what_the_answer_stands_on_and_nothing_else(carrier):
    reached = after_erasing(carrier)
    assert reached["none"] > 0.95
    cause = {"text": "text", "signs": None, "loudness": "loudness"}[carrier]
    for name in ("text", "loudness"):
        if name == cause:
            assert reached[name] < 0.65  # chance is one half
        else:
            assert reached[name] > 0.9
    for control in ("permuted", "random", "matched"):
        assert reached[control] > 0.85


@pytest.mark.parametrize("carrier", CARRIERS)
def test_probes_tell_linear_from_not_linear_from_absent(carrier):
    data = clips(carrier, 500, 0)
    states, groups = states_of(Planted(carrier), data)[1], np.repeat(np.arange(500), POSITIONS)
    kind = (data.words.ravel() >= 4).astype(float)
    text, loudness = probe(states, kind, groups), probe(states, data.loudness.ravel(), groups)
    assert loudness.linear.r2 > 0.9  # present everywhere: a probe does not say what is used
    if carrier == "signs":
        assert text.linear.r2 < 0.05
        assert text.mlp.r2 > 0.5
    else:
        assert text.linear.r2 > 0.8


@pytest.mark.parametrize("carrier", CARRIERS)
def test_the_lens_reads_the_words_where_they_are_linear(carrier):
    data = clips(carrier, 60, 0)
    states = states_of(Planted(carrier), data)[1].reshape(60, POSITIONS, -1)
    read = logit_lens(states, lambda x: x, lambda x: x @ WORD_AXES.T)
    scores = bag_scores(list(read.ids), list(data.words), np.arange(WORDS))
    if carrier == "signs":
        assert scores.precision - scores.null_precision < 0.1
    else:
        assert scores.precision > 0.95
        assert scores.p == 0.01


@pytest.mark.parametrize("carrier", CARRIERS)
def test_patching_finds_the_hand_off(carrier):
    model, data = Planted(carrier), clips(carrier, 200, 2)
    other = clips(carrier, 400, 3)
    picked = [int(np.flatnonzero(other.labels != label)[i % 150]) for i, label in enumerate(data.labels)]
    donors = states_of(model, other)
    follows = {}
    for layer in LAYERS:
        rows = donors[layer].reshape(400, POSITIONS, -1)[picked]
        with interchanging(model.layers, layer, list(rows), stage(200)):
            follows[layer] = float((model(data.states).argmax(-1).numpy() != data.labels).mean())
    assert all(follows[layer] > 0.95 for layer in range(HAND_OFF))
    assert all(follows[layer] < 0.05 for layer in range(HAND_OFF, 4))
