"""What a journal's facts hold, as frozen records. A field's default is what journals from before it had it meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, TypeVar

from cascade_equivalence.errors import RunError
from cascade_equivalence.tasks.kinds import KINDS
from cascade_equivalence.tasks.parsing import INVALID

R = TypeVar("R")

ArmKind = Literal["gold", "cascade", "speech"]


def decode(kind: type[R], value: Any, where: str) -> R:
    """A JSON value as the record (or mapping, or tuple of records) that it stands for; keys that are not known are
    left alone. Raises `RunError` naming `where` and the field that is missing or of another type.
    """
    from pydantic import ValidationError

    try:
        return _adapter(kind).validate_python(value)  # type: ignore[no-any-return, arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise damaged(f"{where}{': ' if place else ''}{place[:120]}: {first['msg'].lower()}") from None


def damaged(what: str) -> RunError:
    """The error for a journal that does not hold together, with what is wrong and the cure."""
    return RunError(
        f"{what}; the journal is damaged or from another version: take a copy of it from before, or run the study into "
        "a new directory"
    )


@cache
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Comparisons one by one."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ArmSpecRecord:
    """An arm as a study names it: all that journals from before speech LLMs have of one."""

    llm: Any = None
    asr: str | None = None
    transcript: str | None = None


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """The study as it was declared. prices: what things cost, by name (`gpu_hour`: of an hour of the machine).
    left_out: optional arms that could not be asked, with the reason."""

    conditions: tuple[str, ...]
    margin: float
    resamples: int
    seed: int
    invalid_limit: float
    comparisons: Literal["matched"] | Pairs
    arms: Mapping[str, ArmSpecRecord] = field(default_factory=dict)
    name: str = "study"
    primary: tuple[tuple[str, str], ...] | None = None
    prices: Mapping[str, float] | None = None
    calibration: str = "shared"
    analyses: tuple[str, ...] = ("agreement",)
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """An item. text: what is spoken, where known. accepted: its label first; empty without gold. message: see
    `TaskRecord`, where the item has words of its own."""

    id: str
    text: str | None
    accepted: tuple[str, ...]
    choices: tuple[str, ...] = ()
    group: str | int | None = None
    speaker: str | int | None = None
    message: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class OriginRecord:
    """The public data set that a task is of. excluded: (item, reason) of what no arm is asked about."""

    dataset: str
    place: str = ""
    revision: str | None = None
    rows: int = 0
    licence: str = ""
    excluded: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """A task with the items that the study asked. conditions: the study's own unless the task had others.

    kind: `labels` (one label set), `options` (each item its own), `open`. sufficient: whether the words alone solve it;
    None where that is not known. variant_of: the task of which this is another order of options. message: the user's
    words before and after the sound, in a chat.
    """

    name: str
    kind: Literal["labels", "options", "open"]
    sufficient: bool | None
    labels: tuple[str, ...]
    items: tuple[ItemRecord, ...]
    conditions: tuple[str, ...] = ()
    variant_of: str | None = None
    mode: Literal["labels", "generate"] = "labels"
    prompt: str = ""
    message: tuple[str, str] | None = None
    shots: tuple[str, ...] = ()
    calibrated_on: int = 0
    origin: OriginRecord | None = None

    @property
    def open(self) -> bool:
        """Whether answers are free text, judged right or wrong."""
        return not KINDS[self.kind].closed

    @property
    def pools(self) -> bool:
        """Whether it counts towards the headline: closed, one label set, solvable from the words."""
        return self.kind == "labels" and self.sufficient is True

    @property
    def classes(self) -> int:
        """How many labels κ distinguishes; an open answer is right or wrong."""
        return 2 if self.open else len(self.labels)

    @property
    def fewest_choices(self) -> int:
        """The fewest options that any item offers."""
        return min((len(item.choices) for item in self.items), default=0)

    @property
    def has_gold(self) -> bool:
        """Whether every item has its label."""
        return all(item.accepted for item in self.items)

    @property
    def gold(self) -> tuple[int, ...] | None:
        """Indices of the gold labels (open tasks: 0, being right); None unless every item has one."""
        if not self.has_gold:
            return None
        return tuple(0 if self.open else self.code(item, item.accepted[0]) for item in self.items)

    @property
    def chance(self) -> float | None:
        """Accuracy of guessing; None for open tasks."""
        return KINDS[self.kind].chance(len(self.items[0].choices)) if self.items else None

    @property
    def majority(self) -> float | None:
        """Accuracy of always giving the most frequent label; None without one label set, or without gold."""
        golds = [item.accepted[0] for item in self.items if item.accepted]
        if self.kind != "labels" or not golds:
            return None
        return max(map(golds.count, set(golds))) / len(golds)

    def right(self, item: ItemRecord, label: str) -> bool | None:
        """Whether a label is right; None where the item has no gold."""
        return (label != INVALID and KINDS[self.kind].right(label, item.accepted)) if item.accepted else None

    def code(self, item: ItemRecord, label: str) -> int:
        """What κ compares: the label's number, −1 for INVALID; of open tasks 0 right, 1 wrong. Raises `RunError` for a
        label that the task has not."""
        if label not in (*self.labels, INVALID) and not self.open:
            raise damaged(f"task '{self.name}' has no label '{label[:80]}'")
        return KINDS[self.kind].index(label, self.labels, item.accepted)


@dataclass(frozen=True, slots=True)
class Identity:
    """One model as it was run. weights: hash of all tensors, None where it cannot be known."""

    name: str
    source: str = ""
    weights: str | None = None
    runtime: str = ""
    device: str = ""
    dtype: str = ""
    batch_size: int = 0
    decoding: Mapping[str, Any] = field(default_factory=dict)
    modules: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ArmRecord:
    """An arm as its run wrote it. asr, llm: keys of the identities. hearing, retest, latency: the facts of its hearing
    check, repeated answers and single items. mechanism: analysis → fact. planted: what it is made to be, if it is.
    bytes: of its weights as loaded, where that was recorded."""

    kind: ArmKind
    asr: str | None = None
    llm: str | None = None
    speech: Identity | None = None
    parts: Mapping[str, Identity] = field(default_factory=dict)
    same: tuple[str, ...] = ()
    hearing: str | None = None
    retest: str | None = None
    latency: str | None = None
    mechanism: Mapping[str, str] = field(default_factory=dict)
    planted: str | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class MatchGrade:
    """How the language models of two arms relate."""

    left: str
    right: str
    grade: str
    equal_share: float | None = None
    distance: float | None = None
    precision: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class HeardTrial:
    """An item of the hearing check."""

    task: str
    item: str


@dataclass(frozen=True, slots=True)
class HearingTrials:
    """An arm's answers of the hearing check: stimulus → labels, and the largest move of any label score."""

    trials: tuple[HeardTrial, ...]
    labels: Mapping[str, tuple[str, ...]]
    moved: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Repeats:
    """An arm's answers repeated under one condition: nuisance → (task, item, label)."""

    condition: str
    nuisances: Mapping[str, tuple[tuple[str, str, str], ...]]


@dataclass(frozen=True, slots=True)
class LatencyRecord:
    """Seconds of single items by stage; `audio` is the seconds of speech of the item."""

    arm: str
    stages: tuple[Mapping[str, float], ...]
    task: str = ""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What an ASR heard. logprob: None where it is not known. complete: whether it ended by itself."""

    text: str
    logprob: float | None
    complete: bool
    compute_s: float


@dataclass(frozen=True, slots=True)
class Answer:
    """One arm's answer on one trial. read: what its LLM was given to read. compute_s: model seconds of all that the
    answer needed, as if nothing had been shared with another arm. served: what a server says it served. scores: raw, of
    the item's choices; said: what was generated instead; note: why the label is INVALID."""

    item: str
    condition: str
    label: str
    tie: bool
    read: str
    compute_s: float
    clip: str | None = None
    transcript: Transcript | None = None
    served: str | None = None
    scores: tuple[float | None, ...] | None = None
    said: str | None = None
    note: str | None = None


Given = Mapping[str, Mapping[str, tuple[Answer | None, ...]]]
"""Arm → task → its answers, None where there is none yet."""
