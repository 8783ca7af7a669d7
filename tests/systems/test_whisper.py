"""The recogniser against transformers' own generate, on the shipped speech."""

from __future__ import annotations

import numpy as np
import torch

from cascade_equivalence.audio.clip import RATE, Clip, read_clip
from cascade_equivalence.systems.whisper import repeats, split
from cascade_equivalence.tasks.task import load_task
from tests.models import whisper


def clips(count: int = 5) -> list[Clip]:
    return [read_clip(item.audio) for item in load_task("topic", limit=count).items if item.audio]


def test_stock_transcripts_equal_generate() -> None:
    model = whisper()
    ours = model.transcribe(clips())
    features = model._features([c.samples for c in clips()], sampling_rate=RATE, return_tensors="pt").input_features
    ids = model._model.generate(features, do_sample=False, num_beams=1, return_timestamps=False)
    theirs = model._tokenizer.batch_decode(ids, skip_special_tokens=True)
    assert [t.text for t in ours] == [t.strip() for t in theirs]
    assert all(t.complete and t.logprob < 0 for t in ours)


def test_encoder_on_30_s_equals_transformers() -> None:
    model = whisper()
    samples = [c.samples for c in clips(2)]
    features = model._features(samples, sampling_rate=RATE, return_tensors="pt").input_features
    with torch.inference_mode():
        theirs = model._model.model.encoder(features).last_hidden_state
        ours = model.encode(samples, 30 * RATE)
    assert torch.allclose(ours, theirs, atol=1e-4)


def test_logprob_is_that_of_the_tokens() -> None:
    model = whisper()
    clip = clips(1)
    (said,) = model.transcribe(clip)
    tokens = [*model._tokenizer(" " + said.text, add_special_tokens=False).input_ids, model._end]
    features = model._features([clip[0].samples], sampling_rate=RATE, return_tensors="pt").input_features
    ids = torch.tensor([model._prompt + tokens])
    with torch.inference_mode():
        logits = model._model(input_features=features, decoder_input_ids=ids).logits[0].clone()
        logits[:, model._suppressed] = -torch.inf
        start = len(model._prompt) - 1
        logits[start, model._suppressed_first] = -torch.inf
        logprobs = logits.log_softmax(-1)
    expected = np.mean([float(logprobs[start + i, t]) for i, t in enumerate(tokens)])
    assert abs(said.logprob - expected) < 1e-3


def test_batch_equals_single_and_keeps_the_order() -> None:
    model = whisper(padding="short")
    batch = model.transcribe(clips())
    assert [t.text for t in batch] == [model.transcribe([c])[0].text for c in clips()]
    assert [t.text for t in model.transcribe(clips()[::-1])] == [t.text for t in batch[::-1]]


def test_a_long_clip_is_split_and_joined_not_cut() -> None:
    parts = clips(12)
    pause = np.zeros(RATE // 2, np.float32)
    long = Clip(np.concatenate([x for c in parts for x in (c.samples, pause)]))
    assert long.seconds > 30
    (whole,) = whisper(padding="short").transcribe([long])
    last = whisper(padding="short").transcribe([parts[-1]])[0].text.lower().split()
    assert last[-1].strip(".") in whole.text.lower()
    assert len(whole.text.split()) > 0.8 * sum(len((i.text or "").split()) for i in load_task("topic", limit=12).items)


def test_split_cuts_at_the_quietest_place() -> None:
    samples = np.ones(70 * RATE, np.float32)
    samples[27 * RATE : 28 * RATE] = 0
    pieces = split(samples)
    assert 27 * RATE <= len(pieces[0]) <= 28 * RATE
    assert all(len(p) <= 30 * RATE for p in pieces)
    assert sum(len(p) for p in pieces) == len(samples)


def test_silence_gives_some_transcript_and_no_error() -> None:
    (said,) = whisper(padding="short").transcribe([Clip(np.zeros(RATE, np.float32))])
    assert isinstance(said.text, str)


def test_repetitions_are_noticed() -> None:
    assert repeats("Kids are talking by the door. Kids are talking, by the door")
    assert repeats("he said so it was so it was")
    assert not repeats("Kids are talking by the door.")
    assert not repeats("no no no")
    assert not repeats("")
