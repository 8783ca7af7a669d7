"""What a run has still to do, and about how long that takes: a stated rule, corrected as the first stages are timed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cascade_equivalence.durations import duration
from cascade_equivalence.run.glance import Shown
from cascade_equivalence.run.journal import AnswerRow, ClipRow, TranscriptRow
from cascade_equivalence.run.plan import EndpointModel, LocalModel, Plan, SpeechModel
from cascade_equivalence.run.questions import Question, Stimuli, clip_key, of_trials
from cascade_equivalence.run.run import Run

CLIP_S = 0.01
TRANSCRIPT_S_PER_GB = 0.7
ANSWER_S_PER_GB = 0.15
REQUEST_S = 1.0
"""Of a request to an endpoint, before one is timed; divided by the requests that it takes at a time."""
ACCELERATOR = 40.0
"""Times as fast as two cores of a processor, for the guess alone."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A stage with its pieces still to be done, and a guess of its seconds."""

    stage: str
    pieces: int
    seconds: float


def forecast(run: Run, questions: Iterable[Question], shown: Shown | None = None) -> list[Expected]:
    """The stages of a run that have something to do, in their order. questions: all of the run's; shown: of a first
    look, the answers that it is at."""
    plan, journal = run.plan, run.journal
    asked = list(questions)
    heard = [q for q in asked if q.hears]
    wanted = {clip_key(plan, q) for q in heard}
    stimuli = Stimuli(plan, journal.rows(ClipRow, wanted), {})
    clips = len(wanted) - len(stimuli.clips)
    found = [Expected("clips", clips, clips * CLIP_S)]
    for asr in dict.fromkeys(arm.asr for arm in plan.arms if arm.asr):
        pieces = {(clip_key(plan, q), q.anew) for q in heard if q.arm.asr == asr}
        keys = {key for q in heard if q.arm.asr == asr and (key := stimuli.transcript_key(q))}
        left = len(pieces) - len(keys) + len(journal.missing(TranscriptRow, list(keys)))
        found.append(Expected(f"transcripts: {asr}", left, left * _each(plan, asr, TRANSCRIPT_S_PER_GB)))
    for arm in plan.arms:
        trials = [pair for task in plan.tasks for pair in of_trials(plan, arm, task) if not shown or shown(pair[0])]
        keys = {plan.answer_key(arm, question.task, trial) for question, trial in trials}
        left = len(journal.missing(AnswerRow, list(keys)))
        # The checks ask about as often again as there are trials for them.
        beside = sum(q.arm.name == arm.name for q in asked) - len(keys) if left else 0
        seconds = (left + beside) * _each(plan, arm.answers, ANSWER_S_PER_GB)
        found.append(Expected(f"answers: {arm.name}", left, seconds))
    return [expected for expected in found if expected.pieces > 0]


def _each(plan: Plan, name: str, per_gigabyte: float) -> float:
    """Seconds that a model may take for one of its answers."""
    model = plan.models[name]
    if isinstance(model, EndpointModel):
        return REQUEST_S / model.endpoint.parallel
    return per_gigabyte * gigabytes(plan, name)


def gigabytes(plan: Plan, name: str) -> float:
    """Weights of a model, as they lie on disk; less where an accelerator reads them. 0 where there are none here."""
    model = plan.models[name]
    if not isinstance(model, LocalModel | SpeechModel):
        return 0.0
    size = sum(_bytes(part) for part in _parts(plan, model)) / 1e9
    return size / (ACCELERATOR if not model.placement.device.startswith("cpu") else 1.0)


def _parts(plan: Plan, model: LocalModel | SpeechModel) -> Sequence[LocalModel | SpeechModel]:
    if isinstance(model, LocalModel):
        return [model]
    llm = plan.models[model.llm]
    parts = [llm] if isinstance(llm, LocalModel) else []
    return [model, *parts, *([model.encoder] if model.encoder else [])]


def _bytes(model: LocalModel | SpeechModel) -> int:
    if model.directory is None or (isinstance(model, LocalModel) and model.inside):
        return 0
    return sum(path.stat().st_size for path in model.directory.glob("*.safetensors"))


def in_words(expected: Sequence[Expected]) -> str:
    """One line for a person."""
    if not expected:
        return "nothing to do: every answer is there"
    kinds: dict[str, int] = {}
    for one in expected:
        kind = one.stage.partition(":")[0]
        kinds[kind] = kinds.get(kind, 0) + one.pieces
    counts = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
    time = duration(sum(one.seconds for one in expected))
    return f"to do, with the checks: {counts}; about {time} (a guess until it is timed)"
