"""Work: one batch as a value, and the one place that does it.

A piece of work holds items, words, names and hashes, no models and no sound: it can be printed, pickled, counted and
sent to another process.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

from cascade_equivalence.audio.babble import read_talkers
from cascade_equivalence.audio.condition import Condition
from cascade_equivalence.audio.store import ClipMaker, ClipStore
from cascade_equivalence.audio.synthesis import KokoroSynthesizer
from cascade_equivalence.run.batching import halving
from cascade_equivalence.run.journal import ClipRow, ReplyRow, Row, TranscriptRow
from cascade_equivalence.run.plan import Plan
from cascade_equivalence.systems.prompting import Style
from cascade_equivalence.systems.system import AsItComes, Mode, OneByOne, Reply, Stimulus, Transcript
from cascade_equivalence.tasks.item import Item

if TYPE_CHECKING:
    from cascade_equivalence.run.models import Models


@dataclass(frozen=True, slots=True)
class Sound:
    """A stored clip by its hash."""

    sha256: str
    seconds: float


Given = str | Sound | None
"""A stimulus by reference: words to read, a sound to hear, or nothing."""


@dataclass(frozen=True, slots=True)
class Make:
    """Clips to be made and stored: the key of each, the item that is heard, its condition, and for which task."""

    clips: tuple[tuple[str, str, Item, Condition], ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """Of the rows that it yields."""
        return tuple(key for key, *_ in self.clips)

    @property
    def model(self) -> None:
        """No model is asked."""
        return None


@dataclass(frozen=True, slots=True)
class Transcribe:
    """Clips for one ASR. anew: repeated on purpose, nothing that is kept may be used."""

    model: str
    clips: tuple[Sound, ...]
    keys: tuple[str, ...]
    anew: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """Items of one task for one model that answers. asker: the arm that asks first. anew: see `Transcribe`."""

    model: str
    style: Style
    asker: str
    task: str
    mode: Mode
    items: tuple[Item, ...]
    given: tuple[Given, ...]
    keys: tuple[str, ...]
    anew: bool = False


Work = Make | Transcribe | Ask

L = TypeVar("L")
N = Any

KOKORO = cache(KokoroSynthesizer)


def do(work: Work, plan: Plan, models: Models, store: ClipStore) -> Iterator[list[Row]]:
    """Do one piece of work; the only place that touches a model. What was asked in vain has no row.

    Local weights give the rows of a batch together, an endpoint each row as its answer comes. Raises `AudioError`,
    `ModelError` or `RunError`.
    """
    match work:
        case Make():
            yield [*_make(work, plan, store)]
        case Transcribe():
            models.focus(work.model)
            if work.anew:
                models.forget()
            yield from _transcribe(work, models, store)
        case Ask():
            models.focus(work.model)
            if work.anew:
                models.forget()
            yield from _ask(work, plan, models, store)


def maker_of(plan: Plan) -> ClipMaker:
    """What makes the plan's clips."""
    return ClipMaker(partial(read_talkers, plan.talkers), KOKORO, plan.seed)


def _make(work: Make, plan: Plan, store: ClipStore) -> list[ClipRow]:
    maker, rows = maker_of(plan), []
    for key, task, item, condition in work.clips:
        made = maker.make(item, condition)
        store.put(made.clip)
        clip = made.clip
        rows.append(ClipRow(key, task, item.id, condition.name, clip.sha256, clip.seconds, made.snr_db, made.scale))
    return rows


def _transcribe(work: Transcribe, models: Models, store: ClipStore) -> Iterator[list[Row]]:
    model = models.transcriber(work.model)

    def row(index: int, said: Transcript, seconds: float, count: int) -> TranscriptRow:
        clip = work.clips[index].sha256
        told = (said.text, said.logprob, said.tokens, int(said.complete))
        return TranscriptRow(work.keys[index], work.model, clip, *told, seconds, count)

    clips = Loaded([clip.sha256 for clip in work.clips], store.get)
    if isinstance(model, OneByOne):
        for index, said in model.transcripts(clips):
            yield [] if said is None else [row(index, said, 0.0, 1)]
        return
    done = halving(model.transcribe, clips, models.fits(work.model))
    yield [row(index, *told) for index, told in enumerate(done)]


def _ask(work: Ask, plan: Plan, models: Models, store: ClipStore) -> Iterator[list[Row]]:
    system = models.system(work.model, work.style)
    task = next(task for task in plan.tasks if task.name == work.task)

    def stimulus(given: Given) -> Stimulus:
        return store.get(given.sha256) if isinstance(given, Sound) else given

    def row(index: int, reply: Reply, count: int) -> ReplyRow:
        given = work.given[index]
        return ReplyRow(
            key=work.keys[index],
            asker=work.asker,
            content=given.sha256 if isinstance(given, Sound) else given or "",
            scores=None if reply.scores is None else scores_json(reply.scores),
            text=reply.text,
            read=reply.read,
            written=reply.written,
            ended=reply.ended,
            served=reply.served,
            compute_s=reply.seconds,
            listened_s=reply.listened,
            batch_size=count,
        )

    if isinstance(system, AsItComes):
        for index, reply in system.replies(task, work.items, Loaded(work.given, stimulus), work.mode):
            yield [] if reply is None else [row(index, reply, 1)]
        return

    def reply_to(part: Sequence[int]) -> list[Reply | None]:
        given = [stimulus(work.given[i]) for i in part]
        return system.reply(task, [work.items[i] for i in part], given, work.mode)

    done = halving(reply_to, range(len(work.keys)), models.fits(work.model))
    yield [row(i, reply, count) for i, (reply, _, count) in enumerate(done) if reply is not None]


class Loaded(Sequence[L]):
    """What is loaded when it is asked for, not before: a batch for an endpoint may be larger than memory."""

    def __init__(self, names: Sequence[N], load: Callable[[N], L]) -> None:
        self._names, self._load = names, load

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, index: int) -> L: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[L]: ...
    def __getitem__(self, index: int | slice) -> L | Sequence[L]:
        if isinstance(index, slice):
            return [self._load(name) for name in self._names[index]]
        return self._load(self._names[index])


def scores_json(scores: Sequence[float]) -> str:
    """Label scores as the journal keeps them; one that is no finite number is null."""
    return json.dumps([score if math.isfinite(score) else None for score in scores], allow_nan=False)
