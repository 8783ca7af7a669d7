"""Batches that do not fit are halved; what never fits says so."""

from __future__ import annotations

import weakref
from collections.abc import Sequence

import pytest
import torch

from cascade_equivalence.errors import ModelError, RunError
from cascade_equivalence.run.batching import Fits, chunks, device_errors, halving


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
    assert [size for _, _, size in found] == [2, 2, 2, 2, 2, 2, 1]
    assert sizes == [7, 4, 2, 2, 2, 1]
    assert all(seconds >= 0 for _, seconds, _ in found)


def test_the_size_that_fitted_is_remembered() -> None:
    sizes, fits = [], Fits()

    def work(batch: Sequence[int]) -> list[int]:
        sizes.append(len(batch))
        if len(batch) > 3:
            raise torch.OutOfMemoryError("no room")
        return list(batch)

    for start in range(3):
        assert [r for r, _, _ in halving(work, range(start, start + 16), fits)] == list(range(start, start + 16))
    assert [size for size in sizes if size > 3] == [16, 8, 4]


def test_what_a_failed_batch_held_is_free_before_the_next_try() -> None:
    """As on a device: the parts of a batch fit only once nothing of the failed one is alive."""
    alive: list[weakref.ref[Held]] = []

    class Held:
        """Stands for what a forward pass allocates."""

    def work(batch: Sequence[int]) -> list[int]:
        if any(ref() is not None for ref in alive):
            raise AssertionError("the failed batch is still held")
        held = [Held() for _ in batch]
        alive.extend(weakref.ref(one) for one in held)
        if len(batch) > 8:
            raise torch.OutOfMemoryError("no room")
        del held
        return list(batch)

    assert len(halving(work, range(16))) == 16


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (AssertionError("Torch not compiled with CUDA enabled"), "not compiled with CUDA"),
        (RuntimeError("CUDA error: device-side assert triggered"), "device-side assert"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "does not fit in memory"),
        (MemoryError(), "does not fit in memory"),
    ],
)
def test_a_devices_errors_are_ours(error: Exception, said: str) -> None:
    with pytest.raises(ModelError, match=said), device_errors("model 'llm'"):
        raise error


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
