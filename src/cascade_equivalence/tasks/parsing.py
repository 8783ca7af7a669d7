"""From what an arm said to a label: the parsing ladder, and the alias match of open answers."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Sequence

from cascade_equivalence.tasks.item import Choice

INVALID = "INVALID"
"""An answer that names no label. Wrong in accuracy, a category of its own in agreement, counted in reports."""

_ARTICLES = re.compile(r"\b(a|an|the)\b")


def parse_label(answer: str, choices: Sequence[Choice]) -> str:
    """JSON → exact → prefix → longest label contained → INVALID.

    Compares without case and outer punctuation, by label or by the choice's text. Two different labels of
    the same length contained in an answer leave it INVALID: never guessed.
    """
    names = {_plain(name): c.label for c in choices for name in (c.text, c.label)}
    said = _plain(_from_json(answer))
    if said in names:
        return names[said]
    by_length = sorted(names, key=len, reverse=True)
    for name in by_length:
        if re.match(rf"{re.escape(name)}(?!\w)", said):
            return names[name]
    # A single letter inside a sentence ("a", "I") is a word far more often than an option.
    found = [n for n in by_length if len(n) > 1 and re.search(rf"(?<!\w){re.escape(n)}(?!\w)", said)]
    longest = {names[n] for n in found if len(n) == len(found[0])}
    return longest.pop() if len(longest) == 1 else INVALID


def parse_open(answer: str) -> str:
    """The first line of a free answer, or INVALID if there is none."""
    lines = [line.strip() for line in _from_json(answer).strip().splitlines() if line.strip()]
    return lines[0] if lines else INVALID


def matches_alias(answer: str, accepted: Sequence[str]) -> bool:
    """TriviaQA's exact match: equality after lower-casing and removing articles and punctuation (Joshi et al. 2017)."""
    said = normalise_answer(answer)
    return bool(said) and any(said == normalise_answer(alias) for alias in accepted)


def normalise_answer(text: str) -> str:
    """Lower case, no punctuation, no articles, single spaces."""
    bare = "".join(" " if c in string.punctuation + "‘’´`_" else c for c in text.lower())
    return " ".join(_ARTICLES.sub(" ", bare).split())


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).strip(string.punctuation + " ")


def _from_json(answer: str) -> str:
    text = answer.strip().removeprefix("```json").removeprefix("```").removesuffix("```").strip()
    if not text.startswith(("{", '"', "[")):
        return answer
    try:
        value = json.loads(text)
    except ValueError:
        return answer
    while isinstance(value, dict | list) and len(value) == 1:
        value = next(iter(value.values())) if isinstance(value, dict) else value[0]
    if isinstance(value, dict):
        value = next((v for k, v in value.items() if k.lower() in {"answer", "label"}), answer)
    return value if isinstance(value, str) else str(value) if isinstance(value, int | float) else answer
