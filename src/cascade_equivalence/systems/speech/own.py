"""A speech LLM made in Python, as a study can run it: on a language model that the study names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cascade_equivalence.systems.backbone import Backbone
    from cascade_equivalence.systems.speech.speech_llm import SpeechLLM


@dataclass(frozen=True, slots=True)
class OwnSpeechLLM:
    """llm: key of `models` whose LLM it has. facts: all that makes it answer as it does; they are its fingerprint.

    load: makes it of that LLM's object.
    """

    llm: str
    load: Callable[[Backbone], SpeechLLM]
    facts: Mapping[str, Any] = field(default_factory=dict)
