"""The long set: `python -m tests.fuzz --seconds 600 [--seed 0] [--doors logs,sound]`.

Each door gets an equal share of the time in a process of its own. Prints a line for each door and one for each kind of
fault, with the smallest case that showed it; exit status 1 where there was any.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

MOST_MB = 1024


def kind_of(error: BaseException) -> str:
    """What tells one fault from another: the error and the last line of the package that it went through."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "cascade_equivalence" in f.filename]
    at = f"{frames[-1].filename.rpartition('cascade_equivalence/')[2]}:{frames[-1].lineno}" if frames else "the door"
    return f"{type(error).__name__} at {at}: {' '.join(str(error).split())[:160]}"


def work(name: str, start: int, seconds: float, report: Connection) -> None:
    """Try one door until the time is up."""
    from tests.fuzz.doors import DOORS

    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what libraries below Python say of damaged files
    door = next(one for one in DOORS if one.name == name)
    found: dict[str, tuple[int, str]] = {}
    count, slowest, end, at = 0, 0.0, time.monotonic() + seconds, start
    with tempfile.TemporaryDirectory() as place:
        os.environ |= {"CEQ_CACHE": f"{place}/cache", "HF_HUB_OFFLINE": "1", "HF_HOME": f"{place}/hub"}

        def once(case: object) -> None:
            nonlocal count, slowest
            if time.monotonic() > end:
                return
            began = time.monotonic()
            count += 1
            try:
                door.enter(case, Path(place) / "room")
            except Exception as error:
                key, shown = kind_of(error), repr(case)
                times, least = found.get(key, (0, shown))
                found[key] = times + 1, min(least, shown, key=len)
            slowest = max(slowest, time.monotonic() - began)
            report.send((count, slowest))

        while time.monotonic() < end:
            options = settings(
                max_examples=500, deadline=None, database=None, phases=[Phase.generate], verbosity=Verbosity.quiet,
                suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            seed(at)(options(given(door.cases)(once)))()
            at += 1
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    report.send((count, slowest, memory, found))


def main() -> int:
    """Try the doors one after the other."""
    from tests.fuzz.doors import DOORS

    parser = argparse.ArgumentParser("python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--doors", default=",".join(door.name for door in DOORS))
    args = parser.parse_args()
    names = args.doors.split(",")
    total, bad = 0, 0
    context = multiprocessing.get_context("fork")
    for name in names:
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(name, args.seed, args.seconds / len(names), there))
        process.start()
        there.close()
        last: tuple[object, ...] = (0, 0.0)
        try:
            while len(last) == 2 and here.poll(120):
                last = here.recv()
        except EOFError:
            pass
        if len(last) == 2:
            process.kill()
            print(f"{name}: died or hung after {last[0]} inputs", flush=True)
            total, bad = total + int(str(last[0])), bad + 1
            continue
        process.join()
        count, slowest, memory, found = last
        assert isinstance(count, int) and isinstance(memory, float) and isinstance(found, dict)
        print(
            f"{name}: {count} inputs, {len(found)} kinds of fault, slowest {slowest:.1f} s, {memory:.0f} MB", flush=True
        )
        for kind, (times, least) in sorted(found.items(), key=lambda pair: -pair[1][0]):
            print(f"  {times} × {kind}\n      {least[:600]}", flush=True)
        total, bad = total + count, bad + len(found) + (memory > MOST_MB)
    print(f"{total} inputs in all, {bad} faults")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
