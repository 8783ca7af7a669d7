"""One question to an endpoint: within its limits, with patience, on whichever of its servers is free."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from cascade_equivalence.systems.remote.endpoint import Endpoint
from cascade_equivalence.systems.remote.faults import InVain, Trouble
from cascade_equivalence.systems.remote.patience import Patience
from cascade_equivalence.systems.remote.tally import Tally, Used

T = TypeVar("T")


@dataclass(slots=True)
class Asking:
    """Sends requests by a `call` that knows the protocol, and repeats them.

    A server that asks to wait is left alone by all threads until then; a request that fails goes on to another one of
    the endpoint's servers.
    """

    endpoint: Endpoint
    tally: Tally
    patience: Patience = field(default_factory=Patience)
    _busy: dict[str, int] = field(default_factory=dict)
    _not_before: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, call: Callable[[str], tuple[T, Used]], estimate: float, seed: str, stop: threading.Event) -> T:
        """What `call(url)` returns at last, with the tokens it used.

        Raises what `call` raises (`Refusal`, `ModelError`), but `Trouble` only after all attempts, as `InVain`, whose
        message holds no key.
        """
        reason, url = "", None
        for attempt in range(1, self.endpoint.attempts + 1):
            url = self._server(other_than=url)
            self._hold(url, stop)
            self.tally.begin(estimate, again=attempt > 1)
            spent = 0.0
            try:
                with self._using(url):
                    result, used = call(url)
                spent = self._cost(used)
                return result
            except Trouble as trouble:
                spent = estimate if trouble.billed else 0.0
                reason = self.endpoint.key.redact(str(trouble))
                pause = self.patience.pause(attempt, trouble.wait_s, seed)
                if pause is None:
                    raise InVain(f"{reason}; the server asks to wait {trouble.wait_s:.0f} s") from None
                if trouble.wait_s is not None:
                    with self._lock:
                        self._not_before[url] = max(self._not_before.get(url, 0.0), time.monotonic() + trouble.wait_s)
            finally:
                self.tally.end(estimate, spent)
            if attempt < self.endpoint.attempts and stop.wait(pause):
                raise InVain("stopped")
        raise InVain(f"{reason} ({self.endpoint.attempts} attempts)")

    def _cost(self, used: Used) -> float:
        prices = self.endpoint.prices
        return prices.of(used.text, used.audio or 0, used.written) if prices else 0.0

    def _server(self, other_than: str | None) -> str:
        """The least busy server that need not wait; after a failure another one, if there is one."""
        urls = self.endpoint.urls or ("",)
        with self._lock:
            choice = [url for url in urls if url != other_than] or urls
            now = time.monotonic()
            return min(choice, key=lambda url: (max(0.0, self._not_before.get(url, 0.0) - now), self._busy.get(url, 0)))

    def _hold(self, url: str, stop: threading.Event) -> None:
        wait = self._not_before.get(url, 0.0) - time.monotonic()
        if wait > 0 and stop.wait(wait):
            raise InVain("stopped")

    @contextmanager
    def _using(self, url: str) -> Iterator[None]:
        with self._lock:
            self._busy[url] = self._busy.get(url, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                self._busy[url] -= 1
