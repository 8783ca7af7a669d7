"""What is to be known about a family of speech LLMs, as data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cascade_equivalence.errors import ModelError

if TYPE_CHECKING:
    from cascade_equivalence.systems.backbone import Backbone
    from cascade_equivalence.systems.loading import Placement
    from cascade_equivalence.systems.speech.encoder import WhisperEncoder
    from cascade_equivalence.systems.speech.speech_llm import SpeechLLM

Positions = Literal["clip", "window", "words"]
"""How a clip's positions lie in time. `clip`: evenly, as many as the clip is long; `window`: evenly, over whole windows
that may end behind the clip; `words`: at no time of their own (one per word or token heard)."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """How a speech LLM is taken hold of.

    architecture: the transformers class, or None where the composition is our own. opening, closing: text around the
    audio, one token each. audio_tower, connector, language_model, layers: module paths from the model's root; `layers`
    is the list of the LLM's decoder blocks. tokens_per_s: audio positions that one second fills at most. positions:
    what they have to do with time. longest_s: what the model takes in one piece; longer audio is cut into pieces of at
    most that length, or refused if `chunked` is False.
    """

    family: str
    architecture: str | None
    opening: str
    closing: str
    audio_tower: str
    connector: str
    language_model: str
    layers: str
    tokens_per_s: float
    longest_s: float
    chunked: bool
    positions: Positions = "clip"

    def in_time(self, seconds: float, positions: int) -> int:
        """How many of a clip's first positions lie in it, each 1 / `tokens_per_s` long: the others are behind its end.

        Raises `ModelError` where positions have no time of their own, or are fewer than the rate says.
        """
        if self.positions == "words":
            raise ModelError(f"the audio positions of {self.family} stand for words, not for times in the clip")
        expected = math.ceil(seconds * self.tokens_per_s)
        # A convolution without padding may leave the last position or two out, or round one up.
        if positions < expected - 2 or (self.positions == "clip" and positions > expected + 2):
            raise ModelError(
                f"{positions} audio positions for a clip of {seconds:.2f} s, where {self.family} has "
                f"{self.tokens_per_s:g} a second: when each was heard would have to be guessed"
            )
        return min(positions, expected)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A checkpoint to be loaded.

    config: its config.json. llm, encoder: already loaded, where the family keeps them elsewhere. lora: whether the
    LoRA that it brings is on.
    """

    name: str
    directory: Path
    config: Mapping[str, Any]
    placement: Placement
    llm: Backbone | None = None
    encoder: WhisperEncoder | None = None
    lora: bool = True


Parts = tuple[str | None, str | None]
"""LLM and audio encoder that a checkpoint builds on, by the names it gives; None for one that is inside."""


def all_inside(directory: Path, config: Mapping[str, Any]) -> Parts:
    """Of a family whose checkpoints hold everything."""
    return None, None


@dataclass(frozen=True, slots=True)
class Family:
    """A family of checkpoints.

    load: makes the speech LLM. layout: accounts for every tensor by name and shape, from the files' headers alone;
    raises `ModelError` naming what does not fit. parts: what a checkpoint builds on. llm: prefix of the names of the
    LLM's tensors where it is inside; None where it never is. audio: prefixes beneath it that are not the LLM's. lora:
    folder of the LoRA it brings ("." is its own), None without. fetch: patterns of the files it needs besides
    configuration, tokenizer and weights. refuse: raises `ModelError` for a configuration that cannot be loaded; its
    second argument is what to call it.
    """

    adapter: Adapter
    load: Callable[[Wanted], SpeechLLM]
    layout: Callable[[Path, Mapping[str, Any]], None]
    parts: Callable[[Path, Mapping[str, Any]], Parts] = all_inside
    llm: str | None = None
    audio: tuple[str, ...] = ()
    lora: str | None = None
    fetch: tuple[str, ...] = ()
    refuse: Callable[[Mapping[str, Any], str], None] | None = None


POCKET = Adapter(
    family="pocket",
    architecture=None,
    opening="",
    closing="",
    audio_tower="audio_tower",
    connector="connector",
    language_model="language_model",
    layers="language_model.model.layers",
    tokens_per_s=12.5,
    longest_s=30.0,
    chunked=True,
)
