"""What a file says, as it may reach a terminal: no control sequences, and never pages of it."""

from __future__ import annotations

import json
import re

MOST = 2000
"""Characters of a message."""
MOST_NAME = 80
"""Characters of an id, a label or a field's name inside a message."""

# Escape sequences begin with C0 or C1 controls; bidirectional controls turn the rest of a line around; lone
# surrogates cannot be written at all.
_CONTROLS = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_UNPRINTED = re.compile(f"[{_CONTROLS}]")
_UNPRINTED_IN_LINES = re.compile(f"(?!\n)[{_CONTROLS}]")


def plain(text: object) -> str:
    """One line of text with every control character shown as `?`."""
    return _UNPRINTED.sub("?", str(text))


def plain_lines(text: object) -> str:
    """The same for text of several lines, which stay."""
    return _UNPRINTED_IN_LINES.sub("?", str(text))


def message(text: object) -> str:
    """An error's text for the terminal: control characters as `?`, cut in the middle where it is very long."""
    whole = plain_lines(text)
    return whole if len(whole) <= MOST else f"{whole[: MOST // 2]} … {whole[-MOST // 2 :]}"


def short(name: object, most: int = MOST_NAME) -> str:
    """A name inside a message, cut where it is long."""
    text = plain(name)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def json_line(value: object) -> str:
    """One JSON object on one line, in which control characters are escapes. Raises ValueError on NaN and infinities."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return _UNPRINTED.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
