"""Labels as anybody writes them, to the codes that the statistics take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

INVALID = -1
"""The label of an answer that could not be parsed. It is wrong, and a category of its own for κ."""
INVALID_WORDS = ("", "INVALID")

Ints = NDArray[np.int64]


def coded(left: ArrayLike, right: ArrayLike, gold: ArrayLike | None) -> tuple[Ints, Ints, Ints | None, int]:
    """Labels of any one kind (strings, whole numbers, truth values) as codes, and how many labels there are.

    The labels are those that occur, gold among them. None, "", "INVALID" and, among numbers, −1 are INVALID: an answer
    that could not be parsed, an item without gold. Raises ValueError where there is no label, or kinds are mixed.
    """
    sides = {"left": _values("left", left), "right": _values("right", right)}
    if gold is not None:
        sides["gold"] = _values("gold", gold)
    # "1" is no 1: labels of two kinds would never agree, in silence.
    there = {label for values in sides.values() for label in values if label is not None}
    if len(kinds := sorted({_kind(label) for label in there})) > 1:
        raise ValueError(f"labels are {' and '.join(kinds)}; write all of them in one way")
    if not there:
        raise ValueError("not one valid label: every answer is INVALID")
    number = {label: code for code, label in enumerate(sorted(there))}
    made = {name: np.array([number.get(v, INVALID) for v in values], np.int64) for name, values in sides.items()}
    return made["left"], made["right"], made.get("gold"), len(number)


def _values(name: str, values: ArrayLike) -> Sequence[Any]:
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise ValueError(f"{name} must be a list of labels, one an item, not {str(values)[:40]!r}")
    plain = [value.item() if isinstance(value, np.generic) else value for value in values]
    return [None if _invalid(value) else value for value in plain]


def _invalid(value: object) -> bool:
    if isinstance(value, str):
        return value in INVALID_WORDS
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value is None or (number and (value == INVALID or value != value))


def _kind(label: object) -> str:
    if isinstance(label, bool):
        return "truth values"
    if isinstance(label, int):
        return "numbers"
    if isinstance(label, str):
        return "strings"
    if isinstance(label, float) and label.is_integer():
        return "numbers"
    raise ValueError(
        f"a label is a string, a whole number or a truth value, not {type(label).__name__} ({label!r:.40})"
    )
