"""Where a door is tried, and what must hold whatever comes in."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cascade_equivalence import cli
from cascade_equivalence.errors import CeqError

SLOW_S = 10
LONGEST = 40_000
"""Characters that an answer on the terminal may have; an error has far fewer."""

_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Fault(AssertionError):
    """What must not happen, happened."""


class Hang(BaseException):
    """Raised in the middle of what takes too long; no handler of the package's own catches it."""


@contextlib.contextmanager
def bounded_time(seconds: int = SLOW_S) -> Iterator[None]:
    """Raise `Fault` where what is inside takes too long."""

    def late(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    except Hang:
        raise Fault(f"over {seconds} s") from None
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def called(function: Callable[[], Any]) -> Any:
    """What a function of the package returns, or the `CeqError` it raises: short, and not a secret."""
    with bounded_time():
        try:
            return function()
        except CeqError as error:
            if not str(error).strip():
                raise Fault("an error without words") from None
            return error


def told(*words: object) -> tuple[int, str]:
    """Exit status and standard output of `ceq WORDS`. Raises `Fault` where it says what no command may say."""
    out, err = io.StringIO(), io.StringIO()
    with bounded_time(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = cli.main([str(word) for word in words])
        except SystemExit as leaving:
            status = int(leaving.code or 0)
    said, complained = out.getvalue(), err.getvalue()
    if status not in (0, 1, 2):
        raise Fault(f"exit status {status}")
    if status == 2 and not complained.strip():
        raise Fault("exit status 2 without a word")
    if len(complained) > LONGEST or len(said) > 50 * LONGEST:
        raise Fault(f"{len(said)} and {len(complained)} characters said")
    if found := _CONTROL.search(said + complained):
        raise Fault(f"control character {found.group()!r} on the terminal")
    if "Traceback" in complained:
        raise Fault("a traceback")
    if "--json" in words and status == 0:
        json.loads(said, parse_constant=_refuse)
    return status, said


def _refuse(name: str) -> Any:
    raise Fault(f"{name} in JSON")


@contextlib.contextmanager
def inside(room: Path, allowed: Sequence[str] = ("out", "cache")) -> Iterator[Path]:
    """A working directory in which nothing but `allowed` may appear; yields where input goes."""
    work, given = room / "work", room / "given"
    for directory in (work, given):
        directory.mkdir(parents=True, exist_ok=True)
    before = Path.cwd()
    os.chdir(work)
    try:
        yield given
    finally:
        os.chdir(before)
        for place in (room, work):
            kept = {"work", "given", *allowed} if place is room else set(allowed)
            if strange := sorted(p.name for p in place.iterdir() if p.name not in kept):
                raise Fault(f"written outside: {strange}")
