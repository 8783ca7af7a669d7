"""How the language models of two arms relate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cascade_equivalence.systems.identity import fingerprint

Grade = Literal["identical", "LoRA-shifted", "fine-tuned", "different", "opaque"]


@dataclass(frozen=True, slots=True)
class Match:
    """The relation of two language models by their weights."""

    grade: Grade
    equal_share: float | None
    distance: float | None
    precision: str | None
    note: str


def match(left: Path, right: Path) -> Match:
    """Compare the language models in two directories."""
    if fingerprint(left) == fingerprint(right):
        return Match("identical", 1.0, 0.0, None, "the same tensors")
    return Match("different", None, None, None, "not the same tensors")
