"""What was asked of an endpoint in this run, against its limits."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

from cascade_equivalence.systems.remote.endpoint import Endpoint
from cascade_equivalence.systems.remote.faults import InVain


@dataclass(frozen=True, slots=True)
class Used:
    """Tokens of one answer. text, audio: read; audio is None where the server does not count it apart."""

    text: int = 0
    audio: int | None = None
    written: int = 0

    @property
    def read(self) -> int:
        """All tokens read."""
        return self.text + (self.audio or 0)


@dataclass(slots=True)
class Tally:
    """Counts of one endpoint, shared by the threads that ask it.

    requests: sent, repeats included; again: those that were repeats. answered, refused, in_vain: questions. cost: of
    what was answered, by the server's own count of tokens and the study's prices; requests that may have been answered
    unseen count at their estimate. served: what the server said it served → answers. audio_s: seconds of sound in the
    answers for which the server counted audio tokens, `audio_tokens`; deaf: those of them with none. stopped: why
    nothing more is asked, if so.
    """

    endpoint: Endpoint
    requests: int = 0
    again: int = 0
    answered: int = 0
    refused: int = 0
    in_vain: int = 0
    cost: float = 0.0
    audio_s: float = 0.0
    audio_tokens: int = 0
    deaf: int = 0
    served: Counter[str] = field(default_factory=Counter)
    last_trouble: str = ""
    stopped: str | None = None
    _reserved: float = 0.0
    _in_a_row: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def begin(self, estimate: float, again: bool) -> None:
        """Count a request that is about to be sent and set `estimate` dollars aside. Raises `InVain` over a limit."""
        most, dearest = self.endpoint.max_requests, self.endpoint.max_cost
        with self._lock:
            if self.stopped is None and most is not None and self.requests >= most:
                self.stopped = f"max_requests: {most} requests were sent"
            if self.stopped is None and dearest is not None and self.cost + self._reserved + estimate > dearest:
                self.stopped = (
                    f"max_cost: the next request may bring the cost above ${dearest:g} (now ${self.cost:.4f})"
                )
            if self.stopped is not None:
                raise InVain(self.stopped)
            self.requests += 1
            self.again += again
            self._reserved += estimate

    def end(self, estimate: float, spent: float) -> None:
        """Count what a request cost in the end."""
        with self._lock:
            self._reserved -= estimate
            self.cost += spent

    def answer(self, used: Used, served: str | None, seconds: float) -> None:
        """Count an answer; seconds: of the sound that it was given, 0 for none."""
        with self._lock:
            self.answered += 1
            self._in_a_row = 0
            if served:
                self.served[served] += 1
            if seconds and used.audio is not None:
                self.audio_s += seconds
                self.audio_tokens += used.audio
                self.deaf += used.audio == 0

    def refusal(self) -> None:
        """Count a question that the server will not answer."""
        with self._lock:
            self.refused += 1
            self._in_a_row = 0

    def failure(self, reason: str) -> None:
        """Count a question asked in vain; after many in a row the endpoint is given up."""
        with self._lock:
            self.in_vain += 1
            if self.stopped is None:
                self.last_trouble = reason
                self._in_a_row += 1
                if self._in_a_row >= max(10, 2 * self.endpoint.parallel):
                    self.stopped = f"{self._in_a_row} questions in a row were asked in vain; the last: {reason}"

    def words(self) -> str:
        """One line for the run's end."""
        parts = [f"{self.endpoint.name}: {self.requests} requests"]
        parts += [f"{self.again} of them asked again after a fault"] if self.again else []
        parts += [f"{self.refused} refused"] if self.refused else []
        parts += [f"no audio tokens counted in {self.deaf} answers to sound"] if self.deaf else []
        parts += [f"about ${self.cost:.2f}"] if self.endpoint.prices else []
        parts += (
            [f"{self.in_vain} questions without an answer ({self.stopped or self.last_trouble})"]
            if self.in_vain
            else []
        )
        return ", ".join(parts)
