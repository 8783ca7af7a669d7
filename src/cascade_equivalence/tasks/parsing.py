"""From what an arm said to a label: the parsing ladder, and the alias match of open answers."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

from cascade_equivalence.reading.answers import boxed, from_json, stated_name, without_thought
from cascade_equivalence.tasks.item import Choice

INVALID = "INVALID"
"""An answer that names no label. Wrong in accuracy, a category of its own in agreement, counted in reports."""

_ARTICLES = re.compile(r"\b(a|an|the)\b")


def parse_label(answer: str, choices: Sequence[Choice]) -> str:
    """The label that an answer states, by label or by the choice's text, or INVALID where that is unclear.

    Thinking is left out, JSON unpacked; the last stated answer counts, a negated one does not (`reading.answers`).
    """
    found = stated_name(answer, _names(choices))
    return INVALID if found is None else found


def _names(choices: Sequence[Choice]) -> dict[str, str]:
    """How each choice may be written → its label; a text that is another choice's label is neither's."""
    labels = {c.label for c in choices}
    texts = {c.text: c.label for c in choices if c.text == c.label or c.text not in labels}
    return {c.label: c.label for c in choices} | texts


def parse_open(answer: str) -> str:
    """The first line of a free answer without its thinking, or INVALID if there is none."""
    text = without_thought(from_json(answer))
    lines = [line.strip() for line in (boxed(text) or text).strip().splitlines() if line.strip()]
    return lines[0] if lines else INVALID


def matches_alias(answer: str, accepted: Sequence[str]) -> bool:
    """TriviaQA's exact match: equality after lower-casing and removing articles and punctuation (Joshi et al. 2017)."""
    said = normalise_answer(answer)
    return bool(said) and any(said == normalise_answer(alias) for alias in accepted)


def normalise_answer(text: str) -> str:
    """Lower case, no punctuation, no articles, single spaces."""
    bare = "".join(" " if c in string.punctuation + "‘’´`_" else c for c in text.lower())
    return " ".join(_ARTICLES.sub(" ", bare).split())
