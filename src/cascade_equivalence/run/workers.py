"""Worker processes on this machine, one per device: each loads its own models and shares the clips on disk."""

from __future__ import annotations

import multiprocessing
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from cascade_equivalence.audio.store import ClipStore
from cascade_equivalence.errors import UsageError
from cascade_equivalence.run.journal import Row
from cascade_equivalence.run.models import Models
from cascade_equivalence.run.plan import LocalModel, Model, Plan, SpeechModel
from cascade_equivalence.run.pool import Done, Event, Failed, Lost
from cascade_equivalence.run.work import Work, do
from cascade_equivalence.run.worker import serve


@dataclass(frozen=True, slots=True)
class _Worker:
    process: SpawnProcess
    connection: Connection


class Processes:
    """See `Workers`. devices: torch's names, one per worker. threads: of each worker. does: what does a piece there, a
    function at the top of a module."""

    def __init__(
        self,
        plan: Plan,
        store: ClipStore,
        devices: Sequence[str],
        threads: int,
        say: Callable[[str], None],
        does: Callable[[Work, Plan, Models, ClipStore], Iterator[list[Row]]] = do,
    ) -> None:
        self._threads, self._store, self._say = threads, store, say
        self._parcels = {device: pickled(placed(plan, device), does) for device in dict.fromkeys(devices)}
        self._devices = tuple(devices)
        self._started: dict[int, _Worker] = {}
        self._heard: set[int] = set()

    @property
    def names(self) -> Sequence[str]:
        """See `Workers.names`."""
        return [f"worker {index + 1} ({device})" for index, device in enumerate(self._devices)]

    def give(self, worker: int, piece: Work) -> None:
        """See `Workers.give`."""
        if worker not in self._started:
            self._started[worker] = self._start(worker)
        try:
            self._started[worker].connection.send(piece)
        except (BrokenPipeError, ConnectionResetError):
            # It is gone, which the next wait says.
            return

    def wait(self) -> list[Event]:
        """See `Workers.wait`."""
        events: list[Event] = []
        while not events:
            by_connection = {started.connection: index for index, started in self._started.items()}
            for ready in wait(list(by_connection)):
                index = by_connection[ready]  # type: ignore[index]
                event = self._event(index)
                if event is not None:
                    events.append(event)
        return events

    def close(self) -> None:
        """See `Workers.close`."""
        for started in self._started.values():
            started.connection.close()
            started.process.terminate()
        for started in self._started.values():
            started.process.join(5)
            if started.process.is_alive():
                started.process.kill()
                started.process.join()
        self._started = {}

    def _start(self, worker: int) -> _Worker:
        # Spawned, since a forked process cannot use CUDA and inherits locks that other threads hold.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=serve,
            args=(theirs, self._threads, self._parcels[self._devices[worker]], self._store.directory),
            name=self.names[worker],
            daemon=True,
        )
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def _event(self, worker: int) -> Event | None:
        started = self._started[worker]
        try:
            said = started.connection.recv()
        except (EOFError, ConnectionResetError):
            started.process.join(5)
            started.connection.close()
            del self._started[worker]
            return Lost(worker, _ended(started.process.exitcode, began=worker in self._heard))
        self._heard.add(worker)
        match said:
            case str():
                self._say(f"{self.names[worker]}: {said}")
                return None
            case Exception():
                return Failed(worker, said)
            case rows:
                return Done(worker, rows)


def placed(plan: Plan, device: str) -> Plan:
    """The plan with every model that runs on a device of that type on this very one."""

    def moved(model: Model) -> Model:
        if not isinstance(model, LocalModel | SpeechModel) or model.identity.device != device.partition(":")[0]:
            return model
        there = replace(model.placement, device=device)
        if isinstance(model, LocalModel):
            return replace(model, placement=there)
        encoder = model.encoder and moved(model.encoder)
        assert encoder is None or isinstance(encoder, LocalModel)
        return replace(model, placement=there, encoder=encoder)

    return replace(plan, models={name: moved(model) for name, model in plan.models.items()})


def pickled(plan: Plan, does: Any) -> bytes:
    """The plan as other processes read it, behind what does its work.

    Raises `UsageError` naming the speech LLM that cannot be sent."""
    for name, model in plan.models.items():
        if isinstance(model, SpeechModel) and model.load is not None:
            try:
                pickle.dumps(model.load)
            except (pickle.PicklingError, AttributeError, TypeError):
                raise UsageError(
                    f"speech LLM '{name}' is made by a function that cannot be sent to another process; run the study "
                    "with executor: here, or make it by a function at the top of a module"
                ) from None
    return pickle.dumps((does, plan))


def share_of_threads(workers: int) -> int:
    """Threads of each of so many workers on this machine's processors."""
    return max(1, processors() // workers)


def processors() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _ended(status: int | None, began: bool) -> str:
    if status == 1 and not began:
        return "exit status 1 before it began; a script starts a study under if __name__ == '__main__': alone"
    if status is not None and status < 0:
        return f"killed by signal {-status}" + (", as the system does where memory runs out" if status == -9 else "")
    return f"exit status {status}"
