"""Answers repeated under nuisances: other batches, a shift of 10 ms, another voice. Asked anew, never looked up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cascade_equivalence.audio.condition import Condition, Step
from cascade_equivalence.hashing import digest_of
from cascade_equivalence.run.answers import Labels
from cascade_equivalence.run.hearing import OTHER_BATCHES, PURPOSE
from cascade_equivalence.run.journal import ReplyRow
from cascade_equivalence.run.plan import RECIPE, ArmPlan, Plan, source_of
from cascade_equivalence.run.questions import Question, choose
from cascade_equivalence.systems.prompting import wording
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.manifest import read_manifest
from cascade_equivalence.tasks.task import Task, corpus_dir

SHIFT = Step("shift", None, (10.0,))


def reference(plan: Plan) -> Condition:
    """The condition under which answers are repeated: the study's first without any step, else its first."""
    return next((c for c in plan.conditions if not c.steps), plan.conditions[0])


def other_size(size: int) -> int:
    """Trials per batch where batches are to be others."""
    return 2 if size == 1 else max(1, size // 2 - 1)


def repeat_key(plan: Plan, arm: ArmPlan) -> str:
    """Fact under which an arm's repeated answers are kept."""
    trials = [
        (name, q.task.name, q.item.id, wording(arm.style, q.task, q.item), source_of(q.sound) if q.sound else "")
        for name, asked in repeat_questions(plan, arm).items()
        for q in asked
    ]
    made_of = [plan.arm_digest(arm), plan.calibration, reference(plan).name, plan.seed, trials]
    return f"retest:{digest_of([RECIPE, *made_of])}"


def repeat_questions(plan: Plan, arm: ArmPlan) -> dict[str, list[Question]]:
    """Nuisance → its questions. An arm that reads meets other batches alone; one that cannot be asked meets none."""
    if not plan.asks(arm):
        return {}
    here = reference(plan)
    chosen = choose(_tasks(plan), plan.sizes.repeats, PURPOSE)
    batch = [Question(arm, task, item, item if arm.hears else None, here, OTHER_BATCHES) for task, item in chosen]
    if not arm.hears:
        return {"batch": batch}
    later = Condition("+".join([*([here.name] if here.steps else []), "shift@10ms"]), (*here.steps, SHIFT))
    found = {"batch": batch, "shift": [Question(arm, task, item, item, later) for task, item in chosen]}
    if voices := _second_voices(plan):
        found["voice"] = [Question(arm, task, item, again, here) for task, item, again in voices]
    return found


def repeat_fact(plan: Plan, arm: ArmPlan, labels: Labels, replies: Mapping[str, ReplyRow]) -> dict[str, Any] | None:
    """What the report reads: (task, item, label) of each repeated answer by nuisance; None where one is missing."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    if not plan.asks(arm):
        return None
    for name, asked in repeat_questions(plan, arm).items():
        found[name] = []
        for question in asked:
            reply = replies.get(labels.stimuli.reply_key(question))
            if reply is None:
                return None
            found[name].append((question.task.name, question.item.id, labels.of(question, reply).label))
    return {"arm": arm.name, "condition": reference(plan).name, "nuisances": found}


def _tasks(plan: Plan) -> list[Task]:
    """The tasks that are run under the reference condition."""
    return [task for task in plan.tasks if reference(plan) in plan.conditions_of(task)]


def _second_voices(plan: Plan) -> list[tuple[Task, Item, Item]]:
    """Shipped items of the plan that a second voice has spoken too: (task, item, the same words again)."""
    shipped = {
        (task.name, item.id): (task, item)
        for task in _tasks(plan)
        for item in task.items
        if item.audio and item.audio.is_relative_to(corpus_dir())
    }
    if not shipped:
        return []
    again = read_manifest(corpus_dir() / "retest.jsonl")
    found = [(*pair, item) for item in again if (pair := shipped.get(("topic", str(item.fields["of"]))))]
    return found[: plan.sizes.repeats]
