"""A first look: a few items of each task on every arm, before the run does all that it has to do."""

from __future__ import annotations

from dataclasses import replace

from cascade_equivalence.audio.condition import Condition
from cascade_equivalence.run.plan import Plan, Sizes
from cascade_equivalence.tasks.task import balanced

ITEMS = 20
"""Of each task."""
WORTH_S = 240.0
"""A run that is guessed to take less shows what it found soon enough."""


def glance(plan: Plan) -> Plan:
    """The plan narrowed to a few items of each task, on their own sound as it is, with nothing asked beside.

    What it asks, the plan asks too, under the same keys.
    """
    own: dict[str, tuple[Condition, ...]] = {
        task.name: tuple(condition for condition in plan.conditions_of(task) if not condition.steps)[:1]
        for task in plan.tasks
    }
    tasks = tuple(
        replace(task, items=balanced(task.items, ITEMS))
        for task in plan.tasks
        if own[task.name] and not task.variant_of
    )
    return replace(plan, tasks=tasks, own=own, sizes=Sizes(0, 0, 0), requests={})
