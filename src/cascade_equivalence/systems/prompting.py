"""Prompts as a given LLM takes them: plain few-shot text, or its own chat template."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cascade_equivalence.errors import ModelError
from cascade_equivalence.hashing import digest_of
from cascade_equivalence.systems.loading import origin
from cascade_equivalence.systems.templates import TODAY, chat, looks_chatty, template_of
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.task import Task

if TYPE_CHECKING:
    from cascade_equivalence.systems.backbone import Backbone

Style = Literal["plain", "chat"]

_SPOKEN = "\u2063spoken\u2063"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt in tokens, split where the content goes: `before` + content + `after` + one of `continuations`."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    continuations: tuple[tuple[int, ...], ...]
    stop: str | None


def style_of(
    name: str, directory: Path, wanted: Literal["auto", "plain", "chat"], say: Callable[[str], None] = lambda _: None
) -> Style:
    """`auto` is chat where the model brings a template. Raises `ModelError` for chat without one.

    say: is told where a model whose name says that it is tuned to a template brings none.
    """
    has_template = template_of(directory) is not None
    if wanted == "chat" and not has_template:
        raise ModelError(f"LLM '{name}' has no chat template; write prompt: plain")
    if wanted == "auto" and not has_template and looks_chatty(source := origin(directory)):
        say(
            f"LLM '{name}' ({source}) brings no chat template although its name says that it was tuned to one: its "
            "prompts are plain. If a template is missing from the copy, add its chat_template.jinja; to be asked no "
            "more, write prompt: plain"
        )
    return ("chat" if has_template else "plain") if wanted == "auto" else wanted


def wording(style: Style, task: Task, item: Item) -> str:
    """Digest of everything a prompt says but the content: instruction, shots, options, cue.

    A chat template's own words are in the LLM's identity (`identify`); the day that it is told is here.
    """
    plain = task.form.plain(item, task.shots)
    said = [plain.before, plain.after] if style == "plain" else [*task.form.chat(item), TODAY.isoformat()]
    return digest_of([style, *said, plain.labels, plain.continuations])


def render(backbone: Backbone, style: Style, task: Task, item: Item) -> Rendered:
    """The prompt of an item. Content, when text, follows with one space before it (see `spoken_text`)."""
    plain = task.form.plain(item, task.shots)
    if style == "plain":
        before, after, stop = plain.before, plain.after, "\n"
    else:
        heard, ask, cue = task.form.chat(item)
        text = chat(backbone.tokenizer, f"{heard} {_SPOKEN}{ask}")
        before, _, after = text.partition(f" {_SPOKEN}")
        after, stop = after + cue, None
    return Rendered(
        before=tuple(backbone.encode(before, start=style == "plain")),
        after=tuple(backbone.encode(after)),
        continuations=tuple(tuple(backbone.encode(c)) for c in plain.continuations),
        stop=stop,
    )


def spoken_text(text: str) -> str:
    """Content as it stands in a prompt: one line, single spaces, one space before it."""
    return " " + " ".join(text.split())
