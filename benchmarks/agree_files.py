"""`ceq agree` on two prediction files: wall time from start to end, start-up included, and peak memory.

    python benchmarks/agree_files.py

10,000 rows with 10,000 resamples, with another cascade as the ceiling and without (bar 1 s), 1,000,000 rows with 1,000
resamples (bar 60 s and 2 GiB), and 10,000 rows in 2,000 groups (no bar). Beside it, the time to import
numpy and scipy.special alone and to parse the same rows with `json.loads`. Exit status 1 if a bar is missed.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

WORDS = ["World", "Sports", "Business", "Sci/Tech"]
RUN = (
    "import argparse, sys; from cascade_equivalence.commands import agree; p = argparse.ArgumentParser();"
    "agree.add_arguments(p); sys.exit(agree.main(p.parse_args()))"
)


def write(folder, rows, groups=None):
    rng = np.random.default_rng(0)
    gold = rng.integers(4, size=rows)
    left = np.where(rng.random(rows) < 0.85, gold, rng.integers(4, size=rows))
    right = np.where(rng.random(rows) < 0.95, left, rng.integers(4, size=rows))
    paths = []
    other = np.where(rng.random(rows) < 0.95, right, rng.integers(4, size=rows))
    for name, labels in (("left", left), ("right", right), ("other", other)):
        path = folder / f"{name}-{rows}-{groups}.jsonl"
        with path.open("w") as stream:
            for i in range(rows):
                row = {"id": f"item-{i:07d}", "prediction": WORDS[labels[i]], "label": WORDS[gold[i]]}
                if groups:
                    row["group"] = f"g{i % groups}"
                stream.write(json.dumps(row) + "\n")
        paths.append(str(path))
    return paths


def timed(*words):
    start = time.perf_counter()
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, *words],
        {**os.environ, "OMP_NUM_THREADS": "1"},
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise SystemExit(f"{words} failed")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20


def main():
    missed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        imports = timed("-c", "import numpy, scipy.special")
        print(f"imports alone (numpy, scipy.special): {imports[0]:.2f} s")
        for rows, groups, resamples, seconds, ceiling in (
            (10_000, None, 10_000, 1.0, False),
            (10_000, None, 10_000, 1.0, True),
            (10_000, 2000, 10_000, None, False),
            (1_000_000, None, 1000, 60.0, False),
        ):
            *files, other = write(folder, rows, groups)
            more = ["--other-cascade", other] if ceiling else []
            start = time.perf_counter()
            for path in files:
                with Path(path).open() as stream:
                    for line in stream:
                        json.loads(line)
            parse = time.perf_counter() - start
            wall, cpu, peak = timed("-c", RUN, *files, *more, "--json", "--resamples", str(resamples))
            bar = "no bar" if seconds is None else f"bar {seconds:g} s"
            missed += seconds is not None and (wall > seconds or peak > 2)
            what = f"{rows} rows{f' in {groups} groups' if groups else ''}{', ceiling' if ceiling else ''}"
            print(
                f"{what}, {resamples} resamples: {wall:.2f} s "
                f"({bar}; {cpu:.2f} s of processor), peak {peak:.2f} GiB; parsing alone {parse:.2f} s"
            )
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
