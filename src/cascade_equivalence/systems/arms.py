"""Arms: the systems under test, all answering the same stimuli in the same way."""

from __future__ import annotations

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
        prompts = [render(self.backbone, self.style, task, item) for item in items]
        states = [
            self.backbone.embed(self.backbone.encode(spoken_text(text)) + list(prompt.after))
            for prompt, text in zip(prompts, contents, strict=True)
        ]
        before = prompts[0].before
        if mode == "labels":
            queries = [Query(s, p.continuations) for s, p in zip(states, prompts, strict=True)]
            scores = self.backbone.score(before, queries)
            return [Reply(score, None, len(s)) for s, score in zip(states, scores, strict=True)]
        said = self.backbone.generate(before, states, task.form.max_new_tokens, prompts[0].stop)
        return [Reply(None, answer.text, answer.tokens) for answer in said]
