"""Task forms: how an item becomes a prompt, the same words in every arm.

What is spoken is the item's content alone. Instruction, examples and options are text in every arm; where a speech LLM
has its audio, a cascade has the transcript.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cascade_equivalence.tasks.item import Choice, Item

Kind = Literal["labels", "options", "open"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt split where the spoken content goes: `before` + content + `after` + one of `continuations`.

    `continuations` are the labels as they stand in the prompt, leading space included, in the order of
    `labels`; both are empty on open tasks.
    """

    before: str
    after: str
    labels: tuple[str, ...]
    continuations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of a form of one's own; the kind of task follows from its items. See `Form` for the rest.

    instruction: None where the items' own questions ask. words: label → the word it is shown and scored by.
    """

    instruction: str | None = None
    heard: str = "Text:"
    asked: str = "Answer:"
    words: tuple[tuple[str, str], ...] = ()
    sufficient: bool | None = None
    max_new_tokens: int = 32


@dataclass(frozen=True, slots=True)
class Form:
    """One kind of task.

    kind: `labels` (one label set for all items), `options` (each item brings its own; the option's text is
    scored) or `open` (free answers, matched against the accepted ones).
    sufficient: whether a transcript suffices to solve it (the paper's text-sufficient class); None if unknown.
    words: label → the word it is scored and shown by, where the label itself is not a plain word.
    shots: ids of the development items shown as examples, chosen on development items only.
    asks: questions of items that the instruction asks already, in its own words.
    """

    name: str
    kind: Kind
    sufficient: bool | None
    instruction: str
    heard: str
    asked: str
    words: tuple[tuple[str, str], ...] = ()
    shots: tuple[str, ...] = ()
    max_new_tokens: int = 32
    asks: tuple[str, ...] = ()

    def question(self, item: Item) -> str | None:
        """What the item asks and neither the instruction nor its content does."""
        there = (item.text, self.instruction, *self.asks)
        return None if item.question in there else item.question

    def choices(self, item: Item) -> tuple[Choice, ...]:
        """The item's choices with the words this form shows them by."""
        words = dict(self.words)
        return tuple(Choice(c.label, words.get(c.label, c.text)) for c in item.choices)

    def plain(self, item: Item, shots: Sequence[Item]) -> Prompt:
        """The few-shot prompt for a plain language model. A question of the item's own follows its content, so that all
        items share what stands before."""
        examples = "".join(
            f"{self.heard} {shot.text}\n{self._own_question(shot)}{self.asked} {self._answer_word(shot)}\n\n"
            for shot in shots
        )
        return Prompt(
            before=f"{self.instruction}\n\n{examples}{self.heard}",
            after=f"\n{self._own_question(item)}{self.asked}",
            labels=tuple(c.label for c in self.choices(item)),
            continuations=tuple(f" {c.text}" for c in self.choices(item)),
        )

    def chat(self, item: Item) -> tuple[str, str, str]:
        """The user's message for an instruction-tuned model: (before the content, after it, the answer's cue)."""
        choices = self.choices(item)
        lines = [self.instruction, *([question] if (question := self.question(item)) else [])]
        if self.kind == "options":
            lines += [f"{c.label}. {c.text}" for c in choices]
            lines.append("Answer with the text of the right option alone.")
        elif self.kind == "labels":
            lines.append(f"Answer with one of: {', '.join(c.text for c in choices)}.")
        else:
            lines.append("Answer with the name alone, as short as possible.")
        return f"{self.heard}", "\n\n" + "\n".join(lines), self.asked

    def _own_question(self, item: Item) -> str:
        question = self.question(item)
        return f"Question: {question}\n" if question else ""

    def _answer_word(self, shot: Item) -> str:
        return next((c.text for c in self.choices(shot) if c.label == shot.label), shot.label or "")
