"""A first look: a few items of each task on every arm, before the run does all that it has to do."""

from __future__ import annotations

from collections.abc import Callable

from cascade_equivalence.run.plan import Plan
from cascade_equivalence.run.questions import Question
from cascade_equivalence.tasks.task import balanced

ITEMS = 12
"""Of each task."""
WORTH_S = 240.0
"""A run that is guessed to take less shows what it found soon enough."""

Shown = Callable[[Question], bool]


def glance(plan: Plan) -> Shown:
    """Which answers a first look is at: to a few items of each task, balanced over labels, on their sound as it is."""
    chosen = {
        (task.name, item.id) for task in plan.tasks if not task.variant_of for item in balanced(task.items, ITEMS)
    }
    return lambda question: not question.condition.steps and (question.task.name, question.item.id) in chosen
