"""The phoneme front end and the speech engine's seams; nothing here needs the speech model."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cascade_equivalence.audio import phonemes, synthesis
from cascade_equivalence.errors import ModelError


def test_phonemes_are_those_of_the_models_own_front_end() -> None:
    """Expected strings are misaki's, from its documentation and lexicon."""
    pytest.importorskip("espeakng_loader")
    assert phonemes.phonemize("Hello, world!") == "həlˈO, wˈɜɹld!"
    assert phonemes.phonemize("Hello, world!", british=True) == "həlˈQ, wˈɜːld!"
    assert phonemes.phonemize("fair", british=True) == "fˈɛː"
    assert phonemes.phonemize("near", british=True) == "nˈɪə"
    assert phonemes.phonemize("jump") == "ʤˈʌmp"
    assert phonemes.phonemize("the water") == "ðə wˈɔTəɹ"


def test_articles_and_first_words_keep_their_weight() -> None:
    pytest.importorskip("espeakng_loader")
    assert phonemes.phonemize("I saw a dog.").split()[0] == "ˌI"
    assert phonemes.phonemize("They saw a dog.").split()[2] == "ɐ"
    assert phonemes.phonemize("We went.").startswith("wˌi")


def test_punctuation_survives_and_numbers_are_not_cut() -> None:
    pytest.importorskip("espeakng_loader")
    assert [c for c in phonemes.phonemize("Well — no; yes: go… now?") if c in phonemes.MARKS] == list("—;:…?")
    assert "." not in phonemes.phonemize("It costs 3.5 pounds")[:-1]
    assert phonemes.phonemize("Mr. Hill") == phonemes.phonemize("Mister Hill")
    assert phonemes.phonemize("he said “no”") == phonemes.phonemize("he said no")


def test_long_phoneme_strings_are_cut_at_sentences_and_lose_nothing() -> None:
    text = "həlˈO wˈɜɹld. " * 50 + "ən" * 300
    pieces = synthesis.split(text, 200)
    assert all(len(piece) <= 200 for piece in pieces)
    assert "".join(pieces).replace(" ", "") == text.replace(" ", "")
    assert all(piece.endswith(".") for piece in pieces[:3])
    assert synthesis.split("ˈA.", 200) == ["ˈA."]


class _Graph:
    """In place of the ONNX session: 100 samples per token."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def run(self, _: None, inputs: dict[str, Any]) -> list[Any]:
        self.calls.append(inputs)
        return [np.full(100 * inputs["tokens"].shape[1], 0.1, np.float32)]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> synthesis.KokoroSynthesizer:
    symbols = {symbol: number for number, symbol in enumerate("abc. ", 1)}
    (tmp_path / synthesis.VOCABULARY_FILE).write_text(json.dumps({"vocab": symbols}))
    styles = np.repeat(np.arange(510, dtype=np.float32)[:, None], 256, axis=1)
    styles.tofile(tmp_path / "af_test.bin")
    monkeypatch.setattr(synthesis, "phonemize", lambda text, british: text)
    made = synthesis.KokoroSynthesizer(tmp_path)
    made.__dict__["_session"] = _Graph()
    return made


def test_the_style_is_that_of_the_number_of_tokens(engine: synthesis.KokoroSynthesizer) -> None:
    samples, rate = engine.speak("ab?c.", "af_test", rate=1.5)
    (call,) = engine._session.calls
    assert call["tokens"].tolist() == [[0, 1, 2, 3, 4, 0]]  # the unknown "?" is left out
    assert call["style"].shape == (1, 256)
    assert call["style"][0, 0] == 4
    assert call["speed"].tolist() == [1.5]
    assert (samples.dtype, samples.shape, rate) == (np.dtype(np.float32), (600,), 24_000)


def test_long_texts_are_spoken_in_pieces(engine: synthesis.KokoroSynthesizer) -> None:
    engine.speak("abc abc abc. " * 60, "af_test")
    assert len(engine._session.calls) > 1
    assert all(call["tokens"].shape[1] <= 402 for call in engine._session.calls)


def test_what_cannot_be_spoken_is_said(engine: synthesis.KokoroSynthesizer, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="af_test"):
        engine.speak("abc", "af_nobody")
    with pytest.raises(ModelError, match="nothing to speak"):
        engine.speak("???", "af_test")
    with pytest.raises(ModelError, match=r"between 0\.5 and 2\.0"):
        engine.speak("abc", "af_test", rate=3.0)
    (tmp_path / synthesis.VOCABULARY_FILE).unlink()
    with pytest.raises(ModelError, match="vocab"):
        synthesis.KokoroSynthesizer(tmp_path).speak("abc", "af_test")


@pytest.mark.parametrize("missing", ["espeakng_loader", "onnxruntime"])
def test_a_missing_extra_is_named(missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    phonemes._library.cache_clear()
    try:
        with pytest.raises(ModelError, match=r"\[speech\]"):
            if missing == "onnxruntime":
                _ = synthesis.KokoroSynthesizer(tmp_path)._session
            else:
                phonemes.phonemize("hello")
    finally:
        phonemes._library.cache_clear()
