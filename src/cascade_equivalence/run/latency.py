"""Latency of single requests: what batches hide and cannot be recovered from them later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cascade_equivalence.hashing import digest_of
from cascade_equivalence.run.journal import ReplyRow
from cascade_equivalence.run.plan import RECIPE, ArmPlan, Plan
from cascade_equivalence.run.questions import Question, Stimuli, choose
from cascade_equivalence.run.repeats import reference
from cascade_equivalence.systems.prompting import wording
from cascade_equivalence.tasks.task import Task

ONE_BY_ONE = "one by one"
WARM_UP = "warm-up"


def latency_questions(plan: Plan, arm: ArmPlan) -> list[Question]:
    """Trials answered one by one; the first of them once before, for its time alone is not that of the others.

    None of an arm that is not wholly here: a network's seconds are not a model's.
    """
    if not plan.here(arm):
        return []
    tasks = [task for task in plan.tasks if reference(plan) in plan.conditions_of(task) and _asked(task)]
    chosen = choose(tasks, plan.requests.get(arm.name, plan.sizes.latency), "latency")
    asked = [
        Question(arm, task, item, item if arm.hears else None, reference(plan), ONE_BY_ONE) for task, item in chosen
    ]
    warm_up = [Question(q.arm, q.task, q.item, q.sound, q.condition, WARM_UP) for q in asked[:1]]
    return [*warm_up, *asked]


def _asked(task: Task) -> bool:
    return task.variant_of is None


def latency_key(plan: Plan, arm: ArmPlan) -> str:
    """Fact under which an arm's seconds are kept."""
    trials = [(q.task.name, q.item.id, wording(arm.style, q.task, q.item)) for q in latency_questions(plan, arm)]
    return f"latency:{arm.name}:{digest_of([RECIPE, plan.arm_digest(arm), reference(plan).name, trials])}"


def latency_fact(plan: Plan, arm: ArmPlan, stimuli: Stimuli, replies: Mapping[str, ReplyRow]) -> dict[str, Any] | None:
    """What the report reads: seconds of each request by stage, and of its audio; None where one is missing."""
    stages, tasks = [], []
    for question in latency_questions(plan, arm):
        reply = replies.get(stimuli.reply_key(question))
        if reply is None:
            return None
        if question.anew == WARM_UP:
            continue
        clip, transcript = stimuli.clip(question), stimuli.transcript_key(question)
        seconds = {"audio": clip.seconds} if clip else {}
        match arm.kind:
            case "gold":
                seconds["llm"] = reply.compute_s
            case "cascade":
                seconds["asr"] = stimuli.transcripts[transcript].compute_s if transcript else 0.0
                seconds["llm"] = reply.compute_s
            case "speech":
                seconds["hear"] = reply.listened_s
                seconds["answer"] = reply.compute_s - reply.listened_s
        stages.append(seconds)
        tasks.append(question.task.name)
    return {"arm": arm.name, "task": tasks[0], "tasks": tasks, "stages": stages} if stages else None
