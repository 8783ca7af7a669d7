"""Batches that do not fit are halved; what never fits says so."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from cascade_equivalence.errors import RunError
from cascade_equivalence.run.batching import chunks, halving


def test_chunks_keep_order_and_lose_nothing() -> None:
    assert [list(c) for c in chunks(range(7), 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(chunks([], 3)) == []


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError])
def test_out_of_memory_halves_until_it_fits(error: type[Exception]) -> None:
    sizes = []

    def work(batch: Sequence[int]) -> list[int]:
        sizes.append(len(batch))
        if len(batch) > 2:
            raise error("no room")
        return [10 * x for x in batch]

    found = halving(work, list(range(7)))
    assert [result for result, _, _ in found] == [10 * x for x in range(7)]
    assert [size for _, _, size in found] == [1, 2, 2, 2, 2, 2, 2]
    assert sizes[0] == 7
    assert all(seconds >= 0 for _, seconds, _ in found)


def test_a_single_trial_that_does_not_fit_is_an_error() -> None:
    def work(batch: Sequence[int]) -> list[int]:
        raise MemoryError("no room")

    with pytest.raises(RunError, match="out of memory on a single trial"):
        halving(work, [1, 2])


def test_other_errors_are_not_swallowed() -> None:
    def work(batch: Sequence[int]) -> list[int]:
        raise ValueError("bug")

    with pytest.raises(ValueError, match="bug"):
        halving(work, [1])
