"""Kills of what a run is spread over: `python -m tests.crash.spread --kills 20 --seed 0 [--parts workers,ray]`.

A study of many small pieces runs in two worker processes, then on two Ray nodes. A worker, the run itself or a node is
killed -9 when seeded numbers of rows are in the journal, some while workers still start; the same command goes on. No
committed row may be lost, and what is there at the end must be what an undisturbed run in one process ends with, byte
for byte. Prints a line for each part; exit status 1 where one failed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import yaml

from cascade_equivalence.run.ray_worker import MARK
from tests.crash import small
from tests.run.nodes import Nodes, children, words_of
from tests.run.small import command, contents, facts

PARTS = ("workers", "ray")
IN_ONE = 5
"""Kills in one directory, before it runs to its end."""
PATIENCE_S = 300.0
"""After which an undisturbed piece of a run counts as hanging."""


class Kills:
    """An undisturbed run, and what is killed beside it."""

    def __init__(self, place: Path, seed: int) -> None:
        self.place, self.random = place, random.Random(seed)
        self.said = place / "said.txt"
        self.study = small.write_study(place, items=24, batch=1)
        self.faults: list[str] = []
        self.calm = place / "calm"
        began = time.monotonic()
        if (status := self.start(self.written("here", "here"), self.calm).wait(PATIENCE_S)) != 0:
            raise SystemExit(f"the undisturbed run ended with {status}:\n{self.said.read_text()[-3000:]}")
        self.took, self.whole = time.monotonic() - began, self.rows(self.calm)

    def written(self, name: str, executor: object) -> Path:
        """The study with another executor."""
        path = self.place / f"{name}.yaml"
        study = yaml.safe_load(self.study.read_text(encoding="utf-8")) | {"executor": executor}
        path.write_text(yaml.safe_dump(study), encoding="utf-8")
        return path

    def start(self, study: Path, out: Path) -> subprocess.Popen[bytes]:
        """`ceq run`, what it says in a file."""
        with self.said.open("wb") as said:
            return subprocess.Popen(command(out, "run", str(study)), stdout=said, stderr=said)

    def rows(self, out: Path) -> int:
        """Committed rows of a run, facts not counted."""
        return sum(number for name, number in small.counts(out).items() if name != "facts")

    def fault(self, what: str) -> None:
        self.faults.append(what)
        print(f"  FAULT: {what}", flush=True)

    def workers(self, kills: int) -> str:
        """Worker processes, and the run."""
        study = self.written("workers", {"workers": 2, "threads": 1})

        def kill(kind: str, run: int) -> None:
            there = [pid for pid in children(run) if "spawn_main" in words_of(pid)]
            end(run if kind == "run" else self.random.choice(there))

        def started(run: int) -> bool:
            return any("spawn_main" in words_of(pid) for pid in children(run))

        return self.campaign("workers", study, kills, ("worker", "run"), kill, started)

    def ray(self, kills: int) -> str:
        """Nodes of a Ray cluster, actors on them, and the run."""
        with Nodes() as nodes:
            study = self.written("ray", {"ray": {"address": nodes.address, "workers": 2}})

            def kill(kind: str, run: int) -> None:
                if kind == "node":
                    nodes.kill()
                    # For a while there is one node only; the run goes on there.
                    time.sleep(self.random.uniform(0.0, 4.0))
                    nodes.add()
                else:
                    end(run if kind == "run" else self.random.choice(nodes.workers()))

            return self.campaign(
                "ray", study, kills, ("node", "run", "node", "worker"), kill, lambda run: bool(nodes.workers())
            )

    def campaign(
        self,
        part: str,
        study: Path,
        kills: int,
        kinds: tuple[str, ...],
        kill: Callable[[str, int], None],
        started: Callable[[int], bool],
    ) -> str:
        done: Counter[str] = Counter()
        chains = twice = 0
        while done.total() < kills:
            out, here = self.place / f"{part}{chains}", 0
            chains += 1
            run = self.start(study, out)
            while here < IN_ONE and done.total() < kills:
                have = self.rows(out)
                # One in four comes while workers start, or between two pieces.
                share = 0.0 if self.random.random() < 0.25 else self.random.uniform(0.0, 0.5)
                if not self.reached(run, out, have + round(share * (self.whole - have)), started):
                    if run.returncode == 0:
                        break
                    twice += self.told_twice(run)
                    run = self.start(study, out)
                    continue
                kind, before = kinds[done.total() % len(kinds)], self.rows(out)
                with contextlib.suppress(IndexError):  # none has started, or all have ended, just now
                    kill(kind, run.pid)
                    done[kind] += 1
                    here += 1
                if kind == "run":
                    run.wait(PATIENCE_S)
                    if self.rows(out) < before:
                        self.fault(f"{part}: committed rows are gone")
                    run = self.start(study, out)
            self.to_the_end(part, study, out, run)
            shutil.rmtree(out)
        words = ", ".join(f"{number} of a {kind}" for kind, number in done.items())
        again = f", {twice} ended with the same work lost twice" if twice else ""
        return f"{done.total()} kills ({words}) in {chains} directories{again}"

    def reached(self, run: subprocess.Popen[bytes], out: Path, rows: int, started: Callable[[int], bool]) -> bool:
        """Wait until a run has some workers and some rows; False where it ended before."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            if run.poll() is not None:
                return False
            if started(run.pid) and self.rows(out) >= rows:
                return True
            time.sleep(0.05)
        run.kill()
        run.wait()
        self.fault(
            f"hangs at {self.rows(out)} of {self.whole} rows, waited for {rows}:\n{self.said.read_text()[-1500:]}"
        )
        return False

    def told_twice(self, run: subprocess.Popen[bytes]) -> int:
        """Whether a run that ended said the one thing that it may: two workers were lost over the same work."""
        if run.returncode == 1 and "was lost over the same work twice" in " ".join(self.said.read_text().split()):
            return 1
        self.fault(f"status {run.returncode}:\n{self.said.read_text()[-1500:]}")
        return 0

    def to_the_end(self, part: str, study: Path, out: Path, run: subprocess.Popen[bytes]) -> None:
        """Let it end, start it again where it could not, and compare."""
        for _ in range(2):
            if run.wait(PATIENCE_S) == 0:
                break
            self.told_twice(run)
            run = self.start(study, out)
        if run.wait(PATIENCE_S) != 0:
            self.fault(f"{part}: cannot end")
        for name, found, wanted in (
            ("rows", contents(out), contents(self.calm)),
            ("facts", facts(out), facts(self.calm)),
            ("clips", small.files_of(out / "clips"), small.files_of(self.calm / "clips")),
        ):
            there = {key: value for key, value in found.items() if key != MARK}
            if there != wanted:
                self.fault(
                    f"{part}: other {name} than undisturbed in {[k for k in wanted if there.get(k) != wanted[k]][:5]}"
                )
        if left := [name for name in small.leftovers(out) if not name.endswith(MARK)]:
            self.fault(f"{part}: left over: {left}")


def end(pid: int) -> None:
    """Kill -9, where it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def main() -> int:
    """All parts."""
    parser = argparse.ArgumentParser("python -m tests.crash.spread", description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="in all, over the parts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--parts", default=",".join(PARTS))
    args = parser.parse_args()
    parts = args.parts.split(",")
    began = time.monotonic()
    # Ended from outside, nodes and runs are ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="ceq-kills-") as name:
        kills = Kills(Path(name), args.seed)
        print(f"undisturbed: {kills.took:.1f} s, {kills.whole} rows, seed {args.seed}", flush=True)
        for index, part in enumerate(parts):
            share = args.kills // len(parts) + (index < args.kills % len(parts))
            print(f"{part}: {getattr(kills, part)(share)}", flush=True)
    print(f"{len(kills.faults)} faults, {time.monotonic() - began:.0f} s")
    return 1 if kills.faults else 0


if __name__ == "__main__":
    sys.exit(main())
