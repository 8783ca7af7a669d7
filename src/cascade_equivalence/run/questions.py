"""Questions: who is asked what about which sound. Every stage of a run is a list of them, so all are done alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cascade_equivalence.audio.condition import Condition
from cascade_equivalence.errors import UsageError
from cascade_equivalence.run.journal import ClipRow, Journal, TranscriptRow
from cascade_equivalence.run.plan import CLEAN, ArmPlan, Plan, Trial
from cascade_equivalence.run.work import Given, Sound
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Question:
    """One question to one arm.

    sound: the item whose audio is heard under `condition`; None: none. anew: what an answer is repeated for; "" is an
    answer that is asked for once, whatever for.
    """

    arm: ArmPlan
    task: Task
    item: Item
    sound: Item | None
    condition: Condition = CLEAN
    anew: str = ""

    @property
    def hears(self) -> bool:
        """Whether there is a clip to be made for it."""
        return self.arm.hears and self.sound is not None


def of_trials(plan: Plan, arm: ArmPlan, task: Task) -> list[tuple[Question, Trial]]:
    """The answers that a study wants of an arm on a task."""
    return [(Question(arm, task, t.item, t.sound, t.condition), t) for t in plan.trials(task, arm)]


def of_calibration(plan: Plan, arm: ArmPlan, task: Task) -> list[Question]:
    """What an arm's label scores are calibrated on: development items, read as true text by its language model, or as
    the arm hears them. None where nothing is calibrated."""
    if plan.calibration == "none" or task.form.kind != "labels" or plan.mode(task) != "labels":
        return []
    if plan.calibration == "own" and arm.hears:
        audible = [item for item in task.calibration if item.audio or item.voice]
        return [Question(arm, task, item, item) for item in audible]
    return [Question(plan.reader(arm), task, item, None) for item in task.calibration] if arm.llm else []


@dataclass(frozen=True, slots=True)
class Stimuli:
    """What the journal knows of the sounds of a plan: clips by their key, transcripts by theirs."""

    plan: Plan
    clips: dict[str, ClipRow]
    transcripts: dict[str, TranscriptRow]

    @classmethod
    def of(cls, plan: Plan, journal: Journal, questions: Iterable[Question]) -> Stimuli:
        """Those that some questions need, as far as they are there."""
        heard = [q for q in questions if q.hears]
        clips = journal.rows(ClipRow, {clip_key(plan, q) for q in heard})
        known = cls(plan, clips, {})
        keys = {key for q in heard if (key := known.transcript_key(q))}
        return cls(plan, clips, journal.rows(TranscriptRow, keys))

    def clip(self, question: Question) -> ClipRow | None:
        """The clip that is heard."""
        return self.clips.get(clip_key(self.plan, question)) if question.hears else None

    def transcript_key(self, question: Question) -> str | None:
        """The transcript that is read; None where there is none to read, or no clip yet."""
        clip = self.clip(question)
        if clip is None or question.arm.kind != "cascade" or question.arm.asr is None:
            return None
        return self.plan.transcript_key(question.arm.asr, clip.sha256, question.anew)

    def ready(self, question: Question) -> bool:
        """Whether what is to be heard or read is there: not where a clip is not known, or an ASR was asked in vain."""
        if question.hears and self.clip(question) is None:
            return False
        key = self.transcript_key(question)
        return key is None or key in self.transcripts

    def given(self, question: Question) -> Given:
        """What stands in the prompt where the item was spoken. Raises `UsageError` for an item without text that is to
        be read."""
        match question.arm.kind:
            case "gold":
                if question.item.text is None:
                    raise UsageError(
                        f"item '{question.item.id}' has no text, and arm '{question.arm.name}' reads the true text"
                    )
                return question.item.text
            case "cascade":
                key = self.transcript_key(question)
                return self.transcripts[key].text if key else ""
            case "speech":
                clip = self.clip(question)
                return Sound(clip.sha256, clip.seconds) if clip else None

    def reply_key(self, question: Question) -> str:
        """The reply that answers it."""
        given = self.given(question)
        content = given.sha256 if isinstance(given, Sound) else given
        return self.plan.reply_key(question.arm, question.task, question.item, content, question.anew)


def clip_key(plan: Plan, question: Question) -> str:
    """Key of the clip that a question needs."""
    assert question.sound is not None
    return plan.clip_key(question.sound, question.condition)


def choose(tasks: Sequence[Task], most: int, purpose: str) -> list[tuple[Task, Item]]:
    """At most `most` items, evenly over the closed tasks (over all where none is closed), by hash of their id.

    A smaller number chooses among those of a larger one. Tasks that only differ from another in the order of their
    options are left out.
    """
    tasks = [task for task in tasks if task.variant_of is None]
    closed = [task for task in tasks if task.form.kind != "open"] or tasks
    ranked = {task.name: sorted(task.items, key=lambda item: _rank(purpose, task, item)) for task in closed}
    quota = dict.fromkeys(ranked, 0)
    while sum(quota.values()) < min(most, sum(map(len, ranked.values()))):
        for name, items in ranked.items():
            if quota[name] < len(items) and sum(quota.values()) < most:
                quota[name] += 1
    return [(task, item) for task in closed for item in ranked[task.name][: quota[task.name]]]


def _rank(purpose: str, task: Task, item: Item) -> str:
    return hashlib.sha256(f"{purpose}:{task.name}:{item.id}".encode()).hexdigest()
