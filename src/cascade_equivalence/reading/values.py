"""Ids, labels and grades as values of any format: one rule for JSON, CSV, Parquet, logs and manifests."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from ..errors import UsageError
from .terminal import short

INVALID_WORDS = frozenset({"", "INVALID", "NaN", "nan", "<NA>", "NaT"})
"""How files write "no valid answer"."""

MISSING = object()
"""What `field` finds where there is no such field; None is a value that says "nothing"."""

# Outer space, the marks and fillers that are not seen included.
_OUTER = " \t\r\n\f\v\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff\u200b\u2060" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_WHOLE = re.compile(r"-?\d+\.0+")
_TRUTH = {"true": True, "false": False}
_RIGHT = frozenset({"true", "1", "C", "c", "correct", "right"})
_WRONG = frozenset({"false", "0", "I", "i", "incorrect", "wrong"})
_NOTHING_SAID = frozenset({"N", "n"})


def label(value: Any, where: str) -> str | None:
    """A field's value as a label or an id, or None for INVALID (null, "", "INVALID" or not-a-number).

    Values that mean the same become the same text: 1, 1.0, "1" and "1.0"; true, "true" and "True"; bytes and the
    text in them; Unicode in NFC, without outer space.
    Raises UsageError on lists of several entries, on objects and on bytes that are no UTF-8 text.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return text_label(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, Decimal):
        if not value.is_finite():
            return None
        return text_label(format(value.normalize(), "f") if abs(value.adjusted()) < 30 else str(value))
    if isinstance(value, bytes | bytearray | memoryview):
        try:
            return text_label(bytes(value).decode("utf-8"))
        except UnicodeDecodeError:
            raise UsageError(f"{where} is binary data, not a label") from None
    if isinstance(value, Sequence) and len(value) == 1:
        return label(value[0], where)
    if isinstance(value, Sequence):
        raise UsageError(
            f"{where} is a list of {len(value)} entries, not one label; name the field to compare with "
            "--left-key / --right-key (a number picks an entry: resps.0)"
        )
    if isinstance(value, Mapping):
        inside = ", ".join(short(key, 40) for key in sorted(map(str, value))[:8])
        raise UsageError(f"{where} is an object, not a label; name one of its fields with a dotted key ({inside})")
    return text_label(str(value))


def text_label(text: str) -> str | None:
    """`label` of a text."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    text = text.strip(_OUTER)
    if text in INVALID_WORDS:
        return None
    if text[-1] == "0" and _WHOLE.fullmatch(text):
        whole = text.partition(".")[0]
        return "0" if whole == "-0" else whole
    if text[-1] in "eE" and len(text) < 6 and (word := text.lower()) in _TRUTH:
        return word
    return text


def grade(value: Any) -> bool | None:
    """Right (True), wrong (False) or "no answer" (None), as tools write it: true, 1, 1.0, C, correct; I; N.

    Raises ValueError on anything else, partly right (P, 0.5) included.
    """
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    try:
        word = label(value, "")
    except UsageError:
        raise ValueError("no grade") from None
    if word is None or word in _NOTHING_SAID:
        return None
    if word in _RIGHT or word in _WRONG:
        return word in _RIGHT
    raise ValueError(word)


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
        elif isinstance(at, list) and part.isascii() and part.isdecimal() and len(part) < 10 and int(part) < len(at):
            at = at[int(part)]
        else:
            return MISSING
    return at


def keys(row: Any, depth: int = 2, most: int = 30) -> list[str]:
    """The dotted keys of a row, for messages that must name what there is; at most `most`; of a non-object none."""
    if not isinstance(row, Mapping):
        return []
    out: list[str] = []
    for key, value in row.items():
        if isinstance(value, Mapping) and value and depth > 1:
            out += [f"{short(key, 40)}.{inner}" for inner in keys(value, depth - 1, most)]
        else:
            out.append(short(key, 40))
        if len(out) > most:
            return [*out[:most], "…"]
    return out
