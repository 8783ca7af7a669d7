"""Trials on which compared arms disagree."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cascade_equivalence.run.journal import AnswerRow, ReplyRow
from cascade_equivalence.run.layout import GOLD_CONDITION
from cascade_equivalence.study.comparisons import Comparison


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A trial on which two compared arms answered differently."""

    task: str
    condition: str
    item: str
    spoken: str | None
    gold: tuple[str, ...]
    arms: Mapping[str, tuple[str, str | None]]
    """Arm → (label, what its LLM read; None where it heard the audio itself)."""
    clip: str | None


def disagreements_of(
    tasks: list[Mapping[str, Any]],
    conditions: Sequence[str],
    wordless: Container[str],
    given: Mapping[str, Mapping[str, list[AnswerRow | None]]],
    replies: Mapping[str, ReplyRow],
    comparisons: tuple[Comparison, ...],
) -> tuple[Disagreement, ...]:
    """Trials on which any two compared arms differ, the mildest condition first.

    wordless: arms that read no words, so that there are none to show.
    """
    pairs = {(c.left, c.right) for c in comparisons}
    found = []
    for task in tasks:
        rows: dict[tuple[str, str], dict[str, AnswerRow]] = {}
        for arm, per in given.items():
            for row in per[task["name"]]:
                if row:
                    rows.setdefault((row.item, row.condition), {})[arm] = row
        for condition in conditions:
            for item in task["items"]:
                here = rows.get((item["id"], GOLD_CONDITION), {}) | rows.get((item["id"], condition), {})
                if not any(a in here and b in here and here[a].label != here[b].label for a, b in pairs):
                    continue
                found.append(
                    Disagreement(
                        task=task["name"],
                        condition=condition,
                        item=item["id"],
                        spoken=item["text"],
                        gold=tuple(item["accepted"]),
                        arms={
                            arm: (row.label, None if arm in wordless else replies[row.reply].content)
                            for arm, row in here.items()
                        },
                        clip=next((row.clip for row in here.values() if row.clip), None),
                    )
                )
    return tuple(found)
