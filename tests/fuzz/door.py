"""What a door is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st


@dataclass(frozen=True)
class Door:
    """cases: what comes in. enter: takes one of them through, in a room of its own; raises where it may not."""

    name: str
    cases: st.SearchStrategy[Any]
    enter: Callable[[Any, Path], None]
