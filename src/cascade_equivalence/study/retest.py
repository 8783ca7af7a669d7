"""Test–retest κ: an arm's agreement with itself when only nuisances change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cascade_equivalence.agreement import Interval, compare
from cascade_equivalence.run.journal import AnswerRow
from cascade_equivalence.run.layout import GOLD_CONDITION
from cascade_equivalence.study.arms import Arm
from cascade_equivalence.study.cells import judge

NUISANCES = {"batch": "another batch size", "shift": "a shift of 10 ms", "voice": "another voice"}


@dataclass(frozen=True, slots=True)
class Retest:
    """κ of an arm's answers with its own answers under one nuisance; `note` where κ is not defined."""

    arm: str
    nuisance: str
    condition: str
    n: int
    agreement: float
    kappa: Interval
    note: str | None


def retest(
    arm: Arm,
    repeated: Mapping[str, Any] | None,
    tasks: list[Mapping[str, Any]],
    given: Mapping[str, list[AnswerRow | None]],
    study: Mapping[str, Any],
) -> list[Retest]:
    """The test–retest κ of an arm from the fact that holds its repeated answers. given: task → its first answers."""
    found = []
    for nuisance, rows in (repeated or {}).get("nuisances", {}).items():
        condition = repeated["condition"] if repeated and arm.hears else GOLD_CONDITION
        by_name = {task["name"]: task for task in tasks}
        first = {
            (row.task, row.item): row.label
            for answers in given.values()
            for row in answers
            if row and row.condition == condition
        }
        items = {(task["name"], item["id"]): item for task in tasks for item in task["items"]}
        pairs = [
            (task, *(judge(by_name[task], items[task, item], said)[0] for said in (first[task, item], label)))
            for task, item, label in rows
            if (task, item) in first
        ]
        if pairs:
            found.append(_estimate(arm.name, nuisance, condition, pairs, by_name, study))
    return found


def _estimate(
    arm: str,
    nuisance: str,
    condition: str,
    pairs: list[tuple[str, int, int]],
    tasks: Mapping[str, Mapping[str, Any]],
    study: Mapping[str, Any],
) -> Retest:
    names = sorted({task for task, _, _ in pairs})
    pair = compare(
        np.array([left for _, left, _ in pairs]),
        np.array([right for _, _, right in pairs]),
        classes=max(2 if tasks[n]["kind"] == "open" else len(tasks[n]["labels"]) for n in names),
        strata=[names.index(task) for task, _, _ in pairs] if len(names) > 1 else None,
        resamples=study["resamples"],
        seed=study["seed"],
    )
    return Retest(arm, nuisance, condition, pair.n, pair.agreement, pair.kappa, pair.notes.get("kappa"))
