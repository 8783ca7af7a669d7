"""ASR behind an endpoint, and by faster-whisper on the embedded weights against the reference runtime."""

from __future__ import annotations

import io
import re
import wave
from pathlib import Path

import numpy as np
import pytest
from whisper_normalizer.english import EnglishTextNormalizer

from cascade_equivalence.audio.clip import Clip, pcm16, read_clip
from cascade_equivalence.errors import ModelError
from cascade_equivalence.study.word_errors import words_wrong
from cascade_equivalence.systems.remote.faster_whisper import FasterWhisper
from cascade_equivalence.systems.remote.speech_to_text import SpeechToText
from cascade_equivalence.tasks.task import load_task
from tests.models import directory, whisper
from tests.systems.remote.questions import QUICK, endpoint, tone
from tests.systems.remote.server import Seen, Sent, serving


def sound(seen: Seen) -> np.ndarray:
    """The samples in a form's file."""
    start = seen.raw.index(b"RIFF")
    size = int.from_bytes(seen.raw[start + 4 : start + 8], "little") + 8
    with wave.open(io.BytesIO(seen.raw[start : start + size])) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def field(seen: Seen, name: str) -> str:
    found = re.search(rf'name="{name}"\r\n\r\n([^\r]*)\r\n', seen.raw.decode("latin-1"))
    assert found, name
    return found[1]


def test_each_clip_is_sent_once_and_transcripts_come_in_order() -> None:
    clips, known = [tone(0.1 + n / 100) for n in range(12)], set()

    def answer(seen: Seen) -> Sent:
        # A form's boundary differs from request to request, so the same clip is told by its length.
        if len(sound(seen)) % 3 == 0 and len(sound(seen)) not in known:
            known.add(len(sound(seen)))
            return Sent({}, 503)
        return Sent({"text": f" {len(sound(seen))}\n samples "})

    with serving(answer) as server:
        asr = SpeechToText(endpoint(server.url), patience=QUICK)
        made = asr.transcribe(clips)
        seen = server.seen[0]
    assert seen.path == "/v1/audio/transcriptions"
    assert [field(seen, name) for name in ("model", "language", "temperature")] == ["served-model", "en", "0"]
    assert [t.text for t in made] == [f"{len(clip.samples)} samples" for clip in clips]
    assert all(t.logprob is None and t.complete for t in made)
    assert any(np.array_equal(sound(s), pcm16(clips[3].samples)) for s in server.seen)


def test_a_clip_in_vain_is_missing_alone_and_named() -> None:
    clips = [tone(0.1), tone(0.2), tone(0.3)]
    with serving(lambda seen: Sent({}, 500) if len(sound(seen)) == 3200 else Sent({"text": "yes"})) as server:
        asr = SpeechToText(endpoint(server.url, attempts=2), patience=QUICK)
        assert {i: t and t.text for i, t in asr.transcripts(clips)} == {0: "yes", 1: None, 2: "yes"}
        with pytest.raises(ModelError, match="1 clips got no transcript"):
            asr.transcribe(clips)


def shipped(count: int) -> list[Clip]:
    return [read_clip(item.audio) for item in load_task("topic").items[:count] if item.audio]


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded Whisper tiny.en in CTranslate2's layout."""
    converters = pytest.importorskip("ctranslate2.converters")
    source, out = directory("whisper-tiny.en"), tmp_path_factory.mktemp("converted") / "tiny"
    converters.TransformersConverter(str(source), copy_files=["tokenizer.json"]).convert(str(out))
    return out


def test_faster_whisper_hears_the_same_words(converted: Path) -> None:
    clips = shipped(6)
    ours, theirs = whisper("whisper-tiny.en").transcribe(clips), FasterWhisper("asr", converted).transcribe(clips)
    same = [a.text == b.text for a, b in zip(ours, theirs, strict=True)]
    assert sum(same) >= 5
    for a, b, equal in zip(ours, theirs, same, strict=True):
        if equal and a.logprob is not None:
            assert b.logprob == pytest.approx(a.logprob, abs=0.02)


@pytest.mark.slow
def test_how_many_of_200_transcripts_differ_between_runtimes(converted: Path) -> None:
    clips = shipped(200)
    ours, theirs = whisper("whisper-tiny.en").transcribe(clips), FasterWhisper("asr", converted).transcribe(clips)
    pairs = [(a.text, b.text) for a, b in zip(ours, theirs, strict=True) if a.text != b.text]
    print(f"{len(pairs)} of 200 transcripts differ", *pairs, sep="\n")
    # Commas and capitals for the most part: features are padded otherwise. Of the words few differ.
    normalise = EnglishTextNormalizer()
    words = [(normalise(a.text), normalise(b.text)) for a, b in zip(ours, theirs, strict=True)]
    wrong, said = sum(words_wrong(a, b) for a, b in words), sum(len(a.split()) for a, _ in words)
    print(f"{wrong} of {said} words differ")
    assert len(pairs) <= 50 and wrong <= 0.05 * said


def test_no_model_of_faster_whisper_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"asr.*faster-whisper"):
        FasterWhisper("asr", tmp_path)
