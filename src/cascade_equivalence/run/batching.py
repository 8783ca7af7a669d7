"""Batches: cut in order, timed, halved when memory runs out; device errors in our own words."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from cascade_equivalence.errors import ModelError, RunError

T = TypeVar("T")
R = TypeVar("R")


def chunks(values: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    """Consecutive parts of `size`."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


@dataclass(slots=True)
class Fits:
    """The largest batch of a model that memory has held, once one was too large; None before."""

    size: int | None = None


def halving(
    work: Callable[[Sequence[T]], Sequence[R]], batch: Sequence[T], fits: Fits | None = None
) -> list[tuple[R, float, int]]:
    """Run `work` on a batch, in smaller parts if memory runs out.

    fits: what is known of the model from batches before, and learns from this one. Returns for each element its
    result, the part's seconds divided by its size, and that size. Raises `RunError` if a single element does not fit.
    """
    fits = fits if fits is not None else Fits()
    done: list[tuple[R, float, int]] = []
    while len(done) < len(batch):
        part = batch[len(done) : len(done) + (fits.size or len(batch))]
        start = time.perf_counter()
        results = _fitting(work, part)
        if results is None:
            if len(part) == 1:
                raise RunError("out of memory on a single trial; use a smaller model or dtype, or another device")
            # Only here, after the failed call's frames are gone, can what they held be freed.
            release_memory()
            fits.size = (len(part) + 1) // 2
            continue
        each = (time.perf_counter() - start) / len(part)
        done += [(result, each, len(part)) for result in results]
    return done


def _fitting(work: Callable[[Sequence[T]], Sequence[R]], part: Sequence[T]) -> Sequence[R] | None:
    """The results, or None where memory ran out."""
    with device_errors():
        try:
            return work(part)
        except MemoryError:
            return None
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            return None


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, the device's or the machine's."""
    said = str(error).lower()
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or any(
        text in said for text in ("out of memory", "can't allocate memory", "cannot allocate memory", "std::bad_alloc")
    )


def release_memory() -> None:
    """Give back what nothing holds any more, to the machine and to the device."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextmanager
def device_errors(what: str = "the model") -> Iterator[None]:
    """Errors of a device as `ModelError`: memory that a load does not find, a device that is not there, a driver's."""
    try:
        yield
    except MemoryError:
        raise ModelError(f"{what} does not fit in memory; use a smaller model, dtype or another device") from None
    except (RuntimeError, AssertionError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if out_of_memory(error):
            raise ModelError(f"{what} does not fit in memory ({first}); use a smaller model, dtype or device") from None
        if any(word in str(error) for word in ("CUDA", "cuda", "MPS", "HIP", "device-side", "NVIDIA", "cuDNN")):
            raise ModelError(f"the device fails under {what}: {first}") from None
        raise
