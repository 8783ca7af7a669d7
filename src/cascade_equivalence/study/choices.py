"""Which system to build, condition by condition: accuracies of all systems on the same items, costs, and the choice."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

from cascade_equivalence.agreement import Interval, wilson
from cascade_equivalence.agreement.choice import Choice, choose
from cascade_equivalence.run.layout import GOLD_CONDITION
from cascade_equivalence.study.arms import Arm
from cascade_equivalence.study.conditions import CLEAN, is_control, level_of
from cascade_equivalence.study.groups import POOLED, Cells, Group, answered, correct, groups_of
from cascade_equivalence.study.latency import Cost
from cascade_equivalence.study.records import StudyRecord, TaskRecord

Shares = tuple[tuple[str, Interval], ...]


@dataclass(frozen=True, slots=True)
class Column:
    """The systems on one group of tasks under one condition. tasks: what the group holds. n: items that all of them
    have answered. accuracies: system → its own on these, and the gold arm's. choice: None where nothing can be chosen.
    """

    group: str
    tasks: tuple[str, ...]
    condition: str
    n: int
    accuracies: Shares
    choice: Choice | None

    def accuracy(self, arm: str) -> Interval | None:
        """Of one system; None where it was not run there."""
        return dict(self.accuracies).get(arm)


def head_group(tasks: Sequence[TaskRecord]) -> Group:
    """What the head of a report speaks of: the pool, else the first task that words can solve, else the first."""
    groups = groups_of(tasks)
    return next((g for g in groups if g.name == POOLED), None) or next(
        (g for g in groups if all(task.pools for task in g.tasks)), groups[0]
    )


def noise_column(tasks: Sequence[TaskRecord]) -> tuple[Group, str] | None:
    """The hardest level of the study's first noise, with the widest group that met it; None without noise."""
    groups = groups_of(tasks)
    head = head_group(tasks)
    heard = [c for task in tasks for c in task.conditions if c != CLEAN and not is_control(c)]
    levels = [(c, level_of(c)) for c in dict.fromkeys(heard)]
    kinds = [found[0] for _, found in levels if found]
    if kinds:
        same = [(found[1], c) for c, found in levels if found and found[0] == kinds[0]]
        chosen = min(same)[1]
    elif heard:
        chosen = heard[0]
    else:
        return None
    if chosen in head.conditions:
        return head, chosen
    there = [group for group in groups if chosen in group.conditions]
    part = tuple(task for group in there for task in group.tasks if len(group.tasks) == 1 and task.pools)
    if len(part) > 1:
        return Group(POOLED, part, (chosen,)), chosen
    return (Group(part[0].name, part, (chosen,)), chosen) if part else (there[0], chosen)


def columns_of(
    study: StudyRecord,
    tasks: Sequence[TaskRecord],
    arms: Sequence[Arm],
    cells: Cells,
    costs: Sequence[Cost],
    withheld: Container[str] = (),
) -> tuple[Column, ...]:
    """The head's group on clean speech (or its first condition), and the study's noise where it has any."""
    head = head_group(tasks)
    heard = [c for c in head.conditions if not is_control(c)]
    wanted = [(head, CLEAN if CLEAN in heard else heard[0])] if heard else []
    if (noisy := noise_column(tasks)) and noisy not in wanted:
        wanted.append(noisy)
    return tuple(
        column
        for group, condition in wanted
        if (column := _column(study, group, condition, arms, cells, costs, withheld))
    )


def _column(
    study: StudyRecord,
    group: Group,
    condition: str,
    arms: Sequence[Arm],
    cells: Cells,
    costs: Sequence[Cost],
    withheld: Container[str],
) -> Column | None:
    sides = [(arm, cells.of(group, condition if arm.hears else GOLD_CONDITION, arm.name)) for arm in arms]
    begun = [(arm, here) for arm, here in sides if here and any(cell.n for cell in here)]
    kept = answered(*(here for _, here in begun)) if begun else []
    if not kept or not all(task.has_gold for task in group.tasks):
        return None
    right = [(arm, correct(here, kept)) for arm, here in begun]
    n = sum(int(keep.sum()) for keep in kept)
    systems = {arm.name: values for arm, values in right if arm.hears and not arm.planted and arm.name not in withheld}
    clusters = cells.clusters(group, kept)
    cost = {c.arm: c.price if c.price is not None else c.mean for c in costs}
    return Column(
        group=group.name,
        tasks=tuple(task.name for task in group.tasks),
        condition=condition,
        n=n,
        accuracies=tuple((arm.name, wilson(int(values.sum()), n)) for arm, values in right),
        choice=choose(systems, cost, study.margin, clusters) if len(systems) > 1 else None,
    )
