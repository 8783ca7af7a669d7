"""Batches: cut in order, timed, halved when memory runs out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from cascade_equivalence.errors import RunError

T = TypeVar("T")
R = TypeVar("R")


def chunks(values: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    """Consecutive parts of `size`."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def halving(work: Callable[[Sequence[T]], Sequence[R]], batch: Sequence[T]) -> list[tuple[R, float, int]]:
    """Run `work` on a batch, on its halves if memory runs out.

    Returns for each element its result, the batch's seconds divided by its size, and that size. Raises `RunError` if a
    single element does not fit.
    """
    import torch

    start = time.perf_counter()
    try:
        results = work(batch)
    except (torch.OutOfMemoryError, MemoryError) as error:
        if len(batch) == 1:
            raise RunError(f"out of memory on a single trial ({error}); use a smaller model or dtype") from None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        middle = len(batch) // 2
        return halving(work, batch[:middle]) + halving(work, batch[middle:])
    each = (time.perf_counter() - start) / len(batch)
    return [(result, each, len(batch)) for result in results]
