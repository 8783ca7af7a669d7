"""Progress display: one bar per stage with its number, its rate, and the time left of the whole run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from cascade_equivalence.durations import duration
from cascade_equivalence.reading.terminal import plain

LINE_EVERY_S = 30.0
"""Between lines where the output is no terminal."""


class Stage(Protocol):
    """Something being worked through."""

    def advance(self, done: int) -> None:
        """Say that `done` more are done."""


class Reporter(Protocol):
    """Where a run says what it does."""

    def say(self, message: str) -> None:
        """One line."""

    def expect(self, stages: Sequence[tuple[str, float]]) -> None:
        """The stages to come with a guess of their seconds."""

    @contextmanager
    def stage(self, name: str, total: int, done: int) -> Iterator[Stage]:
        """A stage with `total` steps, of which `done` were there before."""
        yield  # type: ignore[misc]


@dataclass
class _Stage:
    name: str
    began: float
    before: float
    share: float

    def done(self) -> float:
        """The share of what there was to do that is done."""
        return (self.share - self.before) / (1.0 - self.before) if self.before < 1.0 else 1.0


class Clock:
    """The time left of a run: guesses of its stages, scaled by how long what is done has taken.

    A stage that nobody guessed is timed by itself.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._time = now
        self._guess: dict[str, float] = {}
        self._began = now()
        self._done = 0.0
        self._unforeseen = 0.0
        self._stage: _Stage | None = None

    def expect(self, stages: Sequence[tuple[str, float]]) -> None:
        """See `Reporter.expect`."""
        self._guess = dict(stages)
        self._began, self._done, self._unforeseen = self._time(), 0.0, 0.0

    def enter(self, name: str, done: float = 0.0) -> str:
        """A stage begins, of which a share was there before; returns its place, as "2 of 9"."""
        self._stage = _Stage(name, self._time(), done, done)
        names = list(self._guess)
        return f"{names.index(name) + 1} of {len(names)}" if name in names else ""

    def reach(self, share: float) -> None:
        """The share of the present stage's work that is done."""
        if self._stage:
            self._stage.share = share

    def leave(self) -> None:
        """The present stage is over."""
        if self._stage and self._stage.name in self._guess:
            self._done += self._guess[self._stage.name]
        elif self._stage:
            self._unforeseen += self._time() - self._stage.began
        self._stage = None

    def left(self) -> float | None:
        """Seconds, or None before anything is timed."""
        total, passed, stage = sum(self._guess.values()), self._done, self._stage
        elapsed = self._time() - self._began - self._unforeseen
        here = 0.0
        if stage and stage.name in self._guess:
            passed += stage.done() * self._guess[stage.name]
        elif stage:
            taken = self._time() - stage.began
            elapsed -= taken
            if not stage.done():
                return None
            here = taken * (1.0 / stage.done() - 1.0)
        if not total:
            return here if stage else None
        if passed < 0.02 * total or elapsed < 5:
            return None
        return here + max(0.0, (total - passed) * elapsed / passed)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "", style="progress.data.speed")


class _Left(ProgressColumn):
    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def render(self, task: Task) -> Text:
        left = self._clock.left()
        return Text("" if left is None else f"{duration(left)} left in all", style="progress.remaining")


class _Bar:
    def __init__(self, progress: Progress, task: TaskID, clock: Clock, reporter: ConsoleReporter) -> None:
        self._progress, self._task, self._clock, self._reporter = progress, task, clock, reporter
        self._said = time.monotonic()

    def advance(self, done: int) -> None:
        self._progress.advance(self._task, done)
        task = self._progress.tasks[0]
        self._clock.reach(task.completed / task.total if task.total else 1.0)
        if self._progress.disable and time.monotonic() - self._said >= LINE_EVERY_S:
            self._said = time.monotonic()
            left = self._clock.left()
            rest = "" if left is None else f"; about {duration(left)} left in all"
            self._reporter.say(f"{task.description.strip()}: {int(task.completed)} of {int(task.total or 0)}{rest}")


class ConsoleReporter:
    """Bars on a terminal; a line a stage, and every 30 s, where the output is a file."""

    def __init__(self, console: Console) -> None:
        self._console, self._clock = console, Clock()

    def say(self, message: str) -> None:
        """See `Reporter.say`; nothing in it is obeyed by a terminal."""
        self._console.print(plain(message), markup=False, highlight=False, soft_wrap=True)

    def expect(self, stages: Sequence[tuple[str, float]]) -> None:
        """See `Reporter.expect`."""
        self._clock.expect(stages)

    @contextmanager
    def stage(self, name: str, total: int, done: int) -> Iterator[Stage]:
        """See `Reporter.stage`."""
        place = self._clock.enter(name, done / total if total else 1.0)
        title = plain(f"{place + ' · ' if place else ''}{name}")
        columns = (
            TextColumn("{task.description:38.38}"),
            BarColumn(20),
            MofNCompleteColumn(),
            _Rate(),
            _Left(self._clock),
        )
        if not self._console.is_terminal:
            self.say(f"{title}: {total - done} of {total} to do")
        try:
            with Progress(*columns, console=self._console, disable=not self._console.is_terminal) as progress:
                yield _Bar(progress, progress.add_task(title, total=total, completed=done), self._clock, self)
        finally:
            self._clock.leave()


class Silent:
    """Says nothing."""

    def say(self, message: str) -> None:
        """Nothing."""

    def expect(self, stages: Sequence[tuple[str, float]]) -> None:
        """Nothing."""

    @contextmanager
    def stage(self, name: str, total: int, done: int) -> Iterator[Stage]:
        """A stage nobody watches."""
        yield self

    def advance(self, done: int) -> None:
        """Nothing."""


class Within(Silent):
    """Work inside a stage: nothing is said of it, it moves the stage on."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    @contextmanager
    def stage(self, name: str, total: int, done: int) -> Iterator[Stage]:
        """The stage around it."""
        yield self._stage
