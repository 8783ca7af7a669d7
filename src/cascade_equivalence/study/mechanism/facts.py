"""What the analyses of a speech LLM wrote into the journal, as frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrialFact:
    """A trial of an analysis. gold: None where the item has no label."""

    task: str
    item: str
    gold: str | None = None


@dataclass(frozen=True, slots=True)
class R2Fact:
    """Held-out R² of a probe."""

    r2: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class ProbeRow:
    """One probe of one layer. target: `energy`, `pitch` and `bag` have linear and mlp; `ctc` the other fields."""

    where: str
    layer: int
    target: str
    linear: R2Fact | None = None
    mlp: R2Fact | None = None
    selectivity: float | None = None
    symbols: int = 1
    hidden: int = 0
    value: float = 0.0
    low: float | None = None
    high: float | None = None
    impossible: float | None = None


@dataclass(frozen=True, slots=True)
class ProbesFact:
    """Probes on n utterances of so many speakers. left_out: target → why there is no probe of it."""

    n: int
    speakers: int
    rows: tuple[ProbeRow, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LensRow:
    """What one reader reads at one layer, against the words of other clips. blind: it does not even read text."""

    reader: str
    layer: int
    on_text: float
    blind: bool
    precision: float | None
    low: float | None
    high: float | None
    recall: float | None
    null_precision: float | None
    null_recall: float | None
    p: float | None
    empty: int


@dataclass(frozen=True, slots=True)
class PictureRow:
    """Best tokens at every position of one trial, by one reader at one layer, with the score of the first."""

    reader: str
    layer: int
    tokens: tuple[tuple[str, ...], ...]
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PictureFact:
    """A trial laid out position by position."""

    item: str
    text: str | None
    rows: tuple[PictureRow, ...]


@dataclass(frozen=True, slots=True)
class LensFact:
    """The lens on n trials, its readers fitted on so many sentences."""

    n: int
    sentences: int
    rows: tuple[LensRow, ...]
    pictures: tuple[PictureFact, ...]


@dataclass(frozen=True, slots=True)
class ImplicitRow:
    """What the LLM answers to the words of one layer: reading (`lens`, `shuffled`, `wrong clip`) → labels."""

    reader: str
    layer: int
    empty: int
    labels: Mapping[str, Labels]


@dataclass(frozen=True, slots=True)
class ImplicitFact:
    """own: the arm's answers on the trials; cascade: those of a cascade on its LLM, where the study has one."""

    trials: tuple[TrialFact, ...]
    own: Labels
    cascade: Labels | None
    rows: tuple[ImplicitRow, ...]


@dataclass(frozen=True, slots=True)
class ErasedCondition:
    """Answers under one eraser. generated: free answers on the first trials, with their golds."""

    name: str
    scope: str
    labels: Labels
    generated: Labels = ()
    generated_golds: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class DecodabilityRow:
    """How much of the text is left in a layer's states after an eraser."""

    layer: int
    name: str
    linear: R2Fact
    mlp: R2Fact


@dataclass(frozen=True, slots=True)
class ErasureFact:
    """damage: condition → (loss, tokens) of each plain sentence."""

    trials: tuple[TrialFact, ...]
    conditions: tuple[ErasedCondition, ...]
    damage: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    ranks: Mapping[str, int] = field(default_factory=dict)
    removed: Mapping[str, float] = field(default_factory=dict)
    decodability: tuple[DecodabilityRow, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    layers: tuple[int, ...] = ()
    generated_on: int = 0
    fit: int = 0
    fit_rows: int = 0
    fit_outside: int = 0


@dataclass(frozen=True, slots=True)
class PatchedRow:
    """Answers with another clip's states at the audio positions of one layer."""

    layer: int
    labels: Labels


@dataclass(frozen=True, slots=True)
class PatchingFact:
    """own: the arm's answers; other: its answers to the clips whose states were put in."""

    trials: tuple[TrialFact, ...]
    own: Labels
    other: Labels
    rows: tuple[PatchedRow, ...]


@dataclass(frozen=True, slots=True)
class Analyses:
    """The analyses of one arm, None where one was not asked for or has not run."""

    probes: ProbesFact | None = None
    lens: LensFact | None = None
    implicit: ImplicitFact | None = None
    erasure: ErasureFact | None = None
    patching: PatchingFact | None = None

    def __bool__(self) -> bool:
        return any((self.probes, self.lens, self.implicit, self.erasure, self.patching))
