"""What stands in a field of a prediction file, as a label: one rule for every format."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import UsageError

# How files write "no valid answer".
INVALID_WORDS = frozenset({"", "INVALID", "NaN", "nan"})


def label(value: Any, where: str) -> str | None:
    """A field's value as a label, or None for INVALID (null, "", "INVALID" or not-a-number).

    Numbers and text that mean the same label become the same text: 1, 1.0 and "1"; true and "true".
    Raises UsageError on lists of several entries and on objects.
    """
    if value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
        return None if text in INVALID_WORDS else text
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, Sequence) and len(value) == 1:
        return label(value[0], where)
    if isinstance(value, Sequence):
        raise UsageError(
            f"{where} is a list of {len(value)} entries, not one label; name the field to compare with "
            "--left-key / --right-key (a number picks an entry: resps.0)"
        )
    if isinstance(value, Mapping):
        inside = ", ".join(sorted(map(str, value))[:8])
        raise UsageError(f"{where} is an object, not a label; name one of its fields with a dotted key ({inside})")
    return label(str(value), where)


MISSING = object()


def field(row: Mapping[str, Any], dotted: str) -> Any:
    """The value at a dotted key (`pred.zero_shot`, `resps.0.0`), or MISSING. A literal key with dots wins."""
    if dotted in row:
        return row[dotted]
    if "." not in dotted:
        return MISSING
    at: Any = row
    for part in dotted.split("."):
        if isinstance(at, Mapping) and part in at:
            at = at[part]
        elif isinstance(at, list) and part.isdigit() and int(part) < len(at):
            at = at[int(part)]
        else:
            return MISSING
    return at


def keys(row: Mapping[str, Any], depth: int = 2) -> list[str]:
    """The dotted keys of a row, for messages that must name what there is."""
    out: list[str] = []
    for key, value in row.items():
        if isinstance(value, Mapping) and value and depth > 1:
            out += [f"{key}.{inner}" for inner in keys(value, depth - 1)]
        else:
            out.append(str(key))
    return out
