"""Same words, different sound: how far each arm's answers follow the sound where the words do not change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cascade_equivalence.agreement import Dependence, Interval, within_transcript
from cascade_equivalence.run.layout import GOLD_CONDITION
from cascade_equivalence.study.arms import Arm
from cascade_equivalence.study.cells import MISSING, gold_of
from cascade_equivalence.study.conditions import is_control
from cascade_equivalence.study.groups import Cells, Group
from cascade_equivalence.study.records import TaskRecord

FEWEST = 20
"""Items whose words are also spoken, by the same speaker, with another label: below, nothing is reported."""


@dataclass(frozen=True, slots=True)
class WordsHeld:
    """One arm on one task and condition, the words held constant.

    found: on the items that can tell. accuracy, n: on all items of the task. majority: accuracy of always giving the
    most frequent label of the words, the best that words alone can do there.
    """

    task: str
    condition: str
    arm: str
    n: int
    accuracy: Interval
    majority: float
    found: Dependence


def held_words(tasks: Sequence[TaskRecord], arms: Sequence[Arm], cells: Cells, seed: int) -> tuple[WordsHeld, ...]:
    """Every arm on every closed task in which equal words come with different labels, under what is heard."""
    found = []
    for task in tasks:
        gold = gold_of(task) if task.kind == "labels" else None
        texts = [item.text for item in task.items if item.text is not None]
        if gold is None or len(texts) < len(task.items):
            continue
        words = np.array([" ".join(text.casefold().split()) for text in texts])
        speaker = np.array([str(item.speaker) for item in task.items])
        if _can_tell(words, speaker, gold) < FEWEST:
            continue
        majority = sum(int(np.bincount(gold[words == text]).max()) for text in np.unique(words)) / len(words)
        group = Group(task.name, (task,), task.conditions)
        for arm in arms:
            for condition in group.conditions if arm.hears else [GOLD_CONDITION]:
                here = cells.of(group, condition, arm.name)
                if here is None or is_control(condition):
                    continue
                (cell,) = here
                there = cell.labels != MISSING
                if _can_tell(words[there], speaker[there], gold[there]) < FEWEST:
                    continue
                dependence = within_transcript(cell.labels[there], gold[there], words[there], speaker[there], seed=seed)
                found.append(WordsHeld(task.name, condition, arm.name, cell.n, cell.accuracy, majority, dependence))
    return tuple(found)


def _can_tell(words: np.ndarray[Any, Any], speaker: np.ndarray[Any, Any], gold: np.ndarray[Any, Any]) -> int:
    """How many items share words and speaker with one of another label."""
    labels: dict[tuple[str, str], list[int]] = {}
    for text, who, label in zip(words.tolist(), speaker.tolist(), gold.tolist(), strict=True):
        labels.setdefault((text, who), []).append(label)
    return sum(len(found) for found in labels.values() if len(set(found)) > 1)
