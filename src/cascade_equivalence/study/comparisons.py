"""Comparisons: two arms on a task and condition, with the ceiling they are held against and the verdict."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from cascade_equivalence.agreement import (
    GoldArm,
    Interval,
    LabelShift,
    PairAgreement,
    Verdict,
    family,
    verdict,
)
from cascade_equivalence.run.layout import GOLD_CONDITION
from cascade_equivalence.study.arms import Arm, matched, pairs_of
from cascade_equivalence.study.cells import Cell
from cascade_equivalence.study.conditions import is_control
from cascade_equivalence.study.groups import POOLED, Cells, Group, groups_of
from cascade_equivalence.study.records import StudyRecord, TaskRecord


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two arms on one task (or POOLED) and condition.

    verdict: of speech LLMs against cascades and of pairs that the study names; None on references. ceiling: two
    cascades on one LLM. family: a speech LLM against a cascade on its own language model. primary: its verdict is one
    of those adjusted for their number. reference: the ceiling it was held against, (left, right, κ). shift: how much of
    what they differ in is a shift of labels, where there is a verdict. calibrations: κ under other calibrations of the
    label scores (`study.calibrations`), where it is primary.
    """

    task: str
    condition: str
    left: str
    right: str
    ceiling: bool
    pair: PairAgreement
    verdict: Verdict | None
    closed: bool
    family: bool = False
    primary: bool = False
    reference: tuple[str, str, float] | None = None
    shift: LabelShift | None = None
    calibrations: Mapping[str, Interval] = field(default_factory=dict)


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
    named = study.comparisons != "matched"
    groups = groups_of(tasks)
    primary = _primary(study, arms, groups)
    ceilings: dict[tuple[str, str, str, str], PairAgreement | None] = {}

    def pair_of(group: Group, condition: str, left: Arm, right: Arm) -> PairAgreement | None:
        return cells.pair(group, *(cells.of(group, condition, arm.name) for arm in (left, right)))

    made: list[Comparison] = []
    for group in groups:
        read = cells.of(group, GOLD_CONDITION, golds[0]) if golds else None
        gold_arm = _gold_arm(group, read) if read else None
        for left, right in pairs:
            for condition in group.conditions:
                pair = None if is_control(condition) else pair_of(group, condition, left, right)
                if pair is None:
                    continue
                said, top, roof, shift = None, None, None, None
                if _judged(left, right, named):
                    top = _other_cascade(left, right, [(a, cells.of(group, condition, a.name)) for a in heard])
                    if top is not None:
                        key = (group.name, condition, right.name, top.name)
                        if key not in ceilings:
                            ceilings[key] = pair_of(group, condition, right, top)
                        roof = ceilings[key]
                    sides = [a for a in (left, right, top) if a is not None]
                    shift = cells.shift(group, *(cells.of(group, condition, a.name) for a in (left, right)))
                    said = verdict(
                        pair,
                        _held_against(pair, roof),
                        gold_arm=gold_arm,
                        opaque=left.opaque or right.opaque,
                        interim=not all(_finished(cells.of(group, condition, a.name)) for a in sides),
                    )
                made.append(
                    Comparison(
                        task=group.name,
                        condition=condition,
                        left=left.name,
                        right=right.name,
                        ceiling=left.kind == right.kind == "cascade" and matched(left, right),
                        pair=pair,
                        verdict=said,
                        closed=not any(t.open for t in group.tasks),
                        family=(left.kind, right.kind) == ("speech", "cascade") and matched(left, right),
                        primary=(group.name, condition, left.name, right.name) in primary,
                        reference=_reference(right, top, roof),
                        shift=shift,
                    )
                )
    return _adjusted(made)


def _judged(left: Arm, right: Arm, named: bool) -> bool:
    """Whether a pair gets a verdict: a speech LLM against a cascade, or named by the study; gold is a reference."""
    return (left.kind, right.kind) == ("speech", "cascade") or (named and "gold" not in (left.kind, right.kind))


def _primary(study: StudyRecord, arms: Sequence[Arm], groups: Sequence[Group]) -> set[tuple[str, str, str, str]]:
    """(task, condition, left, right) of the verdicts that are adjusted for their number.

    Those that the study names as `primary`, or each speech LLM against the first cascade on its language model; on
    clean speech, with the tasks pooled where they are.
    """
    pairs: Sequence[tuple[str, str]] | None = study.primary
    if not pairs:
        cascades_of = {
            s.name: [c for c in arms if c.kind == "cascade" and (matched(s, c) or s.llm_key is None)]
            for s in arms
            if s.kind == "speech"
        }
        pairs = [(speech, cascades[0].name) for speech, cascades in cascades_of.items() if cascades]
    names = {name: arm.name for arm in arms for name in (arm.name, *arm.same)}
    pooled = [group for group in groups if group.name == POOLED] or groups
    heard = [(group, [c for c in group.conditions if not is_control(c)]) for group in pooled]
    return {
        (group.name, "clean" if "clean" in conditions else conditions[0], names[left], names[right])
        for group, conditions in heard
        for left, right in pairs
        if conditions and left in names and right in names
    }


def _other_cascade(left: Arm, right: Arm, cells: Sequence[tuple[Arm, list[Cell] | None]]) -> Arm | None:
    """The most accurate other cascade on the language model of the cascade `right`; without gold labels the first."""
    if right.kind != "cascade":
        return None
    others = [
        (sum(int(cell.correct.sum()) for cell in found) / max(1, sum(cell.n for cell in found)), arm)
        for arm, found in cells
        if found and arm.kind == "cascade" and arm not in (left, right) and matched(arm, right)
    ]
    return max(others, key=lambda other: other[0])[1] if others else None


def _finished(cells: Sequence[Cell] | None) -> bool:
    return all(cell.n == cell.wanted for cell in cells or ())


def _held_against(pair: PairAgreement, ceiling: PairAgreement | None) -> PairAgreement | float | None:
    """The ceiling as the rule takes it: paired on the same items; in an unfinished run, on others, a number."""
    if ceiling is None or ceiling.kappa.value is None:
        return ceiling
    return ceiling if ceiling.replicates.token == pair.replicates.token else ceiling.kappa.value


def _reference(right: Arm, top: Arm | None, roof: PairAgreement | None) -> tuple[str, str, float] | None:
    if top is None or roof is None or roof.kappa.value is None:
        return None
    return right.name, top.name, roof.kappa.value


def _adjusted(made: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """The comparisons with the primary verdicts adjusted for their number (Benjamini–Hochberg)."""
    adjusted = iter(family([c.verdict for c in made if c.primary and c.verdict is not None]))
    return tuple(replace(c, verdict=next(adjusted)) if c.primary and c.verdict is not None else c for c in made)


def gold_arms_of(tasks: Sequence[TaskRecord], arms: Sequence[Arm], cells: Cells) -> dict[str, GoldArm]:
    """Task → what the gold arm shows of it, where there is one and the task has gold labels."""
    golds = [arm.name for arm in arms if arm.kind == "gold"]
    read = {group.name: (group, cells.of(group, GOLD_CONDITION, golds[0])) for group in groups_of(tasks) if golds}
    found = {name: _gold_arm(group, here) for name, (group, here) in read.items() if here}
    return {name: arm for name, arm in found.items() if arm is not None}


def _gold_arm(group: Group, cells: list[Cell]) -> GoldArm | None:
    n = sum(cell.n for cell in cells)
    if not n or not all(task.has_gold for task in group.tasks):
        return None
    chance, majority = knowing_nothing(group.tasks)
    return GoldArm(sum(int(cell.correct.sum()) for cell in cells), n, chance, majority)


def knowing_nothing(tasks: Sequence[TaskRecord]) -> tuple[float, float]:
    """Accuracy by chance, and of always giving the most frequent label, over the items of the closed tasks; else 0."""
    closed = [task for task in tasks if not task.open]
    sizes = [len(task.items) for task in closed]

    def weigh(values: list[float]) -> float:
        return float(np.average(values, weights=sizes)) if values else 0.0

    return weigh([task.chance or 0.0 for task in closed]), weigh([task.majority or 0.0 for task in closed])
