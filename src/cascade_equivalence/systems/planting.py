"""Planted arms of a study, by the name of their nature: controls whose right diagnosis is known beforehand.

What makes each of them is a value that can be pickled, so that other processes can plant it too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import soundfile

from cascade_equivalence.audio.clip import RATE, Clip, read_clip, stored
from cascade_equivalence.audio.noise import coloured, mix
from cascade_equivalence.seeds import rng
from cascade_equivalence.systems.backbone import Backbone
from cascade_equivalence.systems.loading import Placement
from cascade_equivalence.systems.planted import deaf, flipped, loudness, reader, two_states
from cascade_equivalence.systems.speech.own import OwnSpeechLLM
from cascade_equivalence.systems.speech.speech_llm import SpeechLLM
from cascade_equivalence.systems.whisper import Padding, Whisper
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.manifest import read_manifest
from cascade_equivalence.tasks.task import corpus_dir, shipped_tasks

Nature = Literal["disguised", "deaf", "loudness", "two-states", "flipped", "ahead-when-clean"]
NATURES: tuple[Nature, ...] = get_args(Nature)
HEARS_THROUGH_ASR: tuple[Nature, ...] = ("disguised", "flipped", "ahead-when-clean")
"""Natures that need an `asr`."""

SHARE = 0.2
"""Of its answers that `flipped` turns to another label."""
WORSE_BY_DB = 0.0
"""SNR of the noise that `ahead-when-clean` adds to what it has not heard clean before."""


@dataclass(frozen=True, slots=True)
class Recogniser:
    """A Whisper checkpoint in one place, and what tells it from another."""

    name: str
    directory: Path
    placement: Placement
    padding: Padding
    digest: str

    def beside(self, backbone: Backbone) -> Whisper:
        """Loaded where the language model is, which is the worker's own device. Raises `ModelError`."""
        device, placement = str(backbone.device), self.placement
        if placement.device.partition(":")[0] == device.partition(":")[0]:
            placement = replace(placement, device=device)
        return Whisper(self.name, self.directory, placement, self.padding)


@dataclass(frozen=True, slots=True)
class Disguised:
    """A cascade in disguise: its states are the token embeddings of an ASR's transcript."""

    asr: Recogniser

    def __call__(self, backbone: Backbone) -> SpeechLLM:
        """The speech LLM on that language model."""
        whisper = self.asr.beside(backbone)
        return reader("disguised", backbone, lambda clips: [t.text for t in whisper.transcribe(clips)])


@dataclass(frozen=True, slots=True)
class AheadWhenClean:
    """Knows the true words of the shipped clean clips; of any other clip it hears less than the ASR does."""

    asr: Recogniser

    def __call__(self, backbone: Backbone) -> SpeechLLM:
        """The speech LLM on that language model."""
        whisper = self.asr.beside(backbone)

        def text_of(clips: Sequence[Clip]) -> list[str]:
            known = [shipped_words(clip) for clip in clips]
            strange = [_worse(clip) for clip, words in zip(clips, known, strict=True) if words is None]
            heard = iter(whisper.transcribe(strange) if strange else [])
            return [next(heard).text if words is None else words for words in known]

        return reader("ahead-when-clean", backbone, text_of)


def _worse(clip: Clip) -> Clip:
    if not np.any(clip.samples):
        return clip
    noise = coloured("pink", len(clip.samples), rng("ahead-when-clean", clip.sha256))
    return stored(mix(clip.samples, noise, WORSE_BY_DB, "a planted arm's clip")[0])


@cache
def _shipped() -> Mapping[int, tuple[Item, ...]]:
    """Shipped items by the length of their clean clips in samples, up to rounding."""
    found: dict[int, list[Item]] = {}
    for name in (*shipped_tasks(), "retest"):
        for item in read_manifest(corpus_dir() / f"{name}.jsonl"):
            if item.audio and item.text:
                header = soundfile.info(item.audio)
                length = round(header.frames * RATE / header.samplerate)
                for near in range(length - 2, length + 3):
                    found.setdefault(near, []).append(item)
    return {length: tuple(items) for length, items in found.items()}


@cache
def _content(path: Path) -> str:
    return read_clip(path).sha256


def shipped_words(clip: Clip) -> str | None:
    """What a shipped clean clip says; None of any other clip."""
    same = (i for i in _shipped().get(len(clip.samples), ()) if i.audio and _content(i.audio) == clip.sha256)
    return next((item.text for item in same), None)


def plant(nature: Nature, llm: str, asr: Recogniser | None) -> OwnSpeechLLM:
    """The planted speech LLM of a nature on the model `llm`. Raises ValueError where it needs an ASR and has none."""
    if nature in HEARS_THROUGH_ASR and asr is None:
        raise ValueError(f"planted: {nature} needs an asr")
    simple: dict[str, Callable[[], OwnSpeechLLM]] = {
        "deaf": lambda: deaf(llm),
        "loudness": lambda: loudness(llm),
        "two-states": lambda: two_states(llm),
    }
    if asr is None or nature in simple:
        return simple[nature]()
    facts = {"planted": nature, "asr": asr.digest}
    if nature == "ahead-when-clean":
        return OwnSpeechLLM(llm, AheadWhenClean(asr), facts | {"worse_by_db": WORSE_BY_DB})
    disguised = OwnSpeechLLM(llm, Disguised(asr), facts | {"planted": "disguised"})
    return disguised if nature == "disguised" else flipped(disguised, SHARE)
