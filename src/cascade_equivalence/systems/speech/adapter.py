"""Adapters: what is to be known about a family of speech LLMs, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Adapter:
    """A family of speech LLMs.

    architecture: the transformers class, or None where the composition is our own. opening, closing: text tokens
    around the audio. audio_tower, connector, language_model, layers: module paths from the model's root; `layers` is
    the list of the LLM's decoder blocks. tokens_per_s: audio positions that one second fills at most. longest_s: what
    the model takes in one piece; longer audio is cut into pieces of at most that length, or refused if `chunked` is
    False.
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
