"""Hooks on a real transformers model: nothing changes unless asked, and then everywhere it should."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cascade_equivalence.errors import AnalysisError
from cascade_equivalence.mechanism.fitting import random_eraser
from cascade_equivalence.mechanism.interventions import erasing, interchanging, resized
from cascade_equivalence.mechanism.layers import Layout, Stage, decoder_blocks, default_layers
from cascade_equivalence.mechanism.states import collecting
from tests.mechanism.tiny_llm import tiny_llm

LENGTH = 9
IDS = torch.arange(2 * LENGTH).reshape(2, LENGTH) * 5 % 97
LAYOUT = Layout(LENGTH, (((2, 6),), ((1, 4), (5, 7))))


def blocks():
    return decoder_blocks(tiny_llm(), "model.layers")


def logits() -> torch.Tensor:
    with torch.inference_mode():
        return tiny_llm()(IDS).logits


def erasers(layers=(0, 1, 2, 3)):
    return {layer: random_eraser(32, 8, layer, torch.full((32,), 0.1).double()) for layer in layers}


def test_the_paper_s_layers_and_evenly_spaced_ones():
    assert default_layers(32) == (0, 4, 8, 12, 16, 20, 24, 28, 31)
    assert default_layers(30) == (0, 4, 7, 11, 14, 18, 22, 25, 29)
    assert default_layers(4) == (0, 1, 2, 3)


def test_erasing_nothing_and_looking_on_are_bit_identical():
    plain = logits()
    with erasing(blocks(), {}, Stage(LAYOUT)):
        assert torch.equal(logits(), plain)
    with erasing(blocks(), erasers(), Stage(None)):
        assert torch.equal(logits(), plain)  # no audio in this pass
    with collecting(blocks(), (0, 3), Stage(LAYOUT)):
        assert torch.equal(logits(), plain)
    with erasing(blocks(), erasers(), Stage(LAYOUT)):
        assert not torch.allclose(logits(), plain)
    assert torch.equal(logits(), plain)  # nothing is left behind


def test_erasure_acts_at_the_audio_positions_of_each_row_alone():
    stage, chosen = Stage(LAYOUT), erasers((1,))
    hidden = {}
    for name, given in (("plain", {}), ("erased", chosen)):
        # Hooks run in the order they were put, so this one sees what erasure made.
        with erasing(blocks(), given, stage), collecting(blocks(), (1,), stage, ("audio", "text")) as seen:
            stage.layout = Layout(LENGTH, LAYOUT.audio, (((0, LENGTH),), ((0, LENGTH),)))
            logits()
        hidden[name] = torch.stack([row[1] for row in seen.take()["text"]])
    mask = torch.zeros(2, LENGTH, dtype=torch.bool)
    mask[0, 2:6] = mask[1, 1:4] = mask[1, 5:7] = True
    assert torch.equal(hidden["plain"][~mask], hidden["erased"][~mask])
    torch.testing.assert_close(hidden["erased"][mask], chosen[1](hidden["plain"][mask]))
    basis = chosen[1].proj_left.float()
    assert float(((hidden["erased"][mask] - 0.1) @ basis).abs().max()) < 1e-5


@pytest.mark.parametrize("scope", ["audio", "all"])
def test_decoding_with_a_cache_equals_recomputing_everything(scope):
    model, stage = tiny_llm(), Stage(LAYOUT)
    options = {"do_sample": False, "max_new_tokens": 6, "min_new_tokens": 6, "pad_token_id": 0}
    with torch.inference_mode(), erasing(blocks(), erasers(), stage, scope):
        cached = model.generate(IDS, attention_mask=torch.ones_like(IDS), **options)
        ids = IDS
        for extra in range(6):
            stage.layout = Layout(LENGTH + extra, LAYOUT.audio)
            ids = torch.cat([ids, model(ids).logits[:, -1].argmax(-1, keepdim=True)], 1)
    assert torch.equal(cached, ids)
    assert not torch.equal(cached, model.generate(IDS, attention_mask=torch.ones_like(IDS), **options))


def test_patching_all_positions_of_the_last_layer_gives_the_donor_s_answer():
    stage = Stage(Layout(LENGTH, (((0, LENGTH),),) * 2))
    plain = logits()
    with collecting(blocks(), (0, 1, 2, 3), stage) as seen:
        logits()
    rows = seen.take()["audio"]
    for layer in range(4):
        with interchanging(blocks(), layer, [rows[1][layer], rows[0][layer]], stage):
            torch.testing.assert_close(logits(), plain.flip(0))
        with interchanging(blocks(), layer, [rows[0][layer], rows[1][layer]], stage):
            assert torch.equal(logits(), plain)


def test_states_are_stretched_without_mixing():
    states = torch.arange(6.0)[:, None]
    assert resized(states, 3).ravel().tolist() == [1, 3, 5]
    assert resized(states, 12).ravel().tolist() == sorted([0, 1, 2, 3, 4, 5] * 2)
    assert torch.equal(resized(states, 6), states)


def test_left_padding_shifts_the_audio():
    layout = Layout.left_padded([5, 8], [(1, 3), (1, 6)], behind=2)
    assert layout == Layout(10, (((4, 6),), ((1, 6),)))
    mask = layout.mask(torch.zeros(2, 10, 4))
    assert mask.sum(1).tolist() == [2, 5]
    assert np.flatnonzero(mask[0]).tolist() == [4, 5]
    assert not layout.mask(torch.zeros(2, 1, 4)).any()


def test_mistakes_are_named():
    with (
        pytest.raises(AnalysisError, match="layer 4 does not exist: the model has layers 0 to 3"),
        erasing(blocks(), {4: lambda x: x}, Stage()),
    ):
        pass
    with pytest.raises(AnalysisError, match="layer -1"), collecting(blocks(), (-1,), Stage()):
        pass
    with pytest.raises(AnalysisError, match=r"has no module 'model\.decoder'"):
        decoder_blocks(tiny_llm(), "model.decoder.layers")
    with pytest.raises(AnalysisError, match="not a list of blocks"):
        decoder_blocks(tiny_llm(), "model.norm")
    wrong = Stage(Layout(LENGTH + 1, LAYOUT.audio))
    with erasing(blocks(), erasers(), wrong), pytest.raises(AnalysisError, match="set the stage's layout"):
        logits()
    with (
        interchanging(blocks(), 0, [torch.zeros(4, 32)] * 2, Stage(LAYOUT)),
        pytest.raises(AnalysisError, match=r"row 1: donor states of shape \(4, 32\) for 5 audio positions"),
    ):
        logits()
    with (
        interchanging(blocks(), 0, [torch.zeros(4, 32)], Stage(LAYOUT)),
        pytest.raises(AnalysisError, match="1 donors"),
    ):
        logits()
    with pytest.raises(AnalysisError, match="row 0: positions 3 to 12"):
        Layout(10, (((3, 12),),))
