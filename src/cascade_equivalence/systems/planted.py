"""Planted speech LLMs, whose true nature is known: what the instrument must find, for tests and for teaching.

Each is a real speech LLM to a study (`build_plan(…, own={"name": deaf("llm")})`), made of a language model that the
study names and ears that are what their name says:

- `disguised`: a cascade under another name. κ with its self-cascade is 1.
- `deaf`: states that do not depend on the audio. It fails the heard-gate.
- `loudness`: hears nothing but how loud the speech is. It passes the gate, and is different, near chance.
- `two_states`: hears one of two states, whether the clip's length in tenths of a second is even. It passes the gate.
- `flipped`: another of these, with a share of its answers turned to another label.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from cascade_equivalence.audio.clip import Clip
from cascade_equivalence.audio.level import active_power
from cascade_equivalence.systems.backbone import Backbone, Query
from cascade_equivalence.systems.prompting import spoken_text
from cascade_equivalence.systems.speech.adapter import POCKET
from cascade_equivalence.systems.speech.composition import Composition
from cascade_equivalence.systems.speech.own import OwnSpeechLLM
from cascade_equivalence.systems.speech.speech_llm import SpeechLLM
from cascade_equivalence.systems.whisper import Whisper

SENTENCES = (
    "The minister met the ambassadors of three countries.",
    "The home team won the cup final after extra time.",
    "Shares in the bank fell after its results.",
    "Researchers have built a faster computer chip.",
    "I loved every minute of it.",
    "What a terrible waste of an evening.",
)
"""What `loudness` gives its language model to read, one at each level."""
FLIP = 100.0
"""Added to a label's score (a mean log-likelihood, so below 0): more than any other can make up for."""


@dataclass(frozen=True, slots=True)
class Reads:
    """Ears that give the language model a text of their choice, as its own token embeddings."""

    backbone: Backbone
    text_of: Callable[[Sequence[Clip]], list[str]]

    def hear(self, clips: Sequence[Clip]) -> list[torch.Tensor]:
        """See `Ears.hear`."""
        return [self.backbone.embed(self.backbone.encode(spoken_text(text))) for text in self.text_of(clips)]


class FlippingBackbone(Backbone):
    """A language model that turns a share of its label scores, chosen by the hash of what it was given.

    The label turned to is not the one with the highest raw score. Calibration may have preferred that very label, so
    of the answers a little less than `share` change.
    """

    def __init__(self, inner: Backbone, share: float) -> None:
        super().__init__(inner.name, inner.model, inner.tokenizer)
        self._share = share

    def score(self, before: Sequence[int], queries: Sequence[Query]) -> list[tuple[float, ...]]:
        """See `Backbone.score`."""
        found = super().score(before, queries)
        return [self._turned(scores, query) for scores, query in zip(found, queries, strict=True)]

    def _turned(self, scores: tuple[float, ...], query: Query) -> tuple[float, ...]:
        # Rounded, so that the same content meets the same fate whatever batch it stood in.
        content = np.round(query.states.float().cpu().numpy(), 3) + 0.0
        number = int.from_bytes(hashlib.sha256(content.tobytes()).digest()[:8], "little")
        if number / 2**64 >= self._share or len(scores) < 2:
            return scores
        others = [i for i in range(len(scores)) if i != scores.index(max(scores))]
        chosen = others[number % len(others)]
        return tuple(s + FLIP if i == chosen else s for i, s in enumerate(scores))


def reader(name: str, backbone: Backbone, text_of: Callable[[Sequence[Clip]], list[str]]) -> SpeechLLM:
    """A speech LLM whose ears give its language model a text of their choice."""
    root = Composition(language_model=backbone.model)
    return SpeechLLM(name, POCKET, root, backbone, backbone, Reads(backbone, text_of))


def disguised(llm: str, whisper: Callable[[], Whisper], **facts: Any) -> OwnSpeechLLM:
    """A cascade in disguise: the states are the token embeddings of Whisper's transcript.

    facts: what tells this Whisper from another (its name and padding, say); they go into the identity.
    """
    return OwnSpeechLLM(llm, partial(_disguised, whisper), {"planted": "disguised", **facts})


def deaf(llm: str, sentence: str = SENTENCES[0]) -> OwnSpeechLLM:
    """One that hears the same, whatever is said."""
    return OwnSpeechLLM(llm, partial(_deaf, sentence), {"planted": "deaf", "sentence": sentence})


def loudness(llm: str, sentences: Sequence[str] = SENTENCES, step_db: float = 0.001) -> OwnSpeechLLM:
    """One that hears the level of the speech alone: each `step_db` gives the next of `sentences`, and the level in dB.

    The step is small because the shipped speech has been brought to one level, and differs by a tenth of a decibel.
    """
    facts = {"planted": "loudness", "sentences": list(sentences), "step_db": step_db}
    return OwnSpeechLLM(llm, partial(_loudness, tuple(sentences), step_db), facts)


def two_states(llm: str, sentences: tuple[str, str] = (SENTENCES[0], SENTENCES[1])) -> OwnSpeechLLM:
    """One that hears two states alone, and has a sentence for each: about half of all swaps change nothing for it."""

    def load(backbone: Backbone) -> SpeechLLM:
        return reader("two_states", backbone, lambda clips: [sentences[int(clip.seconds * 10) % 2] for clip in clips])

    return OwnSpeechLLM(llm, load, {"planted": "two-states", "sentences": list(sentences)})


def flipped(inner: OwnSpeechLLM, share: float) -> OwnSpeechLLM:
    """`inner` with about `share` (0 to 1) of its label answers turned to another label, chosen by content."""
    facts = {"planted": "flipped", "share": share, "of": dict(inner.facts)}
    return OwnSpeechLLM(inner.llm, partial(_flipped, inner.load, share), facts)


# Functions at the top of the module, which other processes can be sent.


def _disguised(whisper: Callable[[], Whisper], backbone: Backbone) -> SpeechLLM:
    model = whisper()
    return reader("disguised", backbone, lambda clips: [t.text for t in model.transcribe(clips)])


def _deaf(sentence: str, backbone: Backbone) -> SpeechLLM:
    return reader("deaf", backbone, lambda clips: [sentence] * len(clips))


def _loudness(sentences: Sequence[str], step_db: float, backbone: Backbone) -> SpeechLLM:
    def text_of(clips: Sequence[Clip]) -> list[str]:
        levels = [10 * np.log10(max(active_power(clip.samples), 1e-10)) for clip in clips]
        return [f"{sentences[int(level // step_db) % len(sentences)]} {level:.4f}" for level in levels]

    return reader("loudness", backbone, text_of)


def _flipped(load: Callable[[Backbone], SpeechLLM], share: float, backbone: Backbone) -> SpeechLLM:
    speech = load(backbone)
    return replace(speech, backbone=FlippingBackbone(speech.backbone, share))
