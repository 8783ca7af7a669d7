"""Questions for endpoints: a closed and an open task of numbered items, without any data."""

from __future__ import annotations

from typing import Any

import numpy as np

from cascade_equivalence.audio.clip import Clip
from cascade_equivalence.systems.remote.endpoint import Endpoint
from cascade_equivalence.systems.remote.patience import Patience
from cascade_equivalence.tasks.form import Form
from cascade_equivalence.tasks.item import Choice, Item
from cascade_equivalence.tasks.task import Task

LABELS = ("red", "green", "blue")
QUICK = Patience(first_s=0.01, longest_s=0.05)


def colours(count: int) -> Task:
    """Items that say `item N.`; N's label is its remainder by three."""
    form = Form("colours", "labels", True, "Which colour?", heard="Text:", asked="Colour:", max_new_tokens=8)
    choices = tuple(Choice(label, label) for label in LABELS)
    items = tuple(Item(f"c{n}", f"item {n}.", None, choices, (LABELS[n % 3],)) for n in range(count))
    return Task("colours", form, items, ())


def texts(task: Task) -> list[str]:
    return [item.text or "" for item in task.items]


def tone(seconds: float = 0.5, hertz: float = 440.0) -> Clip:
    time = np.arange(int(seconds * 16_000)) / 16_000
    return Clip((0.3 * np.sin(2 * np.pi * hertz * time)).astype(np.float32))


def endpoint(*urls: str, **settings: Any) -> Endpoint:
    """An OpenAI-compatible endpoint on these servers."""
    return Endpoint(
        **{"name": "x", "wire": "openai", "model": "served-model", "urls": urls, "timeout_s": 5.0, **settings}
    )
