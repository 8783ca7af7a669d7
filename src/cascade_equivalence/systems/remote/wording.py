"""The words of a question to an endpoint: those of every arm, without a tokenizer."""

from __future__ import annotations

from typing import Any

from cascade_equivalence.audio.clip import Clip
from cascade_equivalence.systems.remote.wav import wav64
from cascade_equivalence.systems.system import Stimulus
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.task import Task


def one_line(text: str) -> str:
    """Content as it stands in a prompt, one space before it."""
    return " " + " ".join(text.split())


def user_text(task: Task, item: Item, text: str | None) -> str:
    """The user's message with the content read (None: nothing stands there)."""
    heard, ask, _ = task.form.chat(item)
    return f"{heard}{'' if text is None else one_line(text)}{ask}"


def user_content(task: Task, item: Item, given: Stimulus) -> str | list[dict[str, Any]]:
    """The content of the user's message: text, or text around the sound."""
    if not isinstance(given, Clip):
        return user_text(task, item, given)
    heard, ask, _ = task.form.chat(item)
    return [
        {"type": "text", "text": heard},
        {"type": "input_audio", "input_audio": {"data": wav64(given), "format": "wav"}},
        {"type": "text", "text": ask},
    ]


def plain_parts(task: Task, item: Item, text: str) -> tuple[str, str, str]:
    """The few-shot prompt in the pieces that a local model's is encoded by: before the content, content, after."""
    plain = task.form.plain(item, task.shots)
    return plain.before, one_line(text), plain.after


def plain_text(task: Task, item: Item, text: str) -> str:
    """The few-shot prompt."""
    return "".join(plain_parts(task, item, text))


def continuations(task: Task, item: Item) -> tuple[str, ...]:
    """The labels as they stand in the prompt, leading space included."""
    return task.form.plain(item, task.shots).continuations


def cue(task: Task, item: Item) -> str:
    """How the model's own turn begins, where it can be begun for it."""
    return task.form.chat(item)[2]
