"""The embedded models, fetched and loaded once a test session."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from cascade_equivalence.systems.backbone import Backbone
from cascade_equivalence.systems.loading import Placement, locate
from cascade_equivalence.systems.whisper import Whisper


@cache
def directory(name: str) -> Path:
    return locate(name, print)


@cache
def backbone() -> Backbone:
    return Backbone.load("llm", directory("smollm2-135m"), Placement("cpu", "float32", 8))


@cache
def whisper(name: str = "whisper-tiny.en", dtype: str = "float32", padding: str = "stock") -> Whisper:
    return Whisper(name, directory(name), Placement("cpu", dtype, 8), padding)  # type: ignore[arg-type]
