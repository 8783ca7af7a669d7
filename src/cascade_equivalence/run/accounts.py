"""What a run will ask of endpoints: said before the first request."""

from __future__ import annotations

from collections.abc import Iterable

from cascade_equivalence.run.journal import ReplyRow, TranscriptRow
from cascade_equivalence.run.plan import EndpointModel
from cascade_equivalence.run.questions import Question, Stimuli
from cascade_equivalence.run.run import Run
from cascade_equivalence.systems.remote import account


def accounts(run: Run, questions: Iterable[Question]) -> list[str]:
    """A line for each endpoint that has something to answer or to transcribe; nothing where all is in the journal."""
    plan = run.plan
    names = [name for name, model in plan.models.items() if isinstance(model, EndpointModel)]
    if not names:
        return []
    asked = [q for q in questions if set(plan.made_of(q.arm)) & set(names)]
    stimuli = Stimuli.of(plan, run.journal, asked)
    lines = []
    for name in names:
        model = plan.models[name]
        assert isinstance(model, EndpointModel)
        wanted = _answers(run, name, asked, stimuli)
        if wanted:
            lines.append(account.account(model.endpoint, wanted).words())
        seconds = _transcripts(run, name, asked, stimuli)
        if seconds:
            lines.append(account.account_of_sounds(model.endpoint, seconds).words())
    return lines


def _answers(run: Run, name: str, asked: list[Question], stimuli: Stimuli) -> list[account.Question]:
    """What the endpoint is to answer and the journal lacks. For transcripts to come the true text stands in."""
    found: dict[object, tuple[str | None, account.Question]] = {}
    for q in asked:
        if q.arm.answers != name:
            continue
        clip, mode = stimuli.clip(q), run.plan.mode(q.task)
        if q.arm.kind == "speech":
            question = account.Question(q.task, q.item, mode, None, clip.seconds if clip else 0.0)
        else:
            question = account.Question(q.task, q.item, mode, q.item.text or "")
        key = stimuli.reply_key(q) if stimuli.ready(q) else None
        found[key or (q.task.name, q.item.id, q.condition.name, q.arm.asr, q.anew)] = key, question
    there = run.journal.rows(ReplyRow, {key for key, _ in found.values() if key})
    return [question for key, question in found.values() if key not in there]


def _transcripts(run: Run, name: str, asked: list[Question], stimuli: Stimuli) -> list[float]:
    """Seconds of each sound that the endpoint is to transcribe and the journal lacks."""
    found = {}
    for q in asked:
        clip = stimuli.clip(q)
        key = stimuli.transcript_key(q)
        if q.arm.asr == name and clip and key:
            found[key] = clip.seconds
    there = run.journal.rows(TranscriptRow, found)
    return [seconds for key, seconds in found.items() if key not in there]
