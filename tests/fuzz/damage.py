"""What is done to input: values that nobody expects, at any place of a document, and damage to bytes."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

DEEP = "@deep@"
"""Stands for a value that is nested 100,000 levels deep, which Python's own writer cannot write."""
ENDLESS = "@endless@"
"""Stands for a whole number of more digits than Python reads or writes."""
TWICE = "@twice@"
"""Key that stands for the one before it, named once more."""

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 1.0, 0.5, 2**63, -(2**63) - 1, ENDLESS, 1e308, float("nan"), float("inf"),
    float("-inf"), "", " ", "0", "1.0", "true", "NaN", "INVALID", "null", "no", "010", "1:30", "1e4", "\x00",
    "\x1b]0;owned\x07\x1b[31m", "\x9b31m", "a\u202eb", "e\u0301", "\ud83d", "\u2028", "²", "٣", "../../x",
    "/etc/passwd", "/dev/zero", "~/x", "<script>alert(1)</script>", "=1+1",
    "2031-02-30", "a" * 300, "b" * 100_000, [], [[]],
    [1, 2], ["a"], [None], {}, {"a": 1}, {"value": "C"}, {"id": "s1"}, [{"id": 1}], DEEP,
)  # fmt: skip

Change = tuple[str, int, Any]
"""What is done, at which node of the document (counted round), and with which value."""

_KINDS = ("set", "set", "set", "drop", "name", "again", "wrap", "twice", "empty")


def changes(most: int = 4) -> st.SearchStrategy[list[Change]]:
    """A few changes to a document."""
    return st.lists(st.tuples(st.sampled_from(_KINDS), st.integers(0, 400), st.sampled_from(VALUES)), max_size=most)


def changed(document: Any, done: Sequence[Change]) -> Any:
    """A copy of a JSON-like document with the changes in it."""
    root = {"root": copy.deepcopy(document)}
    for kind, at, value in done:
        places = list(_places(root))
        holder, key = places[at % len(places)]
        value = copy.deepcopy(value)
        if kind == "set":
            holder[key] = value
        elif kind == "wrap":
            holder[key] = [holder[key]]
        elif kind == "empty":
            holder[key] = type(holder[key])()
        elif holder is root:
            continue
        elif kind == "drop":
            del holder[key]
        elif kind == "again" and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        elif kind == "name" and isinstance(holder, dict):
            holder[value if isinstance(value, str) else json.dumps(value)] = holder.pop(key)
        elif kind == "twice" and isinstance(holder, dict):
            holder[TWICE + str(key)] = value
    return root["root"]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield value, key
            yield from _places(one)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield value, index
            yield from _places(one)


def as_json(value: Any, indent: int | None = None) -> bytes:
    """A changed document as JSON (NaN, lone surrogates, keys named twice and endless depth included)."""
    text = json.dumps(value, indent=indent).replace(TWICE, "")
    text = text.replace(json.dumps(DEEP), "[" * 100_000 + "]" * 100_000)
    return text.replace(json.dumps(ENDLESS), "9" * 5000).encode()


Harm = tuple[str, int, int]

_HARMS = ("flip", "flip", "byte", "cut", "head", "zero", "insert", "repeat")
_STUFFED = (
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xf0\x9f",
    b"\n",
    b"\r",
    b"\xe2\x80\xa8",
    b'"',
    b"[" * 5000,
    b"\xff" * 8,
)


def harms(most: int = 4) -> st.SearchStrategy[list[Harm]]:
    """Some damage to bytes; often at the start, where headers are, or nowhere at all."""
    place = st.one_of(st.integers(0, 64), st.integers(0, 1 << 20))
    one = st.tuples(st.sampled_from(_HARMS), place, st.integers(0, 255))
    return st.one_of(st.just([]), st.lists(one, max_size=most))


def harmed(data: bytes, done: Sequence[Harm]) -> bytes:
    """The bytes with the damage done."""
    found = bytearray(data)
    for kind, place, value in done:
        if not found:
            break
        at = place % len(found)
        if kind == "flip":
            found[at] ^= 1 << value % 8
        elif kind == "byte":
            found[at] = value
        elif kind == "cut":
            del found[at:]
        elif kind == "head":
            del found[:at]
        elif kind == "zero":
            found[at : at + 16 * value] = bytes(len(found[at : at + 16 * value]))
        elif kind == "insert":
            found[at:at] = _STUFFED[value % len(_STUFFED)]
        else:
            found[at:at] = found[at : at + 64]
    return bytes(found)


def one_of(**made: Callable[[], Any]) -> st.SearchStrategy[tuple[str, Any]]:
    """The name and the value of one of several makers."""
    return st.sampled_from(sorted(made)).map(lambda name: (name, made[name]()))
