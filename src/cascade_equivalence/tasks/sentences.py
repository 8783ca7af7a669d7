"""Sentences of our own that no task evaluates: for training connectors, and for fitting readers on plain text."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Literal


def own_sentences(part: Literal["first", "second"] = "first") -> list[str]:
    """The sentences written for training, each once: news, opinions, everyday talk and, in "second", knowledge."""
    texts = files("cascade_equivalence.tasks") / "texts" / part
    lines = [line for path in sorted(texts.iterdir(), key=lambda p: p.name) for line in _lines(path)]
    return list(dict.fromkeys(lines))


def _lines(path: Traversable) -> list[str]:
    return [" ".join(line.split()) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
