"""Answers of one arm: what each trial's content is, what the LLM says to it, which label that is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from cascade_equivalence.errors import RunError, UsageError
from cascade_equivalence.run.batching import chunks, halving
from cascade_equivalence.run.journal import AnswerRow, ClipRow, Journal, ReplyRow, TranscriptRow
from cascade_equivalence.run.models import Models
from cascade_equivalence.run.plan import ArmPlan, Plan, Trial
from cascade_equivalence.run.progress import Reporter
from cascade_equivalence.systems.arms import Reply, TextArm
from cascade_equivalence.tasks.parsing import parse_label, parse_open
from cascade_equivalence.tasks.task import Task

Clips = dict[tuple[str, str, str], ClipRow]


@dataclass(frozen=True, slots=True)
class _Question:
    """One trial with the content the LLM reads."""

    trial: Trial
    answer: str
    reply: str
    content: str
    clip: str | None
    transcript: str | None


def answer_arm(plan: Plan, arm: ArmPlan, clips: Clips, journal: Journal, models: Models, reporter: Reporter) -> None:
    """Answer every trial of an arm that the journal lacks."""
    keys = {task.name: [plan.answer_key(arm, task, t) for t in plan.trials(task, arm)] for task in plan.tasks}
    missing = {key for found in keys.values() for key in journal.missing(AnswerRow, found)}
    if not missing:
        return
    total = sum(len(found) for found in keys.values())
    with reporter.stage(f"answers: {arm.name}", total, total - len(missing)) as stage:
        for task in plan.tasks:
            if not missing.intersection(keys[task.name]):
                continue
            questions = _questions(plan, arm, task, keys[task.name], clips, journal)
            offsets = _offsets(plan, arm, task, journal, models)
            for batch in _batches(plan, arm, questions, journal):
                new = _ask(plan, arm, task, batch, journal, models)
                replies = journal.rows(ReplyRow, {q.reply for q in batch}) | {row.key: row for row in new}
                rows = [_answer(plan, arm, task, q, replies[q.reply], offsets) for q in batch if q.answer in missing]
                if rows:
                    journal.add(*new, *rows)
                stage.advance(len(rows))


def _questions(
    plan: Plan, arm: ArmPlan, task: Task, keys: Sequence[str], clips: Clips, journal: Journal
) -> list[_Question]:
    trials = plan.trials(task, arm)
    heard: dict[str, TranscriptRow] = {}
    if arm.asr:
        shas = {clips[task.name, trial.item.id, trial.condition.name].sha256 for trial in trials if trial.sound}
        heard = journal.rows(TranscriptRow, [plan.transcript_key(arm.asr, sha) for sha in sorted(shas)])
    questions = []
    for trial, key in zip(trials, keys, strict=True):
        if arm.asr is None:
            if trial.item.text is None:
                raise UsageError(f"item '{trial.item.id}' has no text, and arm '{arm.name}' reads the gold text")
            content, clip, transcript = trial.item.text, None, None
        elif trial.sound is None:
            content, clip, transcript = "", None, None
        else:
            clip = clips[task.name, trial.item.id, trial.condition.name].sha256
            transcript = plan.transcript_key(arm.asr, clip)
            content = heard[transcript].text
        questions.append(
            _Question(trial, key, plan.reply_key(arm, task, trial.item, content), content, clip, transcript)
        )
    return questions


def _batches(plan: Plan, arm: ArmPlan, questions: Sequence[_Question], journal: Journal) -> list[list[_Question]]:
    """Batches of the contents this arm is the first to ask about, by length; then all that others asked before.

    Which ones are "others'" does not depend on how far this arm has come, so the batches never do either.
    """
    asked = {key for key, row in journal.rows(ReplyRow, {q.reply for q in questions}).items() if row.asker != arm.name}
    own: dict[str, list[_Question]] = {}
    for question in questions:
        if question.reply not in asked:
            own.setdefault(question.reply, []).append(question)
    order = sorted(own.values(), key=lambda same: (len(same[0].content), same[0].reply))
    size = plan.models[arm.llm].placement.batch_size
    batches = [[q for same in part for q in same] for part in chunks(order, size)]
    known = [q for q in questions if q.reply in asked]
    return [*batches, *(list(part) for part in chunks(known, 500))]


def _ask(
    plan: Plan, arm: ArmPlan, task: Task, batch: Sequence[_Question], journal: Journal, models: Models
) -> list[ReplyRow]:
    """Replies to the batch's contents that the journal lacks."""
    unique = {q.reply: q for q in batch}
    missing = [unique[key] for key in journal.missing(ReplyRow, list(unique))]
    if not missing:
        return []
    text_arm = TextArm(arm.name, models.llm(arm.llm), arm.style, arm.asr)
    mode = plan.mode(task)

    def work(part: Sequence[_Question]) -> list[Reply]:
        return text_arm.reply(task, [q.trial.item for q in part], [q.content for q in part], mode)

    return [
        ReplyRow(
            question.reply,
            arm.name,
            question.content,
            None if reply.scores is None else json.dumps(reply.scores),
            reply.text,
            reply.tokens,
            seconds,
            size,
        )
        for question, (reply, seconds, size) in zip(missing, halving(work, missing), strict=True)
    ]


def _offsets(plan: Plan, arm: ArmPlan, task: Task, journal: Journal, models: Models) -> tuple[float, ...] | None:
    """Each label's mean score over the calibration items' gold text: one per LLM and prompt, for all arms."""
    if task.form.kind != "labels" or plan.mode(task) != "labels" or not task.calibration:
        return None
    key = plan.offset_key(arm, task)
    if (known := journal.fact(key)) is None:
        text_arm = TextArm(arm.name, models.llm(arm.llm), arm.style, None)
        scores = []
        for part in chunks(task.calibration, plan.models[arm.llm].placement.batch_size):
            contents = [item.text or "" for item in part]
            scores += [reply.scores or () for reply in text_arm.reply(task, part, contents, "labels")]
        known = [sum(column) / len(scores) for column in zip(*scores, strict=True)]
        journal.put_fact(key, known)
    return tuple(known)


def _answer(
    plan: Plan,
    arm: ArmPlan,
    task: Task,
    question: _Question,
    reply: ReplyRow,
    offsets: tuple[float, ...] | None,
) -> AnswerRow:
    item = question.trial.item
    tie = 0
    if reply.scores is not None:
        raw = json.loads(reply.scores)
        if len(raw) != len(item.choices):
            raise RunError(f"item '{item.id}': {len(raw)} scores for {len(item.choices)} choices; delete the journal")
        scores = [s - o for s, o in zip(raw, offsets or [0.0] * len(raw), strict=True)]
        best = max(scores)
        label = item.choices[scores.index(best)].label
        tie = int(scores.count(best) > 1)
    elif task.form.kind == "open":
        label = parse_open(reply.text or "")
    else:
        label = parse_label(reply.text or "", task.form.choices(item))
    return AnswerRow(
        key=question.answer,
        arm=arm.name,
        task=task.name,
        item=item.id,
        condition=question.trial.condition.name,
        replicate=0,
        mode=plan.mode(task),
        reply=question.reply,
        clip=question.clip,
        transcript=question.transcript,
        label=label,
        tie=tie,
    )
