"""Comparisons: two arms on a task and condition, with the ceiling they are held against and the verdict."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cascade_equivalence.agreement import (
    GoldArm,
    PairAgreement,
    Verdict,
    family,
    verdict,
)
from cascade_equivalence.run.layout import GOLD_CONDITION
from cascade_equivalence.study.arms import Arm, matched, pairs_of
from cascade_equivalence.study.cells import Cell
from cascade_equivalence.study.conditions import is_control
from cascade_equivalence.study.groups import Cells, Group, groups_of
from cascade_equivalence.study.records import StudyRecord, TaskRecord


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two arms on one task (or POOLED) and condition.

    ceiling: two cascades on one LLM. family: a speech LLM against a cascade on its own language model; the verdicts of
    these are adjusted for their number. reference: the ceiling it was held against, (left, right, κ).
    """

    task: str
    condition: str
    left: str
    right: str
    ceiling: bool
    pair: PairAgreement
    verdict: Verdict
    closed: bool
    family: bool = False
    reference: tuple[str, str, float] | None = None


def compare_arms(
    study: StudyRecord,
    tasks: Sequence[TaskRecord],
    arms: tuple[Arm, ...],
    cells: Cells,
    withheld: Container[str] = (),
) -> tuple[Comparison, ...]:
    """All comparisons of a study but those with an arm that is `withheld`; none under controls.

    Without its own sound an item tells nothing about two arms that both hear: `study.noise` has the controls.
    """
    golds = [arm.name for arm in arms if arm.kind == "gold"]
    heard = [arm for arm in arms if arm.name not in withheld]
    pairs = [pair for pair in pairs_of(study.comparisons, arms) if pair[0] in heard and pair[1] in heard]

    def pair_of(group: Group, condition: str, left: Arm, right: Arm) -> PairAgreement | None:
        return cells.pair(group, *(cells.of(group, condition, arm.name) for arm in (left, right)))

    made: list[Comparison] = []
    for group in groups_of(tasks):
        read = cells.of(group, GOLD_CONDITION, golds[0]) if golds else None
        gold_arm = _gold_arm(group, read) if read else None
        for left, right in pairs:
            for condition in group.conditions:
                pair = None if is_control(condition) else pair_of(group, condition, left, right)
                if pair is None:
                    continue
                held = "speech" in (left.kind, right.kind) and "gold" not in (left.kind, right.kind)
                top = _ceiling(left, right, heard) if held else None
                roof = pair_of(group, condition, *top) if top else None
                made.append(
                    Comparison(
                        task=group.name,
                        condition=condition,
                        left=left.name,
                        right=right.name,
                        ceiling=left.kind == right.kind == "cascade" and matched(left, right),
                        pair=pair,
                        verdict=verdict(pair, _held_against(pair, roof), gold_arm=gold_arm),
                        closed=not any(t.open for t in group.tasks),
                        family=(left.kind, right.kind) == ("speech", "cascade") and matched(left, right),
                        reference=_reference(top, roof),
                    )
                )
    return _adjusted(made)


def _ceiling(left: Arm, right: Arm, arms: Sequence[Arm]) -> tuple[Arm, Arm] | None:
    """The first two cascades on the language model of the speech LLM of a pair."""
    speech = left if left.kind == "speech" else right
    cascades = [arm for arm in arms if arm.kind == "cascade" and matched(arm, speech)]
    return (cascades[0], cascades[1]) if len(cascades) > 1 else None


def _held_against(pair: PairAgreement, ceiling: PairAgreement | None) -> PairAgreement | float | None:
    """The ceiling as the rule takes it: paired on the same items; in an unfinished run, on others, a number."""
    if ceiling is None or ceiling.kappa.value is None:
        return None
    return ceiling if ceiling.replicates.token == pair.replicates.token else ceiling.kappa.value


def _reference(top: tuple[Arm, Arm] | None, roof: PairAgreement | None) -> tuple[str, str, float] | None:
    if top is None or roof is None or roof.kappa.value is None:
        return None
    return top[0].name, top[1].name, roof.kappa.value


def _adjusted(made: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """The comparisons with the verdicts of the family adjusted for their number (Benjamini–Hochberg)."""
    adjusted = iter(family([c.verdict for c in made if c.family]))
    return tuple(replace(c, verdict=next(adjusted)) if c.family else c for c in made)


def _gold_arm(group: Group, cells: list[Cell]) -> GoldArm | None:
    n = sum(cell.n for cell in cells)
    if not n or not all(task.has_gold for task in group.tasks):
        return None
    closed = [task for task in group.tasks if not task.open]
    sizes = [len(task.items) for task in closed]

    def weigh(values: list[float]) -> float:
        return float(np.average(values, weights=sizes)) if values else 0.0

    return GoldArm(
        correct=sum(int(cell.correct.sum()) for cell in cells),
        n=n,
        chance=weigh([task.chance or 0.0 for task in closed]),
        majority=weigh([task.majority or 0.0 for task in closed]),
    )
