"""One example of a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Choice:
    """A possible answer: the `label` statistics are computed on and the `text` a model sees."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Item:
    """One example: what is spoken (`text`, `audio` or both), what may be answered, and the gold label.

    `voice` speaks `text` where there is no `audio`. `accepted` holds every right answer (one label on closed tasks,
    aliases on open ones; empty without gold).
    `group` is the unit that items are clustered by in statistics, `fields` whatever else the manifest says.
    """

    id: str
    text: str | None
    audio: Path | None
    choices: tuple[Choice, ...]
    accepted: tuple[str, ...]
    question: str | None = None
    speaker: str | None = None
    voice: str | None = None
    group: str | None = None
    split: str = "test"
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str | None:
        """The gold label, or None where the manifest gives none."""
        return self.accepted[0] if self.accepted else None
