"""Latency of single items: what batches hide and cannot be recovered from them later."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from cascade_equivalence.audio.store import ClipStore
from cascade_equivalence.run.clips import Clips
from cascade_equivalence.run.journal import Journal
from cascade_equivalence.run.models import Models
from cascade_equivalence.run.plan import ArmPlan, Plan, Trial
from cascade_equivalence.systems.arms import SpeechArm
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
    system, mode = models.arm(arm), plan.mode(task)
    measured = []
    for trial in trials:
        stages: dict[str, float] = {}
        clock = _Clock(stages)
        content = trial.item.text or ""
        if arm.hears:
            row = clips[task.name, trial.item.id, trial.condition.name]
            clip = store.get(row.sha256)
            stages["audio"] = row.seconds
        if isinstance(system, SpeechArm):
            # What was heard before is kept and would be had for nothing.
            models.forget()
            with clock("hear"):
                heard = system.speech.hear([clip])
            with clock("answer"):
                system.answer(task, [trial.item], heard, mode)
        else:
            if arm.asr:
                with clock("asr"):
                    content = models.asr(arm.asr).transcribe([clip])[0].text
            with clock("llm"):
                system.reply(task, [trial.item], [content], mode)
        measured.append(stages)
    return measured


@dataclass(frozen=True, slots=True)
class _Clock:
    stages: dict[str, float]

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.stages[stage] = time.perf_counter() - start
