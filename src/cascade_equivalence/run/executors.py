"""Executors: where work is done. The main process alone writes the journal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from cascade_equivalence.audio.store import ClipStore
from cascade_equivalence.run.journal import Row
from cascade_equivalence.run.models import Models
from cascade_equivalence.run.plan import Plan
from cascade_equivalence.run.work import Work, do


class Executor(Protocol):
    """Does work, wherever that is."""

    def map(self, work: Sequence[Work], in_turn: bool = False) -> Iterator[list[Row]]:
        """The rows of the work, each once, in any order and in as many parts as they come in.

        in_turn: one piece at a time and in order, since its seconds are what is asked for.
        """

    def close(self) -> None:
        """Give back what it holds; `map` may be called again."""


class Here:
    """This process, one piece of work after another."""

    def __init__(self, plan: Plan, models: Models, store: ClipStore) -> None:
        self._plan, self._models, self._store = plan, models, store

    def map(self, work: Sequence[Work], in_turn: bool = False) -> Iterator[list[Row]]:
        """See `Executor.map`; always in order."""
        for piece in work:
            yield from do(piece, self._plan, self._models, self._store)

    def close(self) -> None:
        """Nothing: the models are the run's own."""
