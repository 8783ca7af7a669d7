"""Systems on local weights: an LLM that reads, and a speech LLM that hears. Both answer in the same way."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from cascade_equivalence.audio.clip import Clip
from cascade_equivalence.systems.backbone import NOWHERE, Backbone, Query, Span
from cascade_equivalence.systems.prompting import Style, render, spoken_text
from cascade_equivalence.systems.speech.speech_llm import SpeechLLM
from cascade_equivalence.systems.system import Mode, Reply, Stimulus
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.task import Task

MODES: frozenset[Mode] = frozenset({"labels", "generate"})


@dataclass(frozen=True, slots=True)
class TextSystem:
    """An LLM that reads: the true text, or what an ASR wrote."""

    backbone: Backbone
    style: Style

    @property
    def modes(self) -> frozenset[Mode]:
        """Both."""
        return MODES

    def reply(self, task: Task, items: Sequence[Item], given: Sequence[Stimulus], mode: Mode) -> list[Reply | None]:
        """See `System.reply`; `given` are words. Raises `TypeError` for a sound."""
        start = time.perf_counter()
        texts = [_words(stimulus) for stimulus in given]
        read = [self.backbone.embed(self.backbone.encode(spoken_text(text))) for text in texts]
        replies = _replies(self.backbone, self.style, task, items, read, [NOWHERE] * len(read), mode)
        each = (time.perf_counter() - start) / len(items)
        return [replace(reply, seconds=each) for reply in replies]


@dataclass(frozen=True, slots=True)
class SpeechSystem:
    """A speech LLM: the states of what it hears stand in the prompt where a cascade has its transcript."""

    speech: SpeechLLM
    style: Style

    @property
    def modes(self) -> frozenset[Mode]:
        """Both."""
        return MODES

    def reply(self, task: Task, items: Sequence[Item], given: Sequence[Stimulus], mode: Mode) -> list[Reply | None]:
        """See `System.reply`; `given` are clips, None a dropped audio. Raises `TypeError` for words."""
        start = time.perf_counter()
        heard = self.speech.hear([_clip(stimulus) for stimulus in given])
        listened = (time.perf_counter() - start) / len(items)
        replies = self.answer(task, items, heard, mode)
        each = (time.perf_counter() - start) / len(items)
        return [replace(reply, seconds=each, listened=listened) for reply in replies]

    def answer(self, task: Task, items: Sequence[Item], heard: Sequence[torch.Tensor], mode: Mode) -> list[Reply]:
        """Answer a batch of items of one task; `heard` are the states of what was spoken."""
        spans = [self.audio_span(states) for states in heard]
        return _replies(self.speech.backbone, self.style, task, items, heard, spans, mode)

    def audio_span(self, heard: torch.Tensor) -> Span:
        """Which of a clip's states are audio rather than the adapter's opening and closing."""
        opening, closing = self.speech.frame
        return len(opening), len(heard) - len(closing)


def _words(stimulus: Stimulus) -> str:
    if isinstance(stimulus, Clip):
        raise TypeError("an LLM that reads was given a sound")
    return stimulus or ""


def _clip(stimulus: Stimulus) -> Clip | None:
    if isinstance(stimulus, str):
        raise TypeError("a speech LLM was given words")
    return stimulus


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
    # A prompt that brings a question of its own shares its beginning with few others, or none.
    together: dict[tuple[int, ...], list[int]] = {}
    for index, prompt in enumerate(prompts):
        together.setdefault(prompt.before, []).append(index)
    found: dict[int, Reply] = {}
    for before, rows in together.items():
        read = [len(before) + len(states[i]) for i in rows]
        if mode == "labels":
            queries = [Query(states[i], prompts[i].continuations, audio[i]) for i in rows]
            scores = backbone.score(before, queries)
            replies = [Reply(score, None, read=count) for count, score in zip(read, scores, strict=True)]
        else:
            stop, limit = prompts[rows[0]].stop, task.form.max_new_tokens
            said = backbone.generate(before, [states[i] for i in rows], limit, stop, [audio[i] for i in rows])
            replies = [
                Reply(None, one.text, read=count, written=one.tokens, ended="end" if one.complete else "limit")
                for count, one in zip(read, said, strict=True)
            ]
        found |= dict(zip(rows, replies, strict=True))
    return [found[i] for i in range(len(items))]
