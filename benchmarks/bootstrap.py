"""10,000 resamples of κ, error overlap and accuracy difference for all 36 pairs of 9 arms on 6 tasks.

    python benchmarks/bootstrap.py

Against a loop over scikit-learn's `cohen_kappa_score` on the same weights, timed on a subset and extrapolated
(the loop gives κ alone). Both run in this process, one thread. Exit status 1 if a bar is missed.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import resource
import sys
import time
from itertools import combinations

import numpy as np
from sklearn.metrics import cohen_kappa_score

from cascade_equivalence.agreement import Resamples, compare
from cascade_equivalence.agreement.planted import cascade_answers, flip

TASKS, ARMS, ITEMS, RESAMPLES = 6, 9, 1050, 10_000
LOOP = 2000  # calls of scikit-learn that are timed
CHECKED = 200  # replicates whose values are compared


def task(number):
    rng = np.random.default_rng(number)
    classes = (4, 2, 5, 7, 2, 4)[number]
    gold = rng.integers(classes, size=ITEMS)
    base = cascade_answers(rng, gold, 0.85, classes)
    return classes, gold, [flip(rng, base, 0.02 * arm, classes) for arm in range(ARMS)]


def main():
    tasks = [task(number) for number in range(TASKS)]
    pairs = list(combinations(range(ARMS), 2))
    compare(tasks[0][2][0], tasks[0][2][1], tasks[0][1], classes=4)  # imports and first calls are not timed

    # The loop first, on the weights of the first task, so that the values can be compared afterwards.
    classes, gold, arms = tasks[0]
    weights = Resamples.draw(ITEMS, resamples=RESAMPLES, seed=0)
    drawn = np.concatenate(list(weights.blocks())).astype(np.float64)
    start = time.perf_counter()
    for i in range(LOOP):
        a, b = pairs[i % len(pairs)]
        cohen_kappa_score(arms[a], arms[b], sample_weight=drawn[i])
    per_call = (time.perf_counter() - start) / LOOP
    loop = per_call * RESAMPLES * len(pairs) * TASKS

    start = time.perf_counter()
    kept = None
    for number, (classes, gold, arms) in enumerate(tasks):
        weights = Resamples.draw(ITEMS, resamples=RESAMPLES, seed=number)
        for a, b in pairs:
            pair = compare(arms[a], arms[b], gold, classes=classes, weights=weights)
            if number == 0 and (a, b) == pairs[0]:
                kept = pair.replicates.kappa
    ours = time.perf_counter() - start

    classes, gold, arms = tasks[0]
    a, b = pairs[0]
    error = max(abs(kept[i] - cohen_kappa_score(arms[a], arms[b], sample_weight=drawn[i])) for i in range(CHECKED))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    ratio = loop / ours
    print(f"scikit-learn loop: {1e3 * per_call:.3f} ms a call, {loop:.0f} s for κ alone (extrapolated)")
    print(f"compare:           {ours:.2f} s for everything, {1e3 * ours / TASKS / len(pairs):.1f} ms a pair")
    print(f"ratio {ratio:.0f}× (bar 100×), largest difference {error:.1e} (bar 1e-12), peak {peak:.2f} GiB (bar 2)")
    return 0 if ratio >= 100 and error <= 1e-12 and peak < 2 else 1


if __name__ == "__main__":
    sys.exit(main())
