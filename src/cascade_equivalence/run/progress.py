"""Progress display: one bar per stage with rate and time left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class Stage(Protocol):
    """Something being worked through."""

    def advance(self, done: int) -> None:
        """Say that `done` more are done."""


class Reporter(Protocol):
    """Where a run says what it does."""

    def say(self, message: str) -> None:
        """One line."""

    @contextmanager
    def stage(self, name: str, total: int, done: int) -> Iterator[Stage]:
        """A stage with `total` steps, of which `done` were there before."""
        yield  # type: ignore[misc]


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "", style="progress.data.speed")


class _Bar:
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def advance(self, done: int) -> None:
        self._progress.advance(self._task, done)


class ConsoleReporter:
    """Bars on a terminal; one line a stage where the output is a file."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, message: str) -> None:
        self._console.print(message, markup=False, highlight=False)

    @contextmanager
    def stage(self, name: str, total: int, done: int) -> Iterator[Stage]:
        columns = (
            TextColumn("{task.description:32}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        if not self._console.is_terminal:
            self.say(f"{name}: {total - done} of {total} to do")
        with Progress(*columns, console=self._console, disable=not self._console.is_terminal) as progress:
            yield _Bar(progress, progress.add_task(name, total=total, completed=done))


class Silent:
    """Says nothing."""

    def say(self, message: str) -> None:
        """Nothing."""

    @contextmanager
    def stage(self, name: str, total: int, done: int) -> Iterator[Stage]:
        """A stage nobody watches."""
        yield self

    def advance(self, done: int) -> None:
        """Nothing."""
