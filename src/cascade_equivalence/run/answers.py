"""Answers of one arm: what each trial's content is, what the LLM says to it, which label that is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from cascade_equivalence.audio.store import ClipStore
from cascade_equivalence.errors import RunError, UsageError
from cascade_equivalence.run.batching import chunks, halving
from cascade_equivalence.run.clips import Clips
from cascade_equivalence.run.journal import AnswerRow, Journal, ReplyRow, TranscriptRow
from cascade_equivalence.run.models import Models
from cascade_equivalence.run.plan import ArmPlan, Plan, Trial
from cascade_equivalence.run.progress import Reporter
from cascade_equivalence.systems.arms import Reply, SpeechArm, TextArm
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.parsing import parse_label, parse_open
from cascade_equivalence.tasks.task import Task


@dataclass(frozen=True, slots=True)
class _Question:
    """One trial with the content the LLM is given: the text it reads, or the hash of the clip it hears.

    order: batches are cut from questions sorted by it, so that contents of like length share one.
    """

    trial: Trial
    answer: str
    reply: str
    content: str
    order: tuple[float, str]
    clip: str | None
    transcript: str | None


def answer_arm(
    plan: Plan, arm: ArmPlan, clips: Clips, journal: Journal, store: ClipStore, models: Models, reporter: Reporter
) -> None:
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
            offsets = offsets_of(plan, arm, task, journal, models)
            for batch in _batches(plan, arm, questions, journal):
                new = _ask(plan, arm, task, batch, journal, store, models)
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
        shas = {clips[task.name, trial.item.id, trial.condition.name].sha256 for trial in trials}
        heard = journal.rows(TranscriptRow, [plan.transcript_key(arm.asr, sha) for sha in sorted(shas)])
    questions = []
    for trial, key in zip(trials, keys, strict=True):
        clip, transcript, seconds = None, None, 0.0
        if arm.hears:
            row = clips[task.name, trial.item.id, trial.condition.name]
            clip, seconds = row.sha256, row.seconds
        if arm.asr and clip:
            transcript = plan.transcript_key(arm.asr, clip)
        content = clip if arm.speech else heard[transcript].text if transcript else trial.item.text
        if content is None:
            raise UsageError(f"item '{trial.item.id}' has no text, and arm '{arm.name}' reads the gold text")
        reply = plan.reply_key(arm, task, trial.item, content)
        # Speech LLMs that share an encoder hear in the same batches, whichever of them comes first.
        order = (seconds, f"{content}{reply}") if arm.speech else (float(len(content)), reply)
        questions.append(_Question(trial, key, reply, content, order, clip, transcript))
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
    order = sorted(own.values(), key=lambda same: same[0].order)
    size = plan.batch_size(arm)
    batches = [[q for same in part for q in same] for part in chunks(order, size)]
    known = [q for q in questions if q.reply in asked]
    return [*batches, *(list(part) for part in chunks(known, 500))]


def _ask(
    plan: Plan,
    arm: ArmPlan,
    task: Task,
    batch: Sequence[_Question],
    journal: Journal,
    store: ClipStore,
    models: Models,
) -> list[ReplyRow]:
    """Replies to the batch's contents that the journal lacks."""
    unique = {q.reply: q for q in batch}
    missing = [unique[key] for key in journal.missing(ReplyRow, list(unique))]
    if not missing:
        return []
    system, mode = models.arm(arm), plan.mode(task)

    def work(part: Sequence[_Question]) -> list[Reply]:
        items = [q.trial.item for q in part]
        if isinstance(system, SpeechArm):
            return system.reply(task, items, [store.get(q.content) if q.content else None for q in part], mode)
        return system.reply(task, items, [q.content for q in part], mode)

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


def offsets_of(plan: Plan, arm: ArmPlan, task: Task, journal: Journal, models: Models) -> tuple[float, ...] | None:
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
    scores = None if reply.scores is None else tuple(json.loads(reply.scores))
    label, tie = judge(task, question.trial.item, Reply(scores, reply.text, reply.tokens), offsets)
    return AnswerRow(
        key=question.answer,
        arm=arm.name,
        task=task.name,
        item=question.trial.item.id,
        condition=question.trial.condition.name,
        replicate=0,
        mode=plan.mode(task),
        reply=question.reply,
        clip=question.clip,
        transcript=question.transcript,
        label=label,
        tie=tie,
    )


def judge(task: Task, item: Item, reply: Reply, offsets: Sequence[float] | None) -> tuple[str, int]:
    """The label that a reply gives, and whether it tied with another. Raises `RunError` if scores are missing."""
    if reply.scores is not None:
        if len(reply.scores) != len(item.choices):
            raise RunError(
                f"item '{item.id}': {len(reply.scores)} scores for {len(item.choices)} choices; delete the journal"
            )
        scores = [s - o for s, o in zip(reply.scores, offsets or [0.0] * len(reply.scores), strict=True)]
        best = max(scores)
        return item.choices[scores.index(best)].label, int(scores.count(best) > 1)
    if task.form.kind == "open":
        return parse_open(reply.text or ""), 0
    return parse_label(reply.text or "", task.form.choices(item)), 0
