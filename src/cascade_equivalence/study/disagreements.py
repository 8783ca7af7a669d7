"""Trials on which compared arms disagree."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from cascade_equivalence.run.layout import GOLD_CONDITION
from cascade_equivalence.study.comparisons import Comparison
from cascade_equivalence.study.records import Answer, Given, TaskRecord


@dataclass(frozen=True, slots=True)
class Said:
    """An arm's answer on a trial. read: what its LLM read; None where it heard the audio itself. said: what it wrote,
    where answers are written; note: why the label is INVALID."""

    label: str
    read: str | None
    said: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A trial on which two compared arms answered differently."""

    task: str
    condition: str
    item: str
    spoken: str | None
    gold: tuple[str, ...]
    arms: Mapping[str, Said]
    right: Mapping[str, bool | None]
    """Arm → whether its answer is right; None without gold."""
    clip: str | None


def disagreements_of(
    tasks: Sequence[TaskRecord],
    conditions: Sequence[str],
    wordless: Container[str],
    given: Given,
    comparisons: tuple[Comparison, ...],
) -> tuple[Disagreement, ...]:
    """Trials on which any two compared arms differ, the mildest condition first.

    wordless: arms that read no words, so that there are none to show.
    """
    pairs = {(c.left, c.right) for c in comparisons}
    found = []
    for task in tasks:
        said: dict[tuple[str, str], dict[str, Answer]] = {}
        for arm, per in given.items():
            for answer in per[task.name]:
                if answer:
                    said.setdefault((answer.item, answer.condition), {})[arm] = answer
        for condition in conditions:
            for item in task.items:
                here = said.get((item.id, GOLD_CONDITION), {}) | said.get((item.id, condition), {})
                if not any(a in here and b in here and here[a].label != here[b].label for a, b in pairs):
                    continue
                found.append(
                    Disagreement(
                        task=task.name,
                        condition=condition,
                        item=item.id,
                        spoken=item.text,
                        gold=item.accepted,
                        arms={
                            arm: Said(answer.label, None if arm in wordless else answer.read, answer.said, answer.note)
                            for arm, answer in here.items()
                        },
                        right={arm: task.right(item, answer.label) for arm, answer in here.items()},
                        clip=next((answer.clip for answer in here.values() if answer.clip), None),
                    )
                )
    return tuple(found)
