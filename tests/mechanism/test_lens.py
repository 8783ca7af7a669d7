"""Lens and text readouts: equal to the model's own logits, right where words are planted, null where not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cascade_equivalence.errors import AnalysisError
from cascade_equivalence.mechanism.layers import Layout, Stage, decoder_blocks
from cascade_equivalence.mechanism.lens import bag_scores, content_classes, lens_words, logit_lens
from cascade_equivalence.mechanism.readouts import text_lens, token_centroids
from cascade_equivalence.mechanism.states import collecting
from tests.mechanism.tiny_llm import tiny_llm


def test_the_lens_at_the_last_block_is_the_model_s_own_logits():
    model, ids = tiny_llm(), torch.arange(24).reshape(2, 12)
    stage = Stage(Layout(12, (((0, 12),),) * 2))
    with collecting(decoder_blocks(model, "model.layers"), (0, 3), stage) as seen, torch.inference_mode():
        logprobs = model(ids).logits.log_softmax(-1)
    rows = seen.take()["audio"]
    own = logprobs.topk(5)
    for layer, same in ((3, True), (0, False)):
        hidden = torch.stack([row[layer] for row in rows])
        found = logit_lens(hidden, model.model.norm, model.get_output_embeddings(), top=5)
        assert found.ids.shape == (2, 12, 5)
        assert torch.equal(found.ids, own.indices) == same
        if same:
            torch.testing.assert_close(found.scores, own.values)


def test_only_words_count_whatever_their_case_and_space():
    tokens = ["<s>", "Ġgoal", "Goal", " ", "!", "Ġ", "▁7", "'s", "...", "\n"]
    classes = content_classes(tokens, special=[0])
    assert classes[1] == classes[2] >= 0
    assert [i for i, c in enumerate(classes) if c >= 0] == [1, 2, 6, 7]
    assert len({classes[1], classes[6], classes[7]}) == 3


def test_precision_and_recall_by_hand():
    classes = np.array([-1, 0, 1, 2, 3, 4])
    read = [[1, 1, 2, 0], [3, 5], [0, 0]]
    said = [[1, 3], [3, 4], [5]]
    scores = bag_scores(read, said, classes)
    assert scores.precision == pytest.approx((0.5 + 0.5) / 2)  # the third clip has no content token
    assert scores.recall == pytest.approx((0.5 + 0.5 + 0) / 3)
    assert scores.empty == 1
    assert scores.clips == 3
    assert scores.low is None


def test_the_null_is_what_other_clips_would_give():
    rng = np.random.default_rng(0)
    said = [rng.choice(50, 10, replace=False) for _ in range(80)]
    right = bag_scores(said, said, np.arange(50))
    assert right.precision == right.recall == 1
    assert right.null_precision == pytest.approx(0.2, abs=0.02)
    assert right.p == 0.01
    chance = bag_scores([rng.choice(50, 10, replace=False) for _ in range(80)], said, np.arange(50))
    assert chance.p > 0.02
    assert chance.low < 0.2 < chance.high
    nothing = bag_scores([[0]] * 2, [[1]] * 2, np.array([-1, 0]))
    assert nothing.precision is None
    assert nothing.p is None
    with pytest.raises(AnalysisError, match="at least two"):
        bag_scores([[1]], [[1]], np.arange(5))


def test_lens_words_collapse_runs_and_drop_the_rest():
    classes = np.array([-1, 0, 0, 1, 2])
    assert lens_words([0, 1, 2, 1, 0, 1, 3, 3, 4], classes) == [1, 1, 3, 4]


def text(noise: float, seed: int = 0):
    """States that are a private linear code of the token at each position, with loud useless dimensions beside it."""
    generator = torch.Generator().manual_seed(seed)
    table = torch.randn(40, 16, generator=torch.Generator().manual_seed(9))
    code = torch.randn(16, 48, generator=torch.Generator().manual_seed(8))
    tokens = torch.randint(40, (4000,), generator=generator)
    loud = 30 * torch.randn(4000, 1, generator=generator) * torch.eye(48)[3] + 100
    states = table[tokens] @ code + loud + noise * torch.randn(4000, 48, generator=generator)
    return states, tokens, table, np.repeat(np.arange(400), 10)


def test_both_readouts_read_a_private_code_that_the_raw_lens_does_not():
    states, tokens, table, sentences = text(noise=1.0)
    new, truth, *_ = text(noise=1.0, seed=1)
    for readout in (text_lens(states, tokens, table, sentences), token_centroids(states, tokens, sentences)):
        assert readout.accuracy > 0.95
        found = readout.read(new[:200].reshape(10, 20, 48), top=3)
        assert found.ids.shape == (10, 20, 3)
        assert float((found.ids[..., 0].ravel() == truth[:200]).float().mean()) > 0.95
        assert bool((found.scores[..., 0] >= found.scores[..., 1]).all())
    blind = torch.randn(16, 48, generator=torch.Generator().manual_seed(5))
    raw = logit_lens(new[:200], lambda x: x - x.mean(0), lambda x: x @ blind.T @ table.T)
    assert float((raw.ids[:, 0] == truth[:200]).float().mean()) < 0.2


def test_where_the_states_say_nothing_both_are_at_chance():
    states, tokens, table, sentences = text(noise=1.0)
    noise = torch.randn(states.shape, generator=torch.Generator().manual_seed(7))
    for readout in (text_lens(noise, tokens, table, sentences), token_centroids(noise, tokens, sentences)):
        assert readout.accuracy < 0.07  # 1 of 40


def test_centroids_know_only_tokens_they_have_seen():
    states, tokens, _, sentences = text(noise=0.1)
    rare = torch.where(torch.arange(4000) == 17, 39, tokens.clamp(max=38))
    readout = token_centroids(states, rare, sentences)
    assert 39 not in readout.ids.tolist()
    with pytest.raises(AnalysisError, match="give more text"):
        token_centroids(states, tokens, sentences, least=4000)


def test_nan_is_named():
    states, tokens, table, sentences = text(noise=0.1)
    bad = states.clone()
    bad[0, 0] = float("nan")
    with pytest.raises(AnalysisError, match="NaN"):
        text_lens(bad, tokens, table, sentences)
    with pytest.raises(AnalysisError, match="NaN"):
        text_lens(states, tokens, table, sentences).read(bad)
    with pytest.raises(AnalysisError, match="NaN"):
        logit_lens(bad, lambda x: x, lambda x: x)
    with pytest.raises(AnalysisError, match="4000 states for 3999 tokens"):
        text_lens(states, tokens[1:], table, sentences)
