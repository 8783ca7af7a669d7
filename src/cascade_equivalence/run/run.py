"""A run: the directory that a study fills, held against other processes for as long as it is open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from cascade_equivalence.audio.store import ClipStore
from cascade_equivalence.errors import RunError
from cascade_equivalence.run.executors import Executor, Here
from cascade_equivalence.run.filesystem import refuse_network
from cascade_equivalence.run.journal import Journal
from cascade_equivalence.run.layout import CLIPS, JOURNAL, STATES
from cascade_equivalence.run.models import Models
from cascade_equivalence.run.plan import Plan
from cascade_equivalence.run.progress import Reporter
from cascade_equivalence.run.sounds import sounds_of
from cascade_equivalence.whole import clear_parts


@dataclass(frozen=True, slots=True)
class Run:
    """What all stages of a run share. models: those of this process; executor: where work is done."""

    directory: Path
    plan: Plan
    journal: Journal
    store: ClipStore
    models: Models
    executor: Executor
    reporter: Reporter


Makes = Callable[[Executor, Plan, ClipStore], Executor]


@contextmanager
def open_run(directory: Path, plan: Plan, reporter: Reporter, executor: Makes | None = None) -> Iterator[Run]:
    """Hold a run directory and open what is in it; nothing in it is written before it is held.

    executor: makes what does the work, of what does it here; this process does it all where none is given. Raises
    `RunError` where another process holds the directory, or where it is on a network file system.
    """
    refuse_network(directory)
    with holding(directory):
        journal = Journal(directory / JOURNAL)
        try:
            store = ClipStore(directory / CLIPS)
            for place in (CLIPS, STATES):
                clear_parts(directory / place)
            models = Models(plan, reporter.say, lambda: sounds_of(plan, journal))
            here = Here(plan, models, store)
            does = here if executor is None else executor(here, plan, store)
            try:
                yield Run(directory, plan, journal, store, models, does, reporter)
            finally:
                does.close()
        finally:
            journal.close()


@contextmanager
def holding(directory: Path) -> Iterator[None]:
    """Hold a run directory, made where it is missing, against other processes. Raises `RunError`."""
    lock = FileLock(directory / "run.lock")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise RunError(
            f"{directory}: another process is running this study; wait for it or use another --out"
        ) from None
    except OSError as error:
        raise RunError(f"{directory}: cannot be written ({error})") from None
    try:
        yield
    finally:
        lock.release()
