"""What all systems behind endpoints share: many questions at a time, each counted, each answered once or missing."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from cascade_equivalence.audio.clip import Clip
from cascade_equivalence.errors import UsageError
from cascade_equivalence.systems.remote.account import Question, estimate
from cascade_equivalence.systems.remote.asking import Asking
from cascade_equivalence.systems.remote.endpoint import Endpoint
from cascade_equivalence.systems.remote.faults import InVain, Refusal
from cascade_equivalence.systems.remote.patience import Patience
from cascade_equivalence.systems.remote.pool import in_parallel
from cascade_equivalence.systems.remote.tally import Tally, Used
from cascade_equivalence.systems.system import Mode, Reply, Stimulus
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.task import Task


class Remote(ABC):
    """A system behind an endpoint. Subclasses know the protocol."""

    def __init__(self, endpoint: Endpoint, tally: Tally | None = None, patience: Patience | None = None) -> None:
        self.endpoint = endpoint
        self.tally = tally or Tally(endpoint)
        self.asking = Asking(endpoint, self.tally, patience or Patience())

    @property
    def modes(self) -> frozenset[Mode]:
        """See `System.modes`."""
        return self.endpoint.modes

    def reply(self, task: Task, items: Sequence[Item], given: Sequence[Stimulus], mode: Mode) -> list[Reply | None]:
        """See `System.reply`: all of `replies`, in order."""
        replies = dict(self.replies(task, items, given, mode))
        return [replies[index] for index in range(len(items))]

    def replies(
        self, task: Task, items: Sequence[Item], given: Sequence[Stimulus], mode: Mode
    ) -> Iterator[tuple[int, Reply | None]]:
        """Each reply with its index, as it comes, `parallel` questions at a time.

        Raises `UsageError` for a mode that it has not; `ModelError` where the server can never answer, after what was
        under way is handed over.
        """
        if mode not in self.modes:
            raise UsageError(
                f"model '{self.endpoint.name}' gives no label scores: write answer: generate, or scores: token-ids if "
                "its server is vLLM (top-logprobs if it gives log-probabilities at all)"
            )

        def work(index: int, stop: threading.Event) -> Reply | None:
            return self._one(task, items[index], given[index], mode, stop)

        return in_parallel(work, len(items), self.endpoint.parallel)

    @abstractmethod
    def answer(
        self, task: Task, item: Item, given: Stimulus, mode: Mode, cost: float, stop: threading.Event
    ) -> tuple[Reply, Used]:
        """Ask one question; cost: its estimate for each request. Raises `Refusal`, `InVain` or `ModelError`."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections."""

    def _one(self, task: Task, item: Item, given: Stimulus, mode: Mode, stop: threading.Event) -> Reply | None:
        text = given if isinstance(given, str) else None
        seconds = given.seconds if isinstance(given, Clip) else 0.0
        cost = estimate(self.endpoint, Question(task, item, mode, text, seconds))
        try:
            reply, used = self.answer(task, item, given, mode, cost, stop)
        except Refusal as refusal:
            reply, used = Reply(None, str(refusal), ended="refused"), Used()
        except InVain as vain:
            if not stop.is_set():
                self.tally.failure(str(vain))
            return None
        if reply.ended == "refused":
            self.tally.refusal()
        else:
            self.tally.answer(used, reply.served, seconds)
        return reply
