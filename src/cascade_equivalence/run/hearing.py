"""The hearing check: a few trials on which each arm gets its audio, silence, another item's audio, and none.

What follows from the answers is decided in `study.hearing`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cascade_equivalence.audio.condition import Condition, Step
from cascade_equivalence.hashing import digest_of
from cascade_equivalence.run.answers import Labels
from cascade_equivalence.run.journal import ReplyRow
from cascade_equivalence.run.plan import CLEAN, RECIPE, ArmPlan, Plan, source_of
from cascade_equivalence.run.questions import Question, choose
from cascade_equivalence.systems.prompting import wording
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.task import Task

STIMULI = ("real", "again", "swap", "silence", "none")
"""`again` is the real audio in other batches: what moves there is rounding."""
SILENCE = Condition("silence", (Step("silence"),))
OTHER_BATCHES = "other batches"
"""What an answer is repeated for, here and among the repeated answers, which share it."""
PURPOSE = "repeats"


@dataclass(frozen=True, slots=True)
class HearingTrial:
    """An item and the one whose audio it is given in exchange, with another gold label where there is one."""

    task: Task
    item: Item
    other: Item


def hearing_trials(plan: Plan) -> list[HearingTrial]:
    """The trials, the same for every arm."""
    by_task: dict[str, list[tuple[Task, Item]]] = {}
    for task, item in choose(plan.tasks, plan.sizes.hearing, PURPOSE):
        by_task.setdefault(task.name, []).append((task, item))
    trials = []
    for chosen in by_task.values():
        for place, (task, item) in enumerate(chosen):
            others = [other for _, other in chosen[place + 1 :] + chosen[:place]]
            if others:
                trials.append(HearingTrial(task, item, next((o for o in others if o.label != item.label), others[0])))
    return trials


def hearing_key(plan: Plan, arm: ArmPlan) -> str:
    """Fact under which an arm's trials are kept."""
    trials = [
        (t.task.name, wording(arm.style, t.task, t.item), plan.mode(t.task), source_of(t.item), source_of(t.other))
        for t in hearing_trials(plan)
    ]
    return f"hearing:{digest_of([RECIPE, plan.arm_digest(arm), plan.calibration, trials])}"


def hearing_questions(plan: Plan, arm: ArmPlan) -> dict[str, list[Question]]:
    """Stimulus → its questions, one a trial; nothing for an arm that reads, or that cannot be asked."""
    if not arm.hears or not plan.asks(arm):
        return {}
    trials = hearing_trials(plan)
    return {
        "real": [Question(arm, t.task, t.item, t.item) for t in trials],
        "again": [Question(arm, t.task, t.item, t.item, CLEAN, OTHER_BATCHES) for t in trials],
        "swap": [Question(arm, t.task, t.item, t.other) for t in trials],
        "silence": [Question(arm, t.task, t.item, t.item, SILENCE) for t in trials],
        "none": [Question(arm, t.task, t.item, None) for t in trials],
    }


def hearing_fact(plan: Plan, arm: ArmPlan, labels: Labels, replies: Mapping[str, ReplyRow]) -> dict[str, Any] | None:
    """What the report reads: labels of each stimulus, and how far scores moved from the real audio's. None where a
    reply is missing, or there is no trial."""
    questions = hearing_questions(plan, arm)
    rows = {name: [replies.get(labels.stimuli.reply_key(q)) for q in asked] for name, asked in questions.items()}
    found = {name: [row for row in said if row] for name, said in rows.items()}
    if not rows or not rows["real"] or any(len(found[name]) < len(rows[name]) for name in rows):
        return None
    return {
        "arm": arm.name,
        "trials": [{"task": t.task.name, "item": t.item.id, "other": t.other.id} for t in hearing_trials(plan)],
        "labels": {
            name: [labels.of(q, row).label for q, row in zip(questions[name], found[name], strict=True)]
            for name in STIMULI
        },
        "moved": {
            name: [_distance(row, real) for row, real in zip(found[name], found["real"], strict=True)]
            for name in STIMULI[1:]
        },
    }


def _distance(left: ReplyRow, right: ReplyRow) -> float:
    """The largest difference of two replies' label scores; of texts, whether they differ."""
    if left.scores is None or right.scores is None:
        return float(left.text != right.text)
    pairs = zip(json.loads(left.scores), json.loads(right.scores), strict=True)
    return max((abs(a - b) for a, b in pairs if a is not None and b is not None), default=0.0)
