"""How long to wait before asking again."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class Patience:
    """Doubling pauses with jitter; a server's Retry-After is honoured up to `longest_asked_s`."""

    first_s: float = 1.0
    longest_s: float = 60.0
    longest_asked_s: float = 600.0

    def pause(self, attempt: int, asked_s: float | None, seed: str) -> float | None:
        """Seconds before attempt `attempt` + 1 (counted from 1); None if the server asks for more than is waited.

        The jitter comes from `seed`, so that requests that failed together do not come back together.
        """
        jitter = random.Random(f"{seed}:{attempt}").uniform(0.5, 1.0)
        if asked_s is not None:
            return None if asked_s > self.longest_asked_s else asked_s + jitter * min(1.0, self.first_s)
        return jitter * min(self.longest_s, self.first_s * 2.0 ** (attempt - 1))


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that a Retry-After header asks for, in either of its forms (RFC 9110 §10.2.3); None without one."""
    if milliseconds := headers.get("retry-after-ms"):
        return _number(milliseconds, 1e-3)
    text = headers.get("retry-after")
    if not text:
        return None
    if (seconds := _number(text, 1.0)) is not None:
        return seconds
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - (now or datetime.now(UTC))).total_seconds())


def _number(text: str, unit: float) -> float | None:
    try:
        value = float(text) * unit
    except ValueError:
        return None
    return value if 0 <= value < 1e9 else None
