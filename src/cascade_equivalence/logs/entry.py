"""One row of a table of predictions, whatever tool wrote it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..reading.values import MISSING

Row = Mapping[str, Any]


@dataclass(slots=True)
class Entry:
    """What one row says; MISSING where it says nothing."""

    id: Any
    prediction: Any
    gold: Any = MISSING
    group: Any = MISSING
    right: Any = MISSING


Reader = Callable[[int, Row], Entry]
"""Row number and row → entry."""
