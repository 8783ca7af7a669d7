"""Handing work out to several workers: first to where its model is loaded, and once more where a worker was lost."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from cascade_equivalence.errors import RunError
from cascade_equivalence.run.executors import Executor
from cascade_equivalence.run.journal import Row
from cascade_equivalence.run.plan import LocalModel, Plan, SpeechModel
from cascade_equivalence.run.work import Ask, Make, Transcribe, Work

WORTH_LOADING = 4
"""Pieces of work, for each worker that has their models loaded, from which on another worker loads them too."""

Group = frozenset[str]
"""Names of the models that are in memory together; empty for work that needs none."""


@dataclass(frozen=True, slots=True)
class Done:
    """The rows of the oldest piece that a worker was given."""

    worker: int
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Failed:
    """The error that the oldest piece of a worker raised."""

    worker: int
    error: Exception


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker that is no more, with all it was given."""

    worker: int
    reason: str


@dataclass(frozen=True, slots=True)
class Away:
    """A worker for which there is no place at present; what it was given it has not begun."""

    worker: int


@dataclass(frozen=True, slots=True)
class Back:
    """A worker for which there is a place again."""

    worker: int


Event = Done | Failed | Lost | Away | Back


class Workers(Protocol):
    """Places where work is done, each one piece after another. They start when they are first given something."""

    @property
    def names(self) -> Sequence[str]:
        """What to call each in an error."""

    def give(self, worker: int, piece: Work) -> None:
        """Hand a worker one more piece; one that was lost is replaced."""

    def wait(self) -> list[Event]:
        """What has happened; blocks until something has."""

    def close(self) -> None:
        """End all workers, whatever they are doing; `give` starts them again."""


class Pool:
    """An executor over workers. here: does what needs no weights, so that an endpoint's limits are those of a run, and
    on processors what is done in turn, so that it has all of them as it would without workers."""

    def __init__(self, plan: Plan, here: Executor, workers: Workers) -> None:
        self._plan, self._here, self._workers = plan, here, workers
        self._loaded: list[Group | None] = [None] * len(workers.names)
        self._away: set[int] = set()
        self._group = cache(plan.group)

    def map(self, work: Sequence[Work], in_turn: bool = False) -> Iterator[list[Row]]:
        """See `Executor.map`. Raises `RunError` where the same piece lost two workers."""
        if in_turn and all(_on_processors(self._plan, piece) for piece in work):
            yield from self._here.map(work, in_turn)
        elif in_turn:
            for piece in work:
                yield from self._map([piece])
        else:
            yield from self._map(work)

    def close(self) -> None:
        """See `Executor.close`."""
        self._loaded = [None] * len(self._loaded)
        self._workers.close()

    def _map(self, work: Sequence[Work]) -> Iterator[list[Row]]:
        yield from self._here.map([piece for piece in work if not self._on_weights(piece)])
        yield from self._spread([piece for piece in work if self._on_weights(piece)])

    def _on_weights(self, piece: Work) -> bool:
        return piece.model is None or isinstance(self._plan.models[piece.model], LocalModel | SpeechModel)

    def _spread(self, work: Sequence[Work]) -> Iterator[list[Row]]:
        waiting: dict[Group, deque[Work]] = {}
        for piece in work:
            waiting.setdefault(self._needs(piece), deque()).append(piece)
        given: list[deque[Work]] = [deque() for _ in self._loaded]
        lost: set[tuple[str, ...]] = set()
        try:
            while any(waiting.values()) or any(given):
                self._hand_out(waiting, given)
                for event in self._workers.wait():
                    mine = given[event.worker]
                    match event:
                        case Done():
                            mine.popleft()
                            yield event.rows
                        case Failed():
                            raise event.error
                        case Lost():
                            self._loaded[event.worker] = None
                            if mine and mine[0].keys in lost:
                                raise RunError(_twice(mine[0], self._workers.names[event.worker], event.reason))
                            if mine:
                                lost.add(mine[0].keys)
                            self._take_back(mine, waiting)
                        case Away():
                            self._loaded[event.worker] = None
                            self._away.add(event.worker)
                            self._take_back(mine, waiting)
                        case Back():
                            self._away.discard(event.worker)
        finally:
            if any(given):
                self.close()

    def _take_back(self, mine: deque[Work], waiting: dict[Group, deque[Work]]) -> None:
        while mine:
            piece = mine.pop()
            waiting.setdefault(self._needs(piece), deque()).appendleft(piece)

    def _needs(self, piece: Work) -> Group:
        return frozenset() if isinstance(piece, Make) else self._group(piece.model)

    def _hand_out(self, waiting: Mapping[Group, deque[Work]], given: Sequence[deque[Work]]) -> None:
        """Give idle workers something to do, and a second piece to each where more than one round is left."""
        idle = [worker for worker, mine in enumerate(given) if not mine and worker not in self._away]
        at_home = [worker for worker in idle if waiting.get(self._loaded[worker] or frozenset())]
        for worker in [*at_home, *(worker for worker in idle if worker not in at_home)]:
            left = {group: len(pieces) for group, pieces in waiting.items() if pieces}
            if (group := choose(worker, self._loaded, left)) is not None:
                self._loaded[worker] = group or self._loaded[worker]
                self._give(worker, waiting[group].popleft(), given)
        for worker, mine in enumerate(given):
            pieces = waiting.get(self._loaded[worker] or frozenset(), deque())
            if len(mine) == 1 and len(pieces) > len(given) and self._needs(mine[0]) == self._needs(pieces[0]):
                self._give(worker, pieces.popleft(), given)

    def _give(self, worker: int, piece: Work, given: Sequence[deque[Work]]) -> None:
        given[worker].append(piece)
        self._workers.give(worker, piece)


def choose(worker: int, loaded: Sequence[Group | None], left: Mapping[Group, int]) -> Group | None:
    """The group whose work a worker takes next; None where it had better wait for the others.

    loaded: what each worker has in memory. left: pieces that nobody has yet, by group in the order of the work. What is
    loaded here comes first, then what needs no model, then what nobody has loaded, then the group with most pieces to
    each of its workers, if these are `WORTH_LOADING`.
    """
    left = {group: count for group, count in left.items() if count}
    if loaded[worker] in left:
        return loaded[worker]
    if frozenset() in left:
        return frozenset()
    there = Counter(loaded)
    if free := [group for group in left if not there[group]]:
        return free[0]
    if not left:
        return None
    longest = max(left, key=lambda group: left[group] / there[group])
    return longest if left[longest] >= WORTH_LOADING * there[longest] else None


def _on_processors(plan: Plan, piece: Work) -> bool:
    model = None if piece.model is None else plan.models[piece.model]
    return isinstance(model, LocalModel | SpeechModel) and model.identity.device == "cpu"


def _twice(piece: Work, worker: str, reason: str) -> str:
    return (
        f"{worker} was lost over the same work twice ({reason}): {described(piece)}. "
        "What was done before is kept; look at that worker's memory and at the item, then run the same command again"
    )


def described(piece: Work) -> str:
    """A piece of work in words that name its items."""
    match piece:
        case Make():
            items = _some([f"item '{item.id}'" for _, _, item, _ in piece.clips])
            return f"clips of {items}"
        case Transcribe():
            return f"transcripts by '{piece.model}' of {_some([f'clip {clip.sha256[:12]}' for clip in piece.clips])}"
        case Ask():
            items = _some([f"item '{item.id}'" for item in piece.items])
            return f"arm '{piece.asker}', task '{piece.task}', {items}"


def _some(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
