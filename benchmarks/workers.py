"""What several workers gain, and what handing out costs.

python benchmarks/workers.py [--workers 8] [--pieces 400] [--seconds 0.1]     work that sleeps, on so many processes
python benchmarks/workers.py --study 16 [--rounds 2]                          real models, 16 items of each of two tasks

A study of two tasks in two worker processes of one thread is compared with two runs at the same time, of one task each,
in one process of one thread each: the same trials, in processor seconds from the start of Python to its end, without
the report. "Handing out" is the main process's own processor time inside the executor, measured by the clock of that
process. A side's time counts all its processes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.run import doing

from cascade_equivalence.audio.store import ClipStore
from cascade_equivalence.run.execute import execute
from cascade_equivalence.run.executors import Executor
from cascade_equivalence.run.journal import AnswerRow, Row
from cascade_equivalence.run.plan import Plan
from cascade_equivalence.run.pool import Pool
from cascade_equivalence.run.progress import Silent
from cascade_equivalence.run.run import open_run
from cascade_equivalence.run.work import Work
from cascade_equivalence.run.workers import Processes

TASKS = ("topic", "sentiment")


def timed(workers: int, pieces: int, seconds: float, folder: Path) -> tuple[float, float]:
    """Wall time, and processor time of the main process, of the pieces on so many workers that have started."""
    plan = doing.plan("a")
    store = ClipStore(folder)
    pool = Pool(plan, doing.here(plan, store), Processes(plan, store, ["cpu"] * workers, 1, print, doing.sleep))
    try:
        # Processes start and import before the clock does.
        list(pool.map([doing.piece("a", f"start {i}", 0.5) for i in range(8 * workers)]))
        work = [doing.piece("a", str(i), seconds) for i in range(pieces)]
        before = resource.getrusage(resource.RUSAGE_SELF)
        start = time.perf_counter()
        assert sum(len(rows) for rows in pool.map(work)) == pieces
        wall = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_SELF)
        return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    finally:
        pool.close()


class Clocked:
    """An executor, and the processor seconds of this process that pass inside it."""

    def __init__(self, executor: Executor) -> None:
        self._executor, self.seconds = executor, 0.0

    def map(self, work: Sequence[Work], in_turn: bool = False) -> Iterator[list[Row]]:
        """See `Executor.map`."""
        parts = iter(self._executor.map(work, in_turn))
        while True:
            start = time.process_time()
            rows = next(parts, None)
            self.seconds += time.process_time() - start
            if rows is None:
                return
            yield rows

    def close(self) -> None:
        """See `Executor.close`."""
        self._executor.close()


def carry_out(tasks: Sequence[str], limit: int, workers: int, out: Path) -> dict[str, float]:
    """A study with every kind of arm, in this process, or in so many of one thread; its answers, and the executor's own
    seconds."""
    from cascade_equivalence.study.build import build_plan
    from cascade_equivalence.study.executor import ExecutorSpec, executor_of
    from cascade_equivalence.study.record import record
    from cascade_equivalence.study.spec import load_study

    study, base = load_study(
        {
            "name": "workers",
            "tasks": list(tasks),
            "limit": limit,
            "conditions": ["clean", "babble@5dB"],
            "models": {"llm": {"id": "smollm2-135m", "prompt": "plain"}, "asr-s": {"id": "whisper-base"}},
            "arms": {
                "gold": {"transcript": "gold", "llm": "llm"},
                "cascade-s": {"asr": "asr-s", "llm": "llm"},
                "pocket-frames": {"speech_llm": "pocket-frames"},
            },
            "device": "cpu",
            # Checks have a number of trials of their own, whatever the number of tasks.
            "checks": {"hearing": 0, "repeats": 0, "latency": 0},
        }
    )
    plan = build_plan(study, base, lambda line: None)
    makes = executor_of(ExecutorSpec(workers=workers, threads=1), lambda line: None) if workers else None
    clocks: list[Clocked] = []

    def executor(here: Executor, plan: Plan, store: ClipStore) -> Executor:
        clocks.append(Clocked(makes(here, plan, store) if makes else here))
        return clocks[0]

    with open_run(out, plan, Silent(), executor) as run:
        record(study, plan, run.journal)
        assert execute(run) == 0
        return {"answers": len(run.journal.rows(AnswerRow)), "inside": clocks[0].seconds}


@dataclass(frozen=True, slots=True)
class Side:
    """Of some processes at the same time, each with those it started: answers, the main ones' processor seconds inside
    the executor, all processor seconds, and wall seconds."""

    answers: int
    inside: float
    processor: float
    wall: float


def side(runs: Sequence[tuple[Sequence[str], int]], limit: int, folder: Path) -> Side:
    """Runs at the same time, each of some tasks in so many workers (0: in one process)."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    started = [
        subprocess.Popen(
            [
                *(sys.executable, __file__, "--study", str(limit), "--tasks", *tasks),
                *("--workers", str(workers), "--out", str(folder / f"run{index}")),
            ],
            stdout=subprocess.PIPE,
            env=os.environ | dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
            text=True,
        )
        for index, (tasks, workers) in enumerate(runs)
    ]
    told = [json.loads(process.communicate()[0]) for process in started]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    wall = time.perf_counter() - start
    return Side(sum(t["answers"] for t in told), sum(t["inside"] for t in told), processor, wall)


def compare(limit: int, rounds: int) -> None:
    """Print both sides, in turn."""
    apart, together = [], []
    for number in range(rounds):
        for name, kept, runs in (
            ("two runs", apart, [((task,), 0) for task in TASKS]),
            ("two workers", together, [(TASKS, 2)]),
        ):
            with tempfile.TemporaryDirectory() as folder:
                kept.append(seen := side(runs, limit, Path(folder)))
            print(
                f"round {number + 1}, {name}: {seen.answers} answers, {seen.processor:.1f} s of processor, "
                f"{seen.answers / seen.processor:.3f} answers a second of it, {seen.wall:.1f} s, "
                f"load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
            if name == "two workers":
                print(f"  handing out {seen.inside:.2f} s of processor, {seen.inside / seen.processor:.2%}")
    ratio = sum(one.processor for one in apart) / sum(one.processor for one in together)
    print(f"two workers have {ratio:.1%} of the throughput of two runs, in processor seconds (bar 90 %)")


def main() -> None:
    """Print the speed-up and the executor's own share."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--pieces", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--study", type=int, metavar="ITEMS", help="real models, on so many items of each task")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--tasks", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.tasks:
        print(json.dumps(carry_out(args.tasks, args.study, args.workers, args.out)))
        return
    if args.study:
        compare(args.study, args.rounds)
        return
    with tempfile.TemporaryDirectory() as folder:
        one, _ = timed(1, args.pieces, args.seconds, Path(folder))
        many, own = timed(args.workers, args.pieces, args.seconds, Path(folder))
    print(f"1 worker {one:.2f} s, {args.workers} workers {many:.2f} s: {one / many:.2f}x")
    print(f"handing out: {own:.3f} s of processor time for {args.pieces} pieces, {own / one:.2%} of the work's seconds")


if __name__ == "__main__":
    main()
