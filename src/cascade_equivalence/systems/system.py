"""The seam between a run and whatever answers: local weights, endpoints, files of predictions. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from cascade_equivalence.audio.clip import Clip
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.task import Task

Mode = Literal["labels", "generate"]
"""How an arm answers: the log-likelihood of each label, or greedy text."""

Stimulus = str | Clip | None
"""What stands in the prompt where the item was spoken: words to read, sound to hear, or nothing."""

Ended = Literal["end", "limit", "refused"]
"""Why an answer ended: by itself, at the token limit, or because it was refused (a filter, a request over length)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a system said to one stimulus.

    scores: mean log-likelihood per token of each label, in the order of the item's choices (mode `labels`). text: the
    answer as it was said (mode `generate`), or the reason of a refusal. read, written: tokens. served: what a server
    says it served; None for local weights. seconds: time of the answer, of a batch its time divided by its size;
    listened: the part of it spent on hearing, 0 where it cannot be told apart.
    """

    scores: tuple[float, ...] | None
    text: str | None
    read: int = 0
    written: int = 0
    ended: Ended = "end"
    served: str | None = None
    seconds: float = 0.0
    listened: float = 0.0


class System(Protocol):
    """What answers for an arm.

    modes: the ways in which it can answer.
    """

    @property
    def modes(self) -> frozenset[Mode]:
        """The ways in which it can answer."""

    def reply(self, task: Task, items: Sequence[Item], given: Sequence[Stimulus], mode: Mode) -> list[Reply | None]:
        """Answer a batch of items of one task. None: asked in vain, the answer stays missing and is asked again."""


@runtime_checkable
class AsItComes(Protocol):
    """A system whose replies come one by one, so that each can be kept before the next is there."""

    def replies(
        self, task: Task, items: Sequence[Item], given: Sequence[Stimulus], mode: Mode
    ) -> Iterator[tuple[int, Reply | None]]:
        """Each reply with the index of its item, in any order."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was recognised.

    logprob: mean over the tokens, end included; None where it is not known. complete: it ended by itself.
    """

    text: str
    logprob: float | None
    tokens: int
    complete: bool


class Transcriber(Protocol):
    """An ASR."""

    def transcribe(self, clips: Sequence[Clip]) -> list[Transcript]:
        """Transcripts of clips of 16 kHz, in their order."""


@runtime_checkable
class OneByOne(Protocol):
    """An ASR whose transcripts come one by one."""

    def transcripts(self, clips: Sequence[Clip]) -> Iterator[tuple[int, Transcript | None]]:
        """Each transcript with the index of its clip, in any order. None: asked in vain, it stays missing."""
