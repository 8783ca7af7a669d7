"""Arms: the systems under test, all answering the same stimuli in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from cascade_equivalence.audio.clip import Clip
from cascade_equivalence.systems.backbone import NOWHERE, Backbone, Query, Span
from cascade_equivalence.systems.prompting import Style, render, spoken_text
from cascade_equivalence.systems.speech.speech_llm import SpeechLLM
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.task import Task

Mode = Literal["labels", "generate"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What an LLM said on one stimulus: raw label scores in the order of the choices, or a text."""

    scores: tuple[float, ...] | None
    text: str | None
    tokens: int


@dataclass(frozen=True, slots=True)
class TextArm:
    """An LLM that reads: the gold text (`asr` None) or an ASR's transcript. A cascade, in one object."""

    name: str
    backbone: Backbone
    style: Style
    asr: str | None

    def reply(self, task: Task, items: Sequence[Item], contents: Sequence[str], mode: Mode) -> list[Reply]:
        """Answer a batch of items of one task; `contents` are what was spoken, as text."""
        backbone = self.backbone
        read = [backbone.embed(backbone.encode(spoken_text(text))) for text in contents]
        return _replies(backbone, self.style, task, items, read, [NOWHERE] * len(read), mode)


@dataclass(frozen=True, slots=True)
class SpeechArm:
    """A speech LLM: the states of what it hears stand in the prompt where a cascade has its transcript."""

    name: str
    speech: SpeechLLM
    style: Style

    def answer(self, task: Task, items: Sequence[Item], heard: Sequence[torch.Tensor], mode: Mode) -> list[Reply]:
        """Answer a batch of items of one task; `heard` are the states of what was spoken."""
        spans = [self.audio_span(states) for states in heard]
        return _replies(self.speech.backbone, self.style, task, items, heard, spans, mode)

    def audio_span(self, heard: torch.Tensor) -> Span:
        """Which of a clip's states are audio rather than the adapter's opening and closing."""
        opening, closing = self.speech.frame
        return len(opening), len(heard) - len(closing)

    def reply(self, task: Task, items: Sequence[Item], clips: Sequence[Clip | None], mode: Mode) -> list[Reply]:
        """Hear and answer."""
        return self.answer(task, items, self.speech.hear(clips), mode)


def _replies(
    backbone: Backbone,
    style: Style,
    task: Task,
    items: Sequence[Item],
    spoken: Sequence[torch.Tensor],
    audio: Sequence[Span],
    mode: Mode,
) -> list[Reply]:
    prompts = [render(backbone, style, task, item) for item in items]
    states = [torch.cat([s, backbone.embed(prompt.after)]) for s, prompt in zip(spoken, prompts, strict=True)]
    before = prompts[0].before
    if mode == "labels":
        queries = [Query(s, p.continuations, a) for s, p, a in zip(states, prompts, audio, strict=True)]
        scores = backbone.score(before, queries)
        return [Reply(score, None, len(s)) for s, score in zip(states, scores, strict=True)]
    said = backbone.generate(before, states, task.form.max_new_tokens, prompts[0].stop, audio)
    return [Reply(None, answer.text, answer.tokens) for answer in said]
