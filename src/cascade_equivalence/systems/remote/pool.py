"""Many questions at a time, each result handed over as it comes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

R = TypeVar("R")
Result = tuple[int, R | None, BaseException | None]
"""Index (−1: a worker has ended), result, error."""


def in_parallel(work: Callable[[int, threading.Event], R], count: int, parallel: int) -> Iterator[tuple[int, R]]:
    """`work(index, stop)` for every index below `count`, at most `parallel` at a time; yields (index, result).

    Results come in any order, each once. If work raises, nothing new is begun, what was under way is still handed
    over, and then the error is raised. If the caller stops listening, `stop` is set: work that waits should give up.
    """
    stop, begun = threading.Event(), iter(range(count))
    lock = threading.Lock()
    # Bounded, so that a slow listener holds the questions back instead of piling up answers.
    done: queue.Queue[Result[R]] = queue.Queue(max(1, parallel))
    failed = threading.Event()

    def worker() -> None:
        while not stop.is_set() and not failed.is_set():
            with lock:
                index = next(begun, None)
            if index is None:
                break
            try:
                result: Result[R] = (index, work(index, stop), None)
            except BaseException as error:  # handed to the caller's thread
                failed.set()
                result = (index, None, error)
            _put(done, result, stop)
        _put(done, (-1, None, None), stop)

    threads = [threading.Thread(target=worker, daemon=True) for _ in range(min(parallel, count))]
    for thread in threads:
        thread.start()
    running, raised = len(threads), None
    try:
        while running:
            index, result, error = done.get()
            if error is not None:
                raised = raised or error
            elif index < 0:
                running -= 1
            else:
                yield index, result  # type: ignore[misc]
    finally:
        stop.set()
    if raised is not None:
        raise raised


def _put(done: queue.Queue[Result[R]], result: Result[R], stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            done.put(result, timeout=0.2)
        except queue.Full:
            continue
        return
