from itertools import combinations, pairwise

import numpy as np
import pytest
from training.alignment import align


def best_by_hand(logprobs: np.ndarray, target: list[int]) -> float:
    """Score of the best path, by trying every way to stretch the target over the time."""
    time, n = len(logprobs), len(target)
    best = -np.inf
    # A path is given by where each token starts and stops; blanks fill the rest.
    for starts in combinations(range(time), n):
        stops = [*starts[1:], time]

        def extend(k: int, score: float, starts: tuple[int, ...] = starts, stops: list[int] = stops) -> None:
            nonlocal best
            if k == n:
                best = max(best, score)
                return
            for end in range(starts[k] + 1, stops[k] + 1):
                gap = stops[k] - end
                if k + 1 < n and gap == 0 and target[k] == target[k + 1]:
                    continue
                run = logprobs[starts[k] : end, target[k]].sum() + logprobs[end : stops[k], 0].sum()
                extend(k + 1, score + run)

        extend(0, logprobs[: starts[0], 0].sum())
    return best


@pytest.mark.parametrize("target", [[1], [1, 2], [2, 2], [1, 2, 1], [3, 3, 3]])
def test_the_path_is_the_best_of_all(target: list[int]) -> None:
    rng = np.random.default_rng(len(target))
    for _ in range(5):
        raw = rng.normal(size=(6, 4)) * 2
        logprobs = (raw - np.log(np.exp(raw).sum(1, keepdims=True))).astype(np.float32)
        spots = align(logprobs, target)
        assert all(a < b for a, b in pairwise(spots))
        # The positions it names are on a best path: forcing the tokens there costs nothing.
        forced = logprobs.copy()
        for spot, token in zip(spots, target, strict=True):
            others = [k for k in range(4) if k != token]
            forced[spot, others] = -1e9
        assert best_by_hand(forced, target) == pytest.approx(best_by_hand(logprobs, target), abs=1e-4)


def test_what_does_not_fit_is_an_error() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        align(np.zeros((3, 4), np.float32), [1, 1, 1])
