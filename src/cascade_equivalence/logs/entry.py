"""One row of a table of predictions, whatever tool wrote it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..reading.values import MISSING, field

Row = Mapping[str, Any]

ROW_NUMBER = "#"
"""The id key that stands for the row's number: 1, 2, … whatever the format."""


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


def id_of(number: int, row: Row, key: str) -> Any:
    """A row's field of that (dotted) name, or its number; MISSING where there is none."""
    return number if key == ROW_NUMBER and key not in row else field(row, key)
