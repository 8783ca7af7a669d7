"""JSON as strangers write it: a key named twice, lone surrogates and endless depth are errors, not surprises."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from ..errors import UsageError
from .terminal import short
from .text import lines

MOST_CONTAINERS = 4_000_000
"""Objects and lists of one JSON text: each is some 70 bytes of memory out of two or three of text."""
MOST_VALUES = 16_000_000
_LONG = 1 << 22

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse(text: str) -> Any:
    """The value of a JSON text. Raises ValueError that says what is wrong with it, in a few words."""
    return _whole(text, lambda: _DECODER.decode(text))


def parse_several(text: str) -> Iterator[Any]:
    """The values of several JSON texts one after the other, as `jq .` writes them. Raises ValueError."""
    at = _SPACE.match(text).end()  # type: ignore[union-attr]
    while at < len(text):
        value, at = _whole(text, lambda start=at: _DECODER.raw_decode(text, start))
        at = _SPACE.match(text, at).end()  # type: ignore[union-attr]
        yield value


def json_lines(stream: BinaryIO, name: str) -> Iterator[tuple[int, dict[str, Any] | ValueError]]:
    """The objects of a JSON-lines file with their line numbers, blank lines left out; a line that is no JSON as the
    error that it gives. Raises UsageError on a line that is JSON and no object.
    """
    for number, line in lines(stream, name):
        line = line.lstrip("\ufeff")  # files put together with `cat` have the mark in the middle
        if not line.strip():
            continue
        try:
            row = parse(line)
        except ValueError as error:
            yield number, error
            continue
        if not isinstance(row, dict):
            raise UsageError(f"{name}, line {number}: a JSON object is expected, not {type(row).__name__}")
        yield number, row


def _whole(text: str, decode: Any) -> Any:
    if len(text) > _LONG and (text.count("{") + text.count("[") > MOST_CONTAINERS or text.count(",") > MOST_VALUES):
        raise ValueError(f"over {MOST_CONTAINERS // 1_000_000} million objects and lists, which are not read")
    try:
        value = decode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if _SURROGATE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            found = error.object[error.start]
            raise ValueError(
                f"a lone surrogate (\\u{ord(found):04x}): text cut in the middle of a character; "
                "write the text again without it"
            ) from None
        except RecursionError:
            raise ValueError("nested too deeply") from None
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key '{short(twice)}' is there twice in one object")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)
_SPACE = re.compile(r"[ \t\r\n]*")
