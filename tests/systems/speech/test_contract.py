"""What every speech LLM must do, whatever its family."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from cascade_equivalence.audio.clip import Clip
from cascade_equivalence.systems.backbone import Query
from cascade_equivalence.systems.loading import Placement
from tests.systems.speech import tiny

BEFORE = "Name the topic.\n\nText:"
AFTER = "\nTopic:"
LABELS = (" World", " Sports", " Sci/Tech")
CLIPS = tiny.clips()


@pytest.fixture(scope="module", params=tiny.CASES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tiny.Case:
    return tiny.build(request.param, tmp_path_factory.mktemp("speech"))


def scores(case: tiny.Case, clips: Sequence[Clip]) -> np.ndarray:
    llm = case.speech.backbone
    after = llm.embed(llm.encode(AFTER))
    continuations = tuple(tuple(llm.encode(label)) for label in LABELS)
    queries = [Query(torch.cat([heard, after]), continuations) for heard in case.speech.hear(clips)]
    return np.array(llm.score(llm.encode(BEFORE, start=True), queries))


def said(case: tiny.Case, clips: Sequence[Clip]) -> list[str]:
    llm = case.speech.backbone
    after = llm.embed(llm.encode(AFTER))
    states = [torch.cat([heard, after]) for heard in case.speech.hear(clips)]
    return [answer.text for answer in llm.generate(llm.encode(BEFORE, start=True), states, 6, None)]


def test_audio_changes_the_scores(case: tiny.Case) -> None:
    found = scores(case, CLIPS)
    for left, right in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(found[left] - found[right]).max() > 1e-3


def test_silence_differs_from_speech(case: tiny.Case) -> None:
    for clip in CLIPS:
        speech, silence = scores(case, [clip, Clip(np.zeros_like(clip.samples))])
        assert np.abs(speech - silence).max() > 1e-3


def test_batch_equals_single_in_any_order(case: tiny.Case) -> None:
    batch = scores(case, CLIPS)
    assert np.allclose(batch, np.concatenate([scores(case, [clip]) for clip in CLIPS]), atol=1e-4)
    assert np.allclose(batch, scores(case, CLIPS[::-1])[::-1], atol=1e-4)
    assert said(case, CLIPS) == [said(case, [clip])[0] for clip in CLIPS]


def test_a_longer_neighbour_moves_nothing(case: tiny.Case) -> None:
    """The shorter clip is filled up on the left; its audio stands elsewhere in the batch and scores the same."""
    short, long = CLIPS[0], CLIPS[2]
    assert np.allclose(scores(case, [short, long])[0], scores(case, [short, short])[0], atol=1e-4)
    assert np.allclose(scores(case, [short, long])[0], scores(case, [short])[0], atol=1e-4)


def test_states_do_not_depend_on_the_batch(case: tiny.Case) -> None:
    for clip, heard in zip(CLIPS, case.speech.hear(CLIPS), strict=True):
        (alone,) = case.speech.hear([clip])
        assert torch.allclose(heard, alone, atol=1e-4)


def test_positions_follow_the_documented_rate(case: tiny.Case) -> None:
    adapter = case.speech.adapter
    for clip in [*CLIPS, Clip(CLIPS[1].samples[:-77])]:
        (heard,) = case.speech.hear([clip])
        assert heard.shape[1] == tiny.WIDTH
        around = sum(bool(text) for text in (adapter.opening, adapter.closing))
        there = len(heard) - around
        if adapter.positions == "window":
            # The last window may end behind the clip.
            there = adapter.in_time(clip.seconds, there)
        assert there <= clip.seconds * adapter.tokens_per_s + 1
        if case.exact:
            assert len(heard) == case.positions(clip)
        else:
            assert len(heard) <= case.positions(clip)


def test_hooks_hit_the_named_modules(case: tiny.Case) -> None:
    adapter, hit = case.speech.adapter, []
    paths = [adapter.audio_tower, adapter.connector, adapter.language_model]
    paths += [f"{adapter.layers}.{index}" for index in range(2)]
    handles = [case.speech.module(path).register_forward_hook(lambda *_, path=path: hit.append(path)) for path in paths]
    unheard = Clip(CLIPS[0].samples * np.float32(0.5))
    try:
        scores(case, [unheard])
        # Label scores are read from the last hidden states; words come through the whole language model.
        case.speech.backbone.generate((1, 2), case.speech.hear([unheard]), 1, None)
    finally:
        for handle in handles:
            handle.remove()
    assert set(hit) == set(paths)


def test_text_takes_the_language_model_alone(case: tiny.Case) -> None:
    """Scores of a text through the shared path equal a plain forward pass of the model on token ids."""
    llm = case.speech.backbone
    text = llm.encode(" The match ended in a draw." + AFTER)
    continuations = tuple(tuple(llm.encode(label)) for label in LABELS)
    found = llm.score(llm.encode(BEFORE, start=True), [Query(llm.embed(text), continuations)])[0]
    prompt = llm.encode(BEFORE, start=True) + text
    for score, continuation in zip(found, continuations, strict=True):
        with torch.inference_mode():
            logits = llm.model(input_ids=torch.tensor([[*prompt, *continuation]])).logits[0].log_softmax(-1)
        expected = np.mean([float(logits[len(prompt) - 1 + i, t]) for i, t in enumerate(continuation)])
        assert score == pytest.approx(expected, abs=1e-4)


def test_longer_audio_is_heard_to_its_end_or_refused(case: tiny.Case) -> None:
    from cascade_equivalence.errors import AudioError

    long = Clip(np.concatenate([clip.samples for clip in CLIPS] * 4)[: 42 * 16_000])
    other = Clip(np.concatenate([long.samples[:-16_000], CLIPS[2].samples[:16_000]]))
    if not case.speech.adapter.chunked:
        with pytest.raises(AudioError, match=r"42\.0 s is longer than the 8 s"):
            case.speech.hear([CLIPS[0], long])
        return
    heard, changed = case.speech.hear([long, other])
    if case.exact:
        # Two pieces may end in a position that is not full, where one piece has one.
        assert case.positions(long) <= len(heard) <= case.positions(long) + 1
    assert np.abs(scores(case, [long])[0] - scores(case, [other])[0]).max() > 1e-3
    assert heard.shape != changed.shape or not torch.allclose(heard, changed)


def test_pieces_of_nearly_thirty_seconds(case: tiny.Case) -> None:
    if case.speech.adapter.chunked:
        long = Clip(np.concatenate([clip.samples for clip in CLIPS] * 3)[: int(29.7 * 16_000)])
        assert len(case.speech.hear([long])[0]) > 0


def test_a_very_short_clip(case: tiny.Case) -> None:
    assert np.isfinite(scores(case, [Clip(CLIPS[0].samples[8000:8100]), CLIPS[1]])).all()


def test_half_precision_stays_near(case: tiny.Case, tmp_path: Path) -> None:
    half = tiny.build(case.speech.name, tmp_path, Placement("cpu", "bfloat16", 8))
    (heard,) = half.speech.hear(CLIPS[:1])
    assert heard.dtype == half.speech.backbone.model.dtype == torch.bfloat16
    assert np.isfinite(scores(half, CLIPS)).all()
    if case.exact:
        whole = case.speech.hear(CLIPS[:1])[0]
        # Random weights choose codes sharply and so magnify rounding; a wrong path would be near 0.
        assert torch.nn.functional.cosine_similarity(heard.float().flatten(), whole.flatten(), 0) > 0.8
