"""What several workers gain, and what handing out costs: work that sleeps, done by real worker processes.

python benchmarks/workers.py [--workers 8] [--pieces 400] [--seconds 0.1]
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.run import doing

from cascade_equivalence.audio.store import ClipStore
from cascade_equivalence.run.pool import Pool
from cascade_equivalence.run.workers import Processes


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


def main() -> None:
    """Print the speed-up and the executor's own share."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--pieces", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=0.1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        one, _ = timed(1, args.pieces, args.seconds, Path(folder))
        many, own = timed(args.workers, args.pieces, args.seconds, Path(folder))
    print(f"1 worker {one:.2f} s, {args.workers} workers {many:.2f} s: {one / many:.2f}x")
    print(f"handing out: {own:.3f} s of processor time for {args.pieces} pieces, {own / one:.2%} of the work's seconds")


if __name__ == "__main__":
    main()
