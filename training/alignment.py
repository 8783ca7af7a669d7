"""Where each token of a CTC target stands: the best path through given posteriors (Graves et al. 2006)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def align(logprobs: NDArray[np.float32], target: Sequence[int]) -> NDArray[np.int64]:
    """Best position of each target entry: logprobs (time, entries), blank 0; returns increasing positions, (targets,).

    Raises `ValueError` if the target does not fit into the time.
    """
    time, n = len(logprobs), len(target)
    if not time:
        raise ValueError(f"{n} tokens do not fit into 0 positions")
    labels = np.zeros(2 * n + 1, dtype=np.int64)
    labels[1::2] = target
    skip = np.zeros(2 * n + 1, dtype=bool)
    skip[3::2] = labels[3::2] != labels[1:-2:2]
    emit = logprobs[:, labels]
    score = np.full(2 * n + 1, -np.inf)
    score[:2] = emit[0, :2]
    came = np.zeros((time, 2 * n + 1), dtype=np.int8)
    for t in range(1, time):
        one = np.concatenate([[-np.inf], score[:-1]])
        two = np.where(skip, np.concatenate([[-np.inf, -np.inf], score[:-2]])[: 2 * n + 1], -np.inf)
        options = np.stack([score, one, two])
        came[t] = options.argmax(0)
        score = options.max(0) + emit[t]
    state = 2 * n if score[2 * n] >= score[2 * n - 1] else 2 * n - 1
    if not np.isfinite(score[state]):
        raise ValueError(f"{n} tokens do not fit into {time} positions")
    path = np.zeros(time, dtype=np.int64)
    for t in range(time - 1, -1, -1):
        path[t] = state
        state -= came[t, state]
    best = np.zeros(n, dtype=np.int64)
    for k in range(n):
        here = np.flatnonzero(path == 2 * k + 1)
        best[k] = here[emit[here, 2 * k + 1].argmax()]
    return best
