"""Executing a plan: clips, transcripts, then model by model what it is calibrated on, the hearing check, answers,
single requests and repeated answers.

A stage says which work there is, the journal which of it is missing; each batch is committed as it comes. Work is
ordered so that few models are in memory at once: one ASR after another, then the arms of one language model after
those of another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace

from cascade_equivalence.errors import AudioError
from cascade_equivalence.run.accounts import accounts
from cascade_equivalence.run.answers import Labels, batches, calibrated
from cascade_equivalence.run.batching import chunks
from cascade_equivalence.run.forecast import forecast, in_words
from cascade_equivalence.run.glance import ITEMS, WORTH_S, Shown, glance
from cascade_equivalence.run.hearing import hearing_fact, hearing_key, hearing_questions
from cascade_equivalence.run.journal import AnswerRow, ClipRow, ReplyRow, Row, TranscriptRow
from cascade_equivalence.run.latency import WARM_UP, latency_fact, latency_key, latency_questions
from cascade_equivalence.run.plan import ArmPlan, Plan, Trial
from cascade_equivalence.run.progress import Within
from cascade_equivalence.run.questions import Question, Stimuli, clip_key, of_calibration, of_trials
from cascade_equivalence.run.repeats import other_size, repeat_fact, repeat_key, repeat_questions
from cascade_equivalence.run.run import Run
from cascade_equivalence.run.work import Ask, Make, Sound, Transcribe, Work
from cascade_equivalence.systems.identity import environment

CLIPS_PER_COMMIT = 32
LOOKING = f"first look: {ITEMS} items a task"

KINDS: dict[type, type] = {Make: ClipRow, Transcribe: TranscriptRow, Ask: ReplyRow}
"""The rows that a kind of work yields."""


@dataclass(frozen=True, slots=True)
class Asked:
    """All questions of some arms, by what they are for."""

    calibration: list[Question]
    hearing: list[Question]
    answers: list[Question]
    latency: list[Question]
    repeats: list[Question]

    @classmethod
    def of(cls, plan: Plan, arms: Sequence[ArmPlan], shown: Shown | None = None) -> Asked:
        """In the order of the arms. shown: of a first look, the answers that it is at; the rest but the hearing check
        can wait."""
        return cls(
            calibration=[q for arm in arms for task in plan.tasks for q in of_calibration(plan, arm, task)],
            hearing=[q for arm in arms for asked in hearing_questions(plan, arm).values() for q in asked],
            answers=[q for q, _ in _wanted(plan, arms, shown)],
            latency=[] if shown else [q for arm in arms for q in latency_questions(plan, arm)],
            repeats=[]
            if shown
            else [q for arm in arms for asked in repeat_questions(plan, arm).values() for q in asked],
        )

    def those(self, ready: Callable[[Question], bool]) -> Asked:
        """Without the questions that cannot be asked."""
        return Asked(**{f.name: [q for q in getattr(self, f.name) if ready(q)] for f in fields(self)})

    def all(self) -> list[Question]:
        """Everything."""
        return [*self.calibration, *self.hearing, *self.answers, *self.latency, *self.repeats]

    def once(self) -> list[Question]:
        """What is asked once, whatever for, but the answers."""
        return [q for q in (*self.calibration, *self.hearing, *self.repeats) if not q.anew]

    def anew(self) -> list[Question]:
        """What is asked again, in other batches."""
        return [q for q in (*self.hearing, *self.repeats) if q.anew]


def execute(run: Run, first: Callable[[], None] | None = None) -> int:
    """Do what the journal lacks. Returns how many answers are still missing: those that were asked for in vain.

    first: called when a first look (`run.glance`) is in the journal, in a run that takes minutes. Raises `RunError`,
    `AudioError` or `ModelError`; what was committed before stays, and the same call goes on from there.
    """
    plan = run.plan
    run.journal.put_fact("environment", environment())
    everything = Asked.of(plan, plan.arms)
    questions = everything.all()
    expected = forecast(run, questions)
    run.reporter.say(in_words(expected))
    look = glance(plan) if first and sum(stage.seconds for stage in expected) > WORTH_S else None
    glanced = Asked.of(plan, plan.arms, look) if look else None
    ahead = forecast(run, glanced.all(), look) if glanced else []
    stages = [(stage.stage, stage.seconds) for stage in expected]
    if ahead:
        stages.insert(1, (LOOKING, sum(stage.seconds for stage in ahead)))
    run.reporter.expect(stages)
    make_clips(run, questions)
    if not expected and _concluded(run):
        return 0
    for line in accounts(run, questions):
        run.reporter.say(line)
    if first and glanced and ahead:
        transcripts = sum(stage.pieces for stage in ahead if stage.stage.startswith("transcripts"))
        with run.reporter.stage(LOOKING, transcripts + len(glanced.all()), 0) as bar:
            _carry_out(replace(run, reporter=Within(bar)), glanced, look)
        first()
    missing = _carry_out(run, everything)
    for tally in run.models.tallies.values():
        run.reporter.say(tally.words())
    return missing


def _concluded(run: Run) -> bool:
    """Whether every arm's hearing check, repeated answers and single requests are in the journal."""
    plan = run.plan
    facts = [
        (key(plan, arm), questions)
        for arm in plan.arms
        for key, questions in (
            (hearing_key, any(hearing_questions(plan, arm).values())),
            (repeat_key, any(repeat_questions(plan, arm).values())),
            (latency_key, bool(latency_questions(plan, arm))),
        )
    ]
    return all(run.journal.fact(key) is not None for key, questions in facts if questions)


def _carry_out(run: Run, asked: Asked, shown: Shown | None = None) -> int:
    """Transcripts, then what is asked of the arms; returns how many answers are missing."""
    for asr in dict.fromkeys(arm.asr for arm in run.plan.arms if arm.asr):
        transcribe(run, asr, asked)
    return sum(answer(run, arms, shown) for arms in groups(run.plan))


def calibrate(run: Run, arms: Sequence[ArmPlan]) -> None:
    """Ask for what the labels of arms are calibrated on, unless it is there."""
    questions = [q for arm in arms for task in run.plan.tasks for q in of_calibration(run.plan, arm, task)]
    _ask(run, "calibration", questions, Stimuli.of(run.plan, run.journal, questions))


def groups(plan: Plan) -> list[list[ArmPlan]]:
    """Arms that are in memory together, in the order of the study."""
    found: dict[frozenset[str], list[ArmPlan]] = {}
    for arm in plan.arms:
        found.setdefault(plan.group(arm.answers), []).append(arm)
    return list(found.values())


def make_clips(run: Run, questions: Iterable[Question]) -> None:
    """The clip of every question with a sound, made unless it is there."""
    plan = run.plan
    wanted = {clip_key(plan, q): q for q in questions if q.hears}
    there = run.journal.rows(ClipRow, wanted)
    lost = {key for key, row in there.items() if not run.store.path(row.sha256).is_file()}
    todo = [
        (key, q.task.name, q.sound, q.condition)
        for key, q in wanted.items()
        if q.sound and (key not in there or key in lost)
    ]

    def same(rows: Sequence[Row]) -> Sequence[Row]:
        for row in rows:
            if isinstance(row, ClipRow) and row.key in lost and there[row.key].sha256 != row.sha256:
                raise AudioError(
                    f"item '{row.item}', {row.condition}: the clip made again differs from the journalled one "
                    "(another machine or library version?); use a new run directory"
                )
        return ()

    work = [Make(tuple(part)) for part in chunks(todo, CLIPS_PER_COMMIT)]
    _do(run, "clips", work, len(wanted), same)


def transcribe(run: Run, asr: str, asked: Asked) -> None:
    """One transcript per clip, whatever the number of cascades on this ASR; those that are to be made anew again."""
    plan = run.plan
    heard = [q for q in asked.all() if q.arm.asr == asr and q.hears]
    stimuli = Stimuli.of(plan, run.journal, heard)
    size = plan.models[asr].batch_size
    singly = {WARM_UP, *(q.anew for q in asked.latency)}
    sizes = {"": size} | dict.fromkeys(singly, 1) | {q.anew: other_size(size) for q in asked.anew()}
    work: list[Transcribe] = []
    timed: list[Transcribe] = []
    for anew in dict.fromkeys(q.anew for q in heard):
        clips = {row.sha256: row for q in heard if q.anew == anew and (row := stimuli.clip(q))}
        order = sorted(clips.values(), key=lambda row: (row.seconds, row.sha256))
        for part in chunks(order, sizes[anew]):
            sounds = tuple(Sound(row.sha256, row.seconds) for row in part)
            keys = tuple(plan.transcript_key(asr, row.sha256, anew) for row in part)
            (timed if anew in singly else work).append(Transcribe(asr, sounds, keys, bool(anew)))
    _do(run, f"transcripts: {asr}", work, sum(len(w.keys) for w in work))
    _do(run, f"single transcripts: {asr}", timed, len(timed), in_turn=True)


def answer(run: Run, arms: Sequence[ArmPlan], shown: Shown | None = None) -> int:
    """All that is asked of arms on one language model; returns how many answers are missing at the end."""
    plan, journal = run.plan, run.journal
    asked = Asked.of(plan, arms, shown)
    stimuli = Stimuli.of(plan, journal, asked.all())
    asked = asked.those(stimuli.ready)
    _ask(run, "calibration and hearing check", asked.once(), stimuli)
    labels = Labels(stimuli, calibrated(plan, journal, arms))
    _ask(run, "asked again, in other batches", asked.anew(), stimuli, other=True)
    _conclude(run, arms, labels)
    missing = _answers(run, _wanted(plan, arms, shown), labels)
    if not shown:
        _ask_one_by_one(run, arms, stimuli)
    return missing


def _wanted(plan: Plan, arms: Sequence[ArmPlan], shown: Shown | None) -> list[tuple[Question, Trial]]:
    """The trials of arms with their questions."""
    found = [pair for arm in arms for task in plan.tasks for pair in of_trials(plan, arm, task)]
    return [pair for pair in found if shown(pair[0])] if shown else found


def _answers(run: Run, wanted: Sequence[tuple[Question, Trial]], labels: Labels) -> int:
    """Ask for the answers arm by arm, and file the label of each as its reply comes."""
    plan, stimuli, journal = run.plan, labels.stimuli, run.journal
    trials = [(question, trial) for question, trial in wanted if stimuli.ready(question)]
    waiting: dict[str, list[tuple[Question, object]]] = {}
    keys = {id(q): plan.answer_key(q.arm, q.task, trial) for q, trial in trials}
    open_keys = set(journal.missing(AnswerRow, list(keys.values())))
    if not open_keys:
        return 0
    for question, trial in trials:
        if keys[id(question)] in open_keys:
            waiting.setdefault(stimuli.reply_key(question), []).append((question, trial))

    def filed(rows: Sequence[Row]) -> Sequence[Row]:
        return [
            labels.answer(question, trial, row)  # type: ignore[arg-type]
            for row in rows
            if isinstance(row, ReplyRow)
            for question, trial in waiting.pop(row.key, [])
        ]

    for part in chunks(list(waiting), 500):
        known = list(journal.rows(ReplyRow, part).values())
        if known:
            journal.add(*filed(known))
    by_asker: dict[str, list[Ask]] = {}
    for batch in batches([q for q, _ in trials], stimuli):
        by_asker.setdefault(batch.asker, []).append(batch)
    for asker, work in by_asker.items():
        _do(run, f"answers: {asker}", work, sum(len(w.keys) for w in work), filed)
    return len(wanted) - len(trials) + sum(len(found) for found in waiting.values())


def _conclude(run: Run, arms: Sequence[ArmPlan], labels: Labels) -> None:
    """File what the hearing check and the repeated answers found, for arms whose replies are all there."""
    plan, journal = run.plan, run.journal
    for arm in arms:
        for key, questions, made in (
            (hearing_key(plan, arm) if arm.hears else None, hearing_questions, hearing_fact),
            (repeat_key(plan, arm), repeat_questions, repeat_fact),
        ):
            if key is None or journal.fact(key) is not None:
                continue
            asked = [q for found in questions(plan, arm).values() for q in found]
            if not asked or not all(labels.stimuli.ready(q) for q in asked):
                continue
            replies = journal.rows(ReplyRow, {labels.stimuli.reply_key(q) for q in asked})
            if (fact := made(plan, arm, labels, replies)) is not None:
                journal.put_fact(key, fact)


def _ask_one_by_one(run: Run, arms: Sequence[ArmPlan], stimuli: Stimuli) -> None:
    """Single requests, the arms in turn, so that what slows the machine for a while slows all of them."""
    plan, journal = run.plan, run.journal
    todo = [arm for arm in arms if journal.fact(latency_key(plan, arm)) is None]
    by_arm = [asked for arm in todo if (asked := latency_questions(plan, arm)) and all(map(stimuli.ready, asked))]
    turns = [asked[i] for i in range(max(map(len, by_arm), default=0)) for asked in by_arm if i < len(asked)]
    work = [replace(batch, asker=q.arm.name) for q in turns for batch in batches([q], stimuli, 1)]
    _do(run, "single requests", work, len(work), in_turn=True)
    for asked in by_arm:
        arm = asked[0].arm
        replies = journal.rows(ReplyRow, {stimuli.reply_key(q) for q in asked})
        if (fact := latency_fact(plan, arm, stimuli, replies)) is not None:
            journal.put_fact(latency_key(plan, arm), fact)


def _ask(run: Run, stage: str, questions: Sequence[Question], stimuli: Stimuli, other: bool = False) -> None:
    """Ask questions; other: in batches of another size than the model's own."""
    work: list[Ask] = []
    for model in dict.fromkeys(q.arm.answers for q in questions):
        size = run.plan.models[model].batch_size
        here = [q for q in questions if q.arm.answers == model]
        work += batches(here, stimuli, other_size(size) if other else None)
    _do(run, stage, work, sum(len(w.keys) for w in work))


def _do(
    run: Run,
    stage: str,
    work: Sequence[Work],
    total: int,
    beside: Callable[[Sequence[Row]], Sequence[Row]] = lambda rows: (),
    in_turn: bool = False,
) -> None:
    """Do what of some work the journal lacks. beside: rows that follow from those that came, committed with them.
    in_turn: see `Executor.map`."""
    todo = _missing(run, work)
    left = sum(len(piece.keys) for piece in todo)
    if not left:
        return
    with run.reporter.stage(stage, total, total - left) as bar:
        for rows in run.executor.map(todo, in_turn):
            if rows:
                run.journal.add(*rows, *beside(rows))
            bar.advance(len(rows))


def _missing(run: Run, work: Sequence[Work]) -> list[Work]:
    """Each piece without what the journal has already, but made clips whose file is gone."""
    found: list[Work] = []
    for kind, rows in KINDS.items():
        here = [piece for piece in work if isinstance(piece, kind)]
        if kind is Make:
            found += here
            continue
        lacking = set(run.journal.missing(rows, [key for piece in here for key in piece.keys]))
        for piece in here:
            kept = [i for i, key in enumerate(piece.keys) if key in lacking]
            if kept:
                found.append(piece if len(kept) == len(piece.keys) else _part(piece, kept))
    return found


def _part(piece: Work, kept: Sequence[int]) -> Work:
    """A piece with only some of its elements."""
    match piece:
        case Ask():
            return replace(
                piece,
                items=tuple(piece.items[i] for i in kept),
                given=tuple(piece.given[i] for i in kept),
                keys=tuple(piece.keys[i] for i in kept),
            )
        case Transcribe():
            return replace(piece, clips=tuple(piece.clips[i] for i in kept), keys=tuple(piece.keys[i] for i in kept))
        case Make():
            return Make(tuple(piece.clips[i] for i in kept))
