"""Latency of single items: what batches hide and cannot be recovered from them later."""

from __future__ import annotations

import time
from collections.abc import Sequence

from cascade_equivalence.audio.store import ClipStore
from cascade_equivalence.run.answers import Clips
from cascade_equivalence.run.journal import Journal
from cascade_equivalence.run.models import Models
from cascade_equivalence.run.plan import ArmPlan, Plan, Trial
from cascade_equivalence.systems.arms import TextArm
from cascade_equivalence.tasks.task import Task

SAMPLES = 8


def sample_latency(plan: Plan, arm: ArmPlan, clips: Clips, journal: Journal, store: ClipStore, models: Models) -> None:
    """Answer up to eight trials of the first task one by one, after one warm-up, and keep the seconds by stage."""
    task = plan.tasks[0]
    trials = [trial for trial in plan.trials(task, arm) if trial.sound]
    if not trials:
        return
    step = max(1, len(trials) // SAMPLES)
    chosen = trials[::step][:SAMPLES]
    fact = f"latency:{plan.answer_key(arm, task, chosen[0])}"
    if journal.fact(fact) is not None:
        return
    _measure(plan, arm, task, chosen[:1], clips, store, models)
    journal.put_fact(
        fact,
        {
            "arm": arm.name,
            "task": task.name,
            "stages": _measure(plan, arm, task, chosen, clips, store, models),
        },
    )


def _measure(
    plan: Plan,
    arm: ArmPlan,
    task: Task,
    trials: Sequence[Trial],
    clips: Clips,
    store: ClipStore,
    models: Models,
) -> list[dict[str, float]]:
    text_arm = TextArm(arm.name, models.llm(arm.llm), arm.style, arm.asr)
    measured = []
    for trial in trials:
        stages: dict[str, float] = {}
        content = trial.item.text or ""
        if arm.asr:
            row = clips[task.name, trial.item.id, trial.condition.name]
            clip = store.get(row.sha256)
            start = time.perf_counter()
            content = models.asr(arm.asr).transcribe([clip])[0].text
            stages["asr"] = time.perf_counter() - start
            stages["audio"] = row.seconds
        start = time.perf_counter()
        text_arm.reply(task, [trial.item], [content], plan.mode(task))
        stages["llm"] = time.perf_counter() - start
        measured.append(stages)
    return measured
