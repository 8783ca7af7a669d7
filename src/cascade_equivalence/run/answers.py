"""Answers: which batches are asked, what labels are calibrated on, and the label of every reply."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cascade_equivalence.errors import RunError
from cascade_equivalence.hashing import digest_of
from cascade_equivalence.run.batching import chunks
from cascade_equivalence.run.journal import AnswerRow, Journal, ReplyRow
from cascade_equivalence.run.plan import ArmPlan, Plan, Trial
from cascade_equivalence.run.questions import Question, Stimuli, of_calibration
from cascade_equivalence.run.work import Ask, Sound
from cascade_equivalence.systems.prompting import wording
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.judging import Judged, judge
from cascade_equivalence.tasks.task import Task

Offsets = tuple[float, ...] | None


def batches(questions: Sequence[Question], stimuli: Stimuli, size: int | None = None) -> list[Ask]:
    """Batches of the contents that questions need, each content once, those of like length together.

    They are cut from all questions, not from those without an answer, so a resumed run repeats exactly the batches
    that an undisturbed one makes. size: trials a batch, where it is not the model's own.
    """
    first: dict[str, Question] = {}
    for question in questions:
        first.setdefault(stimuli.reply_key(question), question)
    together: dict[tuple[str, str, str], list[tuple[str, Question]]] = {}
    for key, question in first.items():
        arm = question.arm
        together.setdefault((arm.answers, arm.style, question.task.name), []).append((key, question))
    made = []
    for (model, _, task), asked in together.items():
        asked.sort(key=lambda pair: _order(stimuli, *pair))
        for part in chunks(asked, size or stimuli.plan.models[model].batch_size):
            made.append(
                Ask(
                    model=model,
                    style=part[0][1].arm.style,
                    asker=part[0][1].arm.name,
                    task=task,
                    mode=stimuli.plan.mode(part[0][1].task),
                    items=tuple(q.item for _, q in part),
                    given=tuple(stimuli.given(q) for _, q in part),
                    keys=tuple(key for key, _ in part),
                    anew=bool(part[0][1].anew),
                )
            )
    return made


def _order(stimuli: Stimuli, key: str, question: Question) -> tuple[float, str]:
    given = stimuli.given(question)
    if isinstance(given, Sound):
        # Speech LLMs that share an encoder hear in the same batches, whichever of them comes first.
        return given.seconds, f"{given.sha256}{key}"
    return float(len(given or "")), key


@dataclass(frozen=True, slots=True)
class Labels:
    """What replies mean: labels, calibrated by the offsets of each (arm, task)."""

    stimuli: Stimuli
    offsets: Mapping[tuple[str, str], Offsets]

    def of(self, question: Question, reply: ReplyRow) -> Judged:
        """The label of a reply."""
        return judged(question.task, question.item, reply, self.offsets[question.arm.name, question.task.name])

    def answer(self, question: Question, trial: Trial, reply: ReplyRow) -> AnswerRow:
        """The answer of an arm on a trial."""
        plan, clip = self.stimuli.plan, self.stimuli.clip(question)
        found = self.of(question, reply)
        return AnswerRow(
            key=plan.answer_key(question.arm, question.task, trial),
            arm=question.arm.name,
            task=question.task.name,
            item=question.item.id,
            condition=trial.condition.name,
            replicate=0,
            mode=plan.mode(question.task),
            reply=reply.key,
            clip=clip.sha256 if clip else None,
            transcript=self.stimuli.transcript_key(question),
            label=found.label,
            tie=int(found.tie),
            raw_tie=int(found.raw_tie),
            note=found.note,
        )


def judged(task: Task, item: Item, reply: ReplyRow, offsets: Offsets) -> Judged:
    """The label of a journalled reply."""
    scores = None if reply.scores is None else json.loads(reply.scores)
    return judge(task, item, scores, reply.text, reply.ended, offsets)


def calibrated(plan: Plan, journal: Journal, arms: Iterable[ArmPlan]) -> dict[tuple[str, str], Offsets]:
    """(arm, task) → each label's mean score over what the arm is calibrated on; None where nothing is.

    Kept in the journal under `offset_key`. Raises `RunError` where a score is no finite number.
    """
    found: dict[tuple[str, str], Offsets] = {}
    for arm in arms:
        for task in plan.tasks:
            found[arm.name, task.name] = _offsets(plan, journal, arm, task)
    return found


def _offsets(plan: Plan, journal: Journal, arm: ArmPlan, task: Task) -> Offsets:
    questions = of_calibration(plan, arm, task)
    if not questions:
        return None
    key = offset_key(plan, arm, task)
    if (known := journal.fact(key)) is None:
        stimuli = Stimuli.of(plan, journal, questions)
        keys = [stimuli.reply_key(question) for question in questions]
        rows = journal.rows(ReplyRow, keys)
        if not all(k in rows for k in keys):
            return None
        scores = [json.loads(rows[k].scores or "[]") for k in keys]
        if any(not row or any(value is None for value in row) for row in scores):
            dtype = plan.identity(arm.answers).dtype
            raise RunError(
                f"task '{task.name}': label scores of the development items that '{arm.llm or arm.answers}' is "
                f"calibrated on are no finite numbers ({dtype}); use dtype: float32 or bfloat16"
            )
        known = [math.fsum(column) / len(scores) for column in zip(*scores, strict=True)]
        journal.put_fact(key, known)
    return tuple(known)


def offset_key(plan: Plan, arm: ArmPlan, task: Task) -> str:
    """Fact under which the calibration offsets of an arm on a task are kept: one per LLM and prompt, unless each arm is
    calibrated on what it hears itself."""
    calibration = [(item.id, item.text) for item in task.calibration]
    words = wording(arm.style, task, task.items[0])
    own = plan.calibration == "own" and arm.hears
    model = plan.arm_digest(arm) if own else plan.identity(arm.llm or arm.answers).digest()
    return f"offset:{digest_of([plan.calibration if own else 'shared', model, words, calibration])}"
