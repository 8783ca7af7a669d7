"""Option orders: what an arm answers when nothing changes but the order of the options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cascade_equivalence.agreement import Interval, PairAgreement, wilson
from cascade_equivalence.run.layout import GOLD_CONDITION
from cascade_equivalence.study.arms import Arm
from cascade_equivalence.study.cells import MISSING, Cell
from cascade_equivalence.study.groups import Cells, Group
from cascade_equivalence.study.records import TaskRecord


@dataclass(frozen=True, slots=True)
class Orders:
    """One arm on one task under several orders of its options.

    accuracies: name of the task in each order → accuracy, the task's own order first. same: share of items answered
    alike under all orders. lowest: the order that agrees least with the own one, with κ of the two (None where no κ is
    defined). n: items answered under all orders.
    """

    task: str
    condition: str
    arm: str
    n: int
    accuracies: Mapping[str, Interval]
    same: Interval
    lowest: tuple[str, Interval] | None

    @property
    def span(self) -> tuple[float, float] | None:
        """Lowest and highest accuracy over the orders; None without gold labels."""
        values = [a.value for a in self.accuracies.values() if a.value is not None]
        return (min(values), max(values)) if values else None


def orders_of(
    tasks: Sequence[TaskRecord],
    variants: Sequence[TaskRecord],
    arms: Sequence[Arm],
    cells: Cells,
    permuted: Mapping[tuple[str, str], Cell],
) -> tuple[Orders, ...]:
    """Every arm on every task that was asked in other orders too. permuted: (variant, arm) → its cell."""
    found = []
    for task in tasks:
        here = [v for v in variants if v.variant_of == task.name]
        for arm in arms if here else ():
            condition = here[0].conditions[0]
            group = Group(task.name, (task,), (condition,))
            own = cells.of(group, condition, arm.name)
            others = {v.name: permuted[v.name, arm.name] for v in here if (v.name, arm.name) in permuted}
            if own and others and (one := _orders(group, condition, arm, own[0], others, cells)):
                found.append(one)
    return tuple(found)


def _orders(
    group: Group, condition: str, arm: Arm, own: Cell, others: Mapping[str, Cell], cells: Cells
) -> Orders | None:
    labels = np.stack([own.labels, *(cell.labels for cell in others.values())])
    labels = labels[:, (labels != MISSING).all(axis=0)]
    n = labels.shape[1]
    if not n:
        return None
    pairs: dict[str, PairAgreement] = {}
    for name, cell in others.items():
        if pair := cells.pair(group, [own], [cell]):
            pairs[name] = pair
    defined = [(name, pair.kappa) for name, pair in pairs.items() if pair.kappa.value is not None]
    return Orders(
        task=group.name,
        condition=GOLD_CONDITION if not arm.hears else condition,
        arm=arm.name,
        n=n,
        accuracies={group.name: own.accuracy, **{name: cell.accuracy for name, cell in others.items()}},
        same=wilson(int((labels == labels[0]).all(axis=0).sum()), n),
        lowest=min(defined, key=lambda found: found[1].value or 0.0, default=None),
    )
