"""How many processes a run without an accelerator is worth, where the study leaves it open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cascade_equivalence.run.forecast import gigabytes
from cascade_equivalence.run.plan import LocalModel, Plan, SpeechModel
from cascade_equivalence.run.workers import processors
from cascade_equivalence.study.executor import ExecutorSpec, Where
from cascade_equivalence.study.machine import memory_gb

WORTH_TRIALS = 1000
"""Below them processes would take longer to start than they save."""
MOST = 4
SHARE = 0.5
"""Of the machine's memory, for the weights of all processes."""


def spread(where: Where, plan: Plan, own: Mapping[str, Any] | None) -> Where:
    """Where a study's work is done. `auto` becomes one process of few threads for each processor, at most four, if all
    models are local, none is made in Python, the study has a thousand trials and the weights fit; else `here`.

    On processors several processes do more than one with as many threads (benchmarks/processor.py).
    """
    if where != "auto":
        return where
    local = [name for name, model in plan.models.items() if isinstance(model, LocalModel | SpeechModel)]
    workers = min(processors(), MOST)
    trials = sum(len(plan.trials(task, arm)) for task in plan.tasks for arm in plan.arms)
    if own or workers < 2 or trials < WORTH_TRIALS:
        return "here"
    if any(plan.identity(name).device != "cpu" for name in local):
        return "here"
    if workers * 2 * sum(gigabytes(plan, name) for name in local) > SHARE * memory_gb():
        return "here"
    return ExecutorSpec(workers=workers)
