"""What the corpus tests share: the rows of the shipped manifests and how their words are counted."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import cascade_equivalence

CORPUS = Path(cascade_equivalence.__file__).parent / "tasks" / "corpus"
LABELLED = {"topic": 4, "sentiment": 2, "emotion": 7, "sarcasm": 2}
"""Tasks with one set of labels for all items, and how many there are."""
TASKS = [*LABELLED, "commonsense", "trivia"]
SPOKEN = [*TASKS, "rendering", "retest"]

_COMMON = frozenset(
    re.split(
        " ",
        "the a an of in on at to and or for with from by is are was were be been it its this that i you "
        "we he she they my your our his her their not no as but so if then than into over after before up "
        "down out about just have has had do did does will would can could there here what when who how "
        "which all more one new me him them us",
    )
)


@cache
def rows(name: str) -> list[dict[str, Any]]:
    text = (CORPUS / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def content(text: str) -> set[str]:
    return set(words(text)) - _COMMON
