"""Speech synthesis: text in, waveform out.

`Synthesizer` is the seam: whatever speaks (a local engine, a service, a recording booth) offers `speak`.
The one engine here is Kokoro-82M as an int8 ONNX graph on onnxruntime, the engine that the pocket corpus
was made with. It needs the `[speech]` extra; nothing is imported before it is used.
"""

from __future__ import annotations

import json
import re
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cascade_equivalence.audio.phonemes import phonemize
from cascade_equivalence.errors import ModelError

Waveform = NDArray[np.float32]
"""Mono samples, shape (n,), full scale at ±1."""

SAMPLE_RATE = 24_000
"""Kokoro's output, Hz."""

MODEL_FILE = "model_int8.onnx"
VOCABULARY_FILE = "vocab.json"

_STYLE_WIDTH = 256
_LONGEST = 400
"""Tokens spoken in one go. The model takes 510, but gets hasty near its limit."""
_PAUSE = 0.25
"""Seconds of silence between pieces of a long text."""


class Synthesizer(Protocol):
    """Anything that speaks."""

    def speak(self, text: str, voice: str, *, rate: float = 1.0) -> tuple[Waveform, int]:
        """The waveform of `text`, shape (n,), mono float32, and its sample rate in Hz.

        `rate` 2.0 is twice as fast.
        """
        ...


class KokoroSynthesizer:
    """Kokoro-82M from a directory with `model_int8.onnx`, `vocab.json` and one `<voice>.bin` per voice.

    Without a directory it is the pulled `kokoro-82m` (fetched at the first word spoken, 93 MB).

    A voice's first letter is its accent (`a` American, `b` British), its second `f` or `m`. Voice files
    hold float32 style vectors, shape (510, 256): row = number of tokens to be spoken. Output depends on
    nothing but the text, the voice and the rate (the graph draws no random numbers), up to floating-point
    differences between processors.
    """

    def __init__(self, directory: Path | None = None, *, threads: int = 1) -> None:
        self._given = directory
        self.threads = threads
        self._styles: dict[str, Waveform] = {}

    @cached_property
    def directory(self) -> Path:
        """Where the model's files are."""
        if self._given is not None:
            return Path(self._given)
        from cascade_equivalence.pocket.fetch import pull
        from cascade_equivalence.pocket.registry import KOKORO

        return pull(KOKORO)

    @cached_property
    def voices(self) -> list[str]:
        """Names of the English voices in the directory."""
        return sorted(path.stem for path in self.directory.glob("[ab][fm]_*.bin"))

    def speak(self, text: str, voice: str, *, rate: float = 1.0) -> tuple[Waveform, int]:
        """See `Synthesizer.speak`. Long texts are spoken piece by piece, cut at punctuation marks."""
        if not 0.5 <= rate <= 2.0:
            raise ModelError(f"rate {rate} cannot be spoken: choose between 0.5 and 2.0")
        style = self._style(voice)
        phonemes = phonemize(text, british=voice.startswith("b"))
        pause = np.zeros(int(_PAUSE * SAMPLE_RATE), np.float32)
        pieces: list[Waveform] = []
        for piece in split(phonemes, _LONGEST):
            tokens = [self._vocabulary[symbol] for symbol in piece if symbol in self._vocabulary]
            if tokens:
                if pieces:
                    pieces.append(pause)
                pieces.append(self._run(tokens, style, rate))
        if not pieces:
            raise ModelError(f"there is nothing to speak in {text!r}")
        return np.concatenate(pieces), SAMPLE_RATE

    def _run(self, tokens: list[int], style: Waveform, rate: float) -> Waveform:
        row = min(len(tokens), len(style) - 1)
        (audio,) = self._session.run(
            None,
            {
                "tokens": np.array([[0, *tokens, 0]], np.int64),  # 0 is the padding that frames a sentence
                "style": style[row : row + 1],
                "speed": np.array([rate], np.float32),
            },
        )
        return np.asarray(audio, np.float32).ravel()

    def _style(self, voice: str) -> Waveform:
        if voice not in self._styles:
            if voice not in self.voices:
                names = ", ".join(self.voices) or "none"
                raise ModelError(f"no voice {voice!r} in {self.directory}; there are: {names}")
            path = self.directory / f"{voice}.bin"
            self._styles[voice] = np.fromfile(path, np.float32).reshape(-1, _STYLE_WIDTH)
        return self._styles[voice]

    @cached_property
    def _vocabulary(self) -> dict[str, int]:
        path = self.directory / VOCABULARY_FILE
        if not path.is_file():
            raise ModelError(f"{path} is missing: fetch the speech model again")
        vocabulary: dict[str, int] = json.loads(path.read_text(encoding="utf-8"))["vocab"]
        return vocabulary

    @cached_property
    def _session(self) -> Any:
        try:
            import onnxruntime
        except ImportError as error:
            raise ModelError(
                "speaking text needs onnxruntime, which is not installed: pip install 'cascade-equivalence[speech]'"
            ) from error
        path = self.directory / MODEL_FILE
        if not path.is_file():
            raise ModelError(f"{path} is missing: fetch the speech model again")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # the graph's unused initialisers would be listed one by one
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def split(phonemes: str, longest: int) -> list[str]:
    """Cut a phoneme string into pieces of at most `longest` symbols: at sentence ends, commas or spaces."""
    pieces = [phonemes]
    for boundary in (r"(?<=[.!?…])\s+", r"(?<=[;:,—])\s*", r"\s+"):
        pieces = [part for piece in pieces for part in _pack(piece, boundary, longest)]
    return [piece[at : at + longest] for piece in pieces for at in range(0, len(piece), longest)]


def _pack(piece: str, boundary: str, longest: int) -> list[str]:
    """As few parts of `piece` as fit, cut at `boundary` alone; one without a boundary may stay too long."""
    if len(piece) <= longest:
        return [piece]
    packed: list[str] = []
    for part in filter(None, re.split(boundary, piece)):
        if packed and len(packed[-1]) + 1 + len(part) <= longest:
            packed[-1] += " " + part
        else:
            packed.append(part)
    return packed
