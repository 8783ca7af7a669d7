"""VoiceBench responses: `prompt`, `response`, `reference`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from ..reading.answers import stated_letter, stated_name
from ..reading.values import MISSING, field, text_label
from .entry import Entry, Reader, Row, id_of

_LETTERS = re.compile(r"\(?[A-J]\)?")
_MOST_CLASSES = 8


def is_voicebench(row: Row) -> bool:
    """Whether a row is one of its responses."""
    return "prompt" in row and "response" in row and "prediction" not in row


def voicebench(
    rows: Iterable[tuple[int, Row]], key: str | None, gold_key: str | None, id_key: str | None, notes: list[str]
) -> tuple[Reader, Iterable[tuple[int, Row]]]:
    """Rows without an id are told by their number and prompt.

    Where every reference is a letter, the stated letter is read from the response; where the references are a few
    words (yes, no), the stated one. A response that states none is INVALID (the tool itself draws a letter there).
    """
    kept = list(rows)
    references = [row.get("reference") for _, row in kept]
    words = [text_label(r) for r in references if isinstance(r, str)]
    known = [word for word in words if word]
    letters = len(known) == len(kept) and all(_LETTERS.fullmatch(word) for word in known)
    times = Counter(known)
    classes = (
        list(times)
        if not letters and len(known) == len(kept) and len(times) <= _MOST_CLASSES and min(times.values()) > 1
        else []
    )
    for pair in (["yes", "no"], ["true", "false"]):
        if classes and {c.lower() for c in classes} < set(pair):  # all references the same, the answers may be not
            classes = [*classes, *(word for word in pair if word not in {c.lower() for c in classes})]
    if letters:
        notes.append("responses to multiple choice: the stated letter is the label, else INVALID")
    elif classes:
        notes.append(f"the stated one of {', '.join(sorted(classes))} is the label, else INVALID")

    def entry(number: int, row: Row) -> Entry:
        chosen: Any = row.get("response", MISSING) if key is None else field(row, key)
        gold: Any = row.get("reference", MISSING) if gold_key is None else field(row, gold_key)
        if isinstance(chosen, str):
            if letters:
                chosen = stated_letter(chosen)
            elif classes:
                chosen = stated_name(chosen, {name: name for name in classes})
        if letters and isinstance(gold, str):
            gold = gold.strip().strip("()")
        name = id_of(number, row, id_key) if id_key else row.get("id", f"{number}: {row.get('prompt')}")
        return Entry(name, chosen, gold)

    return entry, kept
