"""Arms: the systems under test, all answering the same stimuli in the same way."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cascade_equivalence.systems.backbone import Backbone, Query
from cascade_equivalence.systems.prompting import Style, render, spoken_text
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.task import Task

Mode = Literal["labels", "generate"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What an LLM said on one stimulus: label scores (raw, in the order of `labels`) or a text.

    seconds: model time of the batch divided by its size.
    """

    labels: tuple[str, ...]
    scores: tuple[float, ...] | None
    text: str | None
    tokens: int
    seconds: float
    batch_size: int


@dataclass(frozen=True, slots=True)
class TextArm:
    """An LLM that reads: the gold text (`asr` None) or an ASR's transcript. A cascade, in one object."""

    name: str
    backbone: Backbone
    style: Style
    asr: str | None

    @property
    def kind(self) -> str:
        """`gold` or `cascade`."""
        return "cascade" if self.asr else "gold"

    def reply(self, task: Task, items: Sequence[Item], contents: Sequence[str], mode: Mode) -> list[Reply]:
        """Answer a batch of items of one task; `contents` are what was spoken, as text."""
        prompts = [render(self.backbone, self.style, task, item) for item in items]
        states = [
            self.backbone.embed(self.backbone.encode(spoken_text(text)) + list(prompt.after))
            for prompt, text in zip(prompts, contents, strict=True)
        ]
        start = time.perf_counter()
        before = prompts[0].before
        if mode == "labels":
            queries = [Query(s, p.continuations) for s, p in zip(states, prompts, strict=True)]
            scores = self.backbone.score(before, queries)
            each = (time.perf_counter() - start) / len(items)
            return [
                Reply(p.labels, score, None, len(s), each, len(items))
                for p, s, score in zip(prompts, states, scores, strict=True)
            ]
        said = self.backbone.generate(before, states, task.form.max_new_tokens, prompts[0].stop)
        each = (time.perf_counter() - start) / len(items)
        return [
            Reply(p.labels, None, answer.text, answer.tokens, each, len(items))
            for p, answer in zip(prompts, said, strict=True)
        ]
