"""The plan: every trial of every arm, the models that answer, and the key that says whether an answer is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cascade_equivalence.audio.babble import forget_recordings, talkers_digest
from cascade_equivalence.audio.clip import RATE
from cascade_equivalence.audio.condition import Condition
from cascade_equivalence.audio.controls import heard
from cascade_equivalence.audio.store import silent_item
from cascade_equivalence.errors import AudioError
from cascade_equivalence.hashing import digest_of, sha256_file
from cascade_equivalence.run.layout import GOLD_CONDITION
from cascade_equivalence.systems.identity import Identity
from cascade_equivalence.systems.loading import Placement
from cascade_equivalence.systems.prompting import Style, wording
from cascade_equivalence.systems.remote.endpoint import Endpoint
from cascade_equivalence.systems.remote.predictions import Predictions
from cascade_equivalence.systems.system import Mode
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.task import Task

if TYPE_CHECKING:
    from cascade_equivalence.systems.backbone import Backbone
    from cascade_equivalence.systems.speech.speech_llm import SpeechLLM

Kind = Literal["gold", "cascade", "speech"]
Padding = Literal["stock", "short", "tight"]
Runtime = Literal["transformers", "faster-whisper"]
Calibration = Literal["shared", "own", "none"]

RECIPE = 3
"""Raised when the code changes what a recipe yields: clips, transcripts and replies of others are then not reused."""

CLEAN = Condition("clean", ())


def source_of(item: Item) -> str:
    """Content hash of an item's recording, or of the words and the voice that speaks them. Raises `AudioError`."""
    if item.audio is None:
        if not (item.voice and item.text):
            raise AudioError(silent_item(item))
        return digest_of(["spoken", item.voice, item.text])
    if not item.audio.is_file():
        raise AudioError(f"item '{item.id}': audio file {item.audio} is missing")
    return _file_hash(item.audio)


@cache
def _file_hash(path: Path) -> str:
    return sha256_file(path)


def forget_files() -> None:
    """Have all sound looked at again: files of the same names may hold another sound than for the plan before."""
    _file_hash.cache_clear()
    forget_recordings()


@dataclass(frozen=True, slots=True)
class LocalModel:
    """An ASR or an LLM, to be loaded when something needs it.

    inside: the speech LLM in whose checkpoint it lies, if it does. padding: of an ASR; runtime: what an ASR runs on.
    """

    name: str
    directory: Path
    placement: Placement
    identity: Identity
    inside: str | None = None
    padding: Padding = "short"
    runtime: Runtime = "transformers"

    @property
    def batch_size(self) -> int:
        """Trials per batch."""
        return self.placement.batch_size


@dataclass(frozen=True, slots=True)
class SpeechModel:
    """A speech LLM, to be loaded when something needs it.

    identity: of the whole, so that equal digests answer equally. llm: its language model's key in `Plan.models`.
    encoder: its audio encoder where that is a model of its own. parts: identity of each part by role. load: makes it
    of its language model's object, where it was given in Python instead of a directory. planted: its known nature.
    """

    name: str
    directory: Path | None
    placement: Placement
    identity: Identity
    llm: str
    encoder: LocalModel | None
    parts: Mapping[str, Identity]
    load: Callable[[Backbone], SpeechLLM] | None = None
    planted: str | None = None

    @property
    def batch_size(self) -> int:
        """Trials per batch."""
        return self.placement.batch_size


@dataclass(frozen=True, slots=True)
class EndpointModel:
    """A model behind an endpoint: asked, never loaded."""

    name: str
    endpoint: Endpoint
    identity: Identity

    @property
    def batch_size(self) -> int:
        """Questions that are handed over at once; each is answered, and committed, by itself."""
        return 64 * self.endpoint.parallel


@dataclass(frozen=True, slots=True)
class FileModel:
    """Answers or transcripts that were made elsewhere. They can be looked up, and nothing else can be asked."""

    name: str
    predictions: Predictions
    identity: Identity

    @property
    def batch_size(self) -> int:
        """Trials that are looked up at once."""
        return 512


Model = LocalModel | SpeechModel | EndpointModel | FileModel


@dataclass(frozen=True, slots=True)
class ArmPlan:
    """An arm: what it is given (`kind`), what transcribes for it, and what answers.

    asr, answers, llm: keys in `Plan.models`. llm: the language model inside what answers (the same key where that is a
    text LLM), or None where it cannot be known.
    """

    name: str
    kind: Kind
    asr: str | None
    answers: str
    llm: str | None
    style: Style

    @property
    def hears(self) -> bool:
        """Whether it is given audio."""
        return self.kind != "gold"


@dataclass(frozen=True, slots=True)
class Trial:
    """Item × condition: one stimulus, identical for every arm.

    sound: the item whose audio is heard; None where there is none to hear.
    """

    item: Item
    condition: Condition
    sound: Item | None


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is done beside the answers: trials of the hearing check, of answers repeated, and of single requests."""

    hearing: int = 40
    repeats: int = 60
    latency: int = 24


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a run needs, resolved.

    models: by their name in the study. arms: those that are run; same: name of an arm that is identical to one of them
    by fingerprint → that one. talkers: the babble manifest or folder. own: conditions by task, where a task has not all
    of them. requests: arm → single requests timed, where it is not `sizes.latency`.
    """

    tasks: tuple[Task, ...]
    conditions: tuple[Condition, ...]
    models: Mapping[str, Model]
    arms: tuple[ArmPlan, ...]
    answer: Mode
    seed: int
    talkers: Path
    same: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, tuple[Condition, ...]] = field(default_factory=dict)
    calibration: Calibration = "shared"
    sizes: Sizes = Sizes()
    requests: Mapping[str, int] = field(default_factory=dict)
    _known: dict[object, str] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Keys, and digests that stand in those of many trials, once made: a large study asks for each again and again."""

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

    def identity(self, name: str) -> Identity:
        """Of a model."""
        return self.models[name].identity

    def speech(self, arm: ArmPlan) -> SpeechModel | None:
        """The speech LLM that answers for an arm, where its weights are here."""
        model = self.models[arm.answers]
        return model if isinstance(model, SpeechModel) else None

    def asks(self, arm: ArmPlan) -> bool:
        """Whether an arm can be asked what is no trial: not if its answers or transcripts were made elsewhere."""
        return not any(isinstance(self.models[name], FileModel) for name in self.made_of(arm))

    def here(self, arm: ArmPlan) -> bool:
        """Whether all that an arm does is done by this machine, so that its seconds are its own."""
        return not any(isinstance(self.models[name], FileModel | EndpointModel) for name in self.made_of(arm))

    def made_of(self, arm: ArmPlan) -> tuple[str, ...]:
        """The models that work for an arm."""
        return (arm.asr, arm.answers) if arm.asr else (arm.answers,)

    def reader(self, arm: ArmPlan) -> ArmPlan:
        """The arm's language model reading the true text: what its labels are calibrated on."""
        return replace(arm, name=f"{arm.llm} reading", kind="gold", asr=None, answers=arm.llm or arm.answers)

    def group(self, name: str) -> frozenset[str]:
        """The models that may be in memory together with this one: all that share its language model; an ASR alone."""
        here = self._backbone(name)
        return frozenset(other for other in self.models if self._backbone(other) == here)

    def _backbone(self, name: str) -> str:
        model = self.models[name]
        return self.models[model.llm].identity.digest() if isinstance(model, SpeechModel) else model.identity.digest()

    def _once(self, key: object, made: Callable[[], str]) -> str:
        if key not in self._known:
            self._known[key] = made()
        return self._known[key]

    def _wording(self, arm: ArmPlan, task: Task, item: Item) -> str:
        # All of an item that `wording` reads.
        asked = (item.question, item.question == item.text, item.choices)
        return self._once(("wording", arm.style, task.name, asked), lambda: wording(arm.style, task, item))

    def _model_digest(self, name: str) -> str:
        return self._once(("model", name), lambda: self.identity(name).digest())

    def arm_digest(self, arm: ArmPlan) -> str:
        """Hash of what an arm is made of: equal digests answer every trial equally."""
        return self._once(arm, lambda: self._arm_digest(arm))

    def _arm_digest(self, arm: ArmPlan) -> str:
        asr = self._model_digest(arm.asr) if arm.asr else None
        return digest_of([arm.kind, asr, self._model_digest(arm.answers), arm.style])

    def clip_key(self, item: Item, condition: Condition) -> str:
        """Key of an item's clip under a condition."""
        heard = ("clip", item.audio, item.voice, item.text, condition)
        return self._once(heard, lambda: self._clip_key(item, condition))

    def _clip_key(self, item: Item, condition: Condition) -> str:
        steps = self._recipe(condition)
        return digest_of([RECIPE, RATE, self._source(item), steps, self.seed if steps else None])

    def _source(self, item: Item) -> str:
        return self._once(("source", item.audio, item.voice, item.text), lambda: source_of(item))

    def _recipe(self, condition: Condition) -> list[object]:
        talkers = [talkers_digest(self.talkers)] if condition.has("babble") else []
        return [*condition.recipe, *talkers]

    def transcript_key(self, asr: str, clip: str, anew: str = "") -> str:
        """Key of an ASR's transcript of a clip. anew: what it is repeated for, if it is."""
        made_of = [RECIPE, self._model_digest(asr), clip, *([anew] if anew else [])]
        return self._once(("transcript", asr, clip, anew), lambda: digest_of(made_of))

    def reply_key(self, arm: ArmPlan, task: Task, item: Item, content: str | None, anew: str = "") -> str:
        """Key of what a model says to one content (a text, a clip's hash, or nothing), shared by all arms it answers
        for. anew: what it is repeated for, if it is."""
        asked = [self.mode(task), self._wording(arm, task, item), content, *([anew] if anew else [])]
        if isinstance(self.models[arm.answers], FileModel):
            # A file answers items, and may answer two of the same sound and words differently.
            asked += [task.name, item.id]
        return digest_of([RECIPE, self._model_digest(arm.answers), *asked])

    def answer_key(self, arm: ArmPlan, task: Task, trial: Trial) -> str:
        """Key of an arm's answer on a trial: a hash of the recipe."""
        of = ("answer", arm.name, task.name, trial.item.id, trial.condition.name)
        return self._once(of, lambda: self._answer_key(arm, task, trial))

    def _answer_key(self, arm: ArmPlan, task: Task, trial: Trial) -> str:
        item = trial.item
        source = item.text if not arm.hears else self._source(trial.sound) if trial.sound else None
        recipe = [RECIPE, arm.name, self.arm_digest(arm), self.calibration, self.mode(task)]
        said = [self._wording(arm, task, item), task.name, item.id, source]
        return digest_of([*recipe, *said, trial.condition.name, self._recipe(trial.condition), self.seed])
