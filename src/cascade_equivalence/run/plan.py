"""The plan: every trial of every arm, and the key that says whether it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cascade_equivalence.audio.clip import RATE
from cascade_equivalence.audio.condition import Condition
from cascade_equivalence.audio.controls import heard
from cascade_equivalence.audio.store import silent_item
from cascade_equivalence.errors import AudioError
from cascade_equivalence.pocket.fetch import sha256_file
from cascade_equivalence.run.layout import GOLD_CONDITION
from cascade_equivalence.systems.arms import Mode
from cascade_equivalence.systems.identity import Identity, digest_of
from cascade_equivalence.systems.loading import Placement
from cascade_equivalence.systems.prompting import Style, wording
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.task import Task

if TYPE_CHECKING:
    from cascade_equivalence.systems.backbone import Backbone
    from cascade_equivalence.systems.speech.speech_llm import SpeechLLM

RECIPE = 1
"""Raised when the code changes what a clip, transcript or answer is for the same inputs."""


def source_of(item: Item) -> str:
    """Hash of what an item sounds like before any condition. Raises `AudioError` naming an item without sound."""
    if item.audio is None:
        if item.voice is None:
            raise AudioError(silent_item(item))
        return digest_of(["kokoro-82m", item.voice, item.text])
    if not item.audio.is_file():
        raise AudioError(f"item '{item.id}': audio file {item.audio} is missing")
    return _file_hash(item.audio)


@cache
def _file_hash(path: Path) -> str:
    return sha256_file(path)


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """A model to be loaded when something needs it. inside: the speech LLM in whose checkpoint it lies, if it does."""

    name: str
    directory: Path
    placement: Placement
    identity: Identity
    inside: str | None = None


@dataclass(frozen=True, slots=True)
class SpeechPlan:
    """A speech LLM to be loaded when something needs it.

    identity: of the whole, so that equal digests answer equally. llm: its language model's key in `Plan.models`.
    encoder: its audio encoder where that is a model of its own. parts: identity of each part by role. load: makes it
    of its language model's object, where it was given in Python instead of a directory.
    """

    name: str
    directory: Path | None
    placement: Placement
    identity: Identity
    llm: str
    encoder: ModelPlan | None
    parts: Mapping[str, Identity]
    load: Callable[[Backbone], SpeechLLM] | None = None


@dataclass(frozen=True, slots=True)
class ArmPlan:
    """An arm: a speech LLM (`speech`), a cascade (`asr`), or an LLM that reads the gold text (neither)."""

    name: str
    llm: str
    style: Style
    asr: str | None
    speech: str | None = None

    @property
    def hears(self) -> bool:
        """Whether it is given audio."""
        return self.asr is not None or self.speech is not None


@dataclass(frozen=True, slots=True)
class Trial:
    """Item × condition: one stimulus, identical for every arm.

    sound: the item whose audio is heard; None where there is none to hear.
    """

    item: Item
    condition: Condition
    sound: Item | None


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a run needs, resolved.

    models: ASRs and LLMs by their name in the study; speech: speech LLMs likewise. arms: those that are run; same: name
    of an arm that is identical to one of them by fingerprint → that one. talkers: the babble manifest. own: conditions
    by task, where a task has not all of them.
    """

    tasks: tuple[Task, ...]
    conditions: tuple[Condition, ...]
    models: dict[str, ModelPlan]
    paddings: dict[str, Literal["stock", "short"]]
    arms: tuple[ArmPlan, ...]
    answer: Mode
    seed: int
    talkers: Path
    speech: Mapping[str, SpeechPlan] = field(default_factory=dict)
    same: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, tuple[Condition, ...]] = field(default_factory=dict)

    def conditions_of(self, task: Task) -> tuple[Condition, ...]:
        """The conditions that a task is run under."""
        return self.own.get(task.name, self.conditions)

    def mode(self, task: Task) -> Mode:
        """Closed tasks as the study says, open ones always by generation."""
        return "generate" if task.form.kind == "open" else self.answer

    def trials(self, task: Task, arm: ArmPlan | None = None) -> list[Trial]:
        """The trials of a task, conditions outermost; the gold arm's without conditions."""
        conditions = (Condition(GOLD_CONDITION, ()),) if arm and not arm.hears else self.conditions_of(task)
        return [
            Trial(item, condition, sound)
            for condition in conditions
            for item, sound in zip(task.items, heard(task.items, condition, self.seed), strict=True)
        ]

    def hears(self) -> bool:
        """Whether any arm needs audio."""
        return any(arm.hears for arm in self.arms)

    def arm_digest(self, arm: ArmPlan) -> str:
        """Hash of what an arm is made of: equal digests answer every trial equally."""
        asr = self.models[arm.asr].identity.digest() if arm.asr else None
        speech = self.speech[arm.speech].identity.digest() if arm.speech else None
        return digest_of([asr, speech, self.models[arm.llm].identity.digest(), arm.style])

    def batch_size(self, arm: ArmPlan) -> int:
        """Trials per batch of the arm's answers."""
        placed = self.speech[arm.speech] if arm.speech else self.models[arm.llm]
        return placed.placement.batch_size

    def clip_key(self, source: str, condition: Condition) -> str:
        """Key of a clip made from audio with content hash `source`."""
        steps = self._recipe(condition)
        return digest_of([RECIPE, RATE, source, steps, self.seed if steps else None])

    def _recipe(self, condition: Condition) -> list[object]:
        talkers = [_file_hash(self.talkers)] if condition.has("babble") else []
        return [*condition.recipe, *talkers]

    def transcript_key(self, asr: str, clip: str) -> str:
        """Key of an ASR's transcript of a clip."""
        return digest_of([RECIPE, self.models[asr].identity.digest(), clip])

    def reply_key(self, arm: ArmPlan, task: Task, item: Item, content: str) -> str:
        """Key of what the arm's LLM says to one content (a text, or a clip's hash), shared by all arms on that LLM."""
        asked = [self.mode(task), wording(arm.style, task, item), content]
        if arm.speech:
            return digest_of([RECIPE, "speech", self.speech[arm.speech].identity.digest(), *asked])
        return digest_of([RECIPE, self.models[arm.llm].identity.digest(), *asked])

    def answer_key(self, arm: ArmPlan, task: Task, trial: Trial) -> str:
        """Key of an arm's answer on a trial: a hash of the recipe."""
        asr = self.models[arm.asr].identity.digest() if arm.asr else None
        llm = self.models[arm.llm].identity.digest()
        if arm.speech:
            asr, llm = "speech", self.speech[arm.speech].identity.digest()
        item = trial.item
        source = item.text if not arm.hears else source_of(trial.sound) if trial.sound else None
        recipe = [RECIPE, arm.name, asr, llm, self.mode(task), wording(arm.style, task, item)]
        condition = [trial.condition.name, self._recipe(trial.condition)]
        return digest_of([*recipe, task.name, item.id, source, condition, self.seed])

    def offset_key(self, arm: ArmPlan, task: Task) -> str:
        """Fact under which the calibration offset of an LLM and prompt is kept."""
        calibration = [(item.id, item.text) for item in task.calibration]
        words = wording(arm.style, task, task.items[0])
        return f"offset:{digest_of([self.models[arm.llm].identity.digest(), words, calibration])}"
