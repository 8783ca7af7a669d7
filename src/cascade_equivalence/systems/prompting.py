"""Prompts as a given LLM takes them: plain few-shot text, or its own chat template."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems.backbone import Backbone
from cascade_equivalence.systems.identity import digest_of
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.task import Task

Style = Literal["plain", "chat"]

_SPOKEN = "\u2063spoken\u2063"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt in tokens, split where the content goes: `before` + content + `after` + one of `continuations`."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    continuations: tuple[tuple[int, ...], ...]
    stop: str | None


def style_of(name: str, directory: Path, wanted: Literal["auto", "plain", "chat"]) -> Style:
    """`auto` is chat where the model brings a template. Raises `ModelError` for chat without one."""
    config = directory / "tokenizer_config.json"
    has_template = (directory / "chat_template.jinja").is_file() or (
        config.is_file() and "chat_template" in json.loads(config.read_text(encoding="utf-8"))
    )
    if wanted == "chat" and not has_template:
        raise ModelError(f"LLM '{name}' has no chat template; write prompt: plain")
    return ("chat" if has_template else "plain") if wanted == "auto" else wanted


def wording(style: Style, task: Task, item: Item) -> str:
    """Digest of everything a prompt says but the content: instruction, shots, options, cue."""
    plain = task.form.plain(item, task.shots)
    said = [plain.before, plain.after] if style == "plain" else list(task.form.chat(item))
    return digest_of([style, *said, plain.labels, plain.continuations])


def render(backbone: Backbone, style: Style, task: Task, item: Item) -> Rendered:
    """The prompt of an item. Content, when text, follows with one space before it (see `spoken_text`)."""
    plain = task.form.plain(item, task.shots)
    if style == "plain":
        before, after, stop = plain.before, plain.after, "\n"
    else:
        heard, ask, cue = task.form.chat(item)
        message = [{"role": "user", "content": f"{heard} {_SPOKEN}{ask}"}]
        text = backbone.tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)
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
