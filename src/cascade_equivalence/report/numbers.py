"""Numbers as text. One place, so that the terminal and the HTML report round alike; undefined is always an en dash."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, Protocol

UNDEFINED = "–"
MINUS = "\N{MINUS SIGN}"

Kind = Literal["percent", "points", "coefficient"]


class Limits(Protocol):
    """Whatever has two limits."""

    @property
    def low(self) -> float | None:
        """Lower limit, None where it is not defined."""

    @property
    def high(self) -> float | None:
        """Upper limit, None where it is not defined."""


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage, without the sign: `91.7`."""
    return UNDEFINED if share is None else _signed(f"{_half_up(100 * share, digits):.{digits}f}")


def points(share: float | None) -> str:
    """A difference of shares in percentage points, always with its sign: `+4.2`."""
    return UNDEFINED if share is None else _signed(f"{_half_up(100 * share, 1):+.1f}")


def _half_up(value: float, digits: int) -> float:
    """Rounded as people do, away from zero: a difference of two shares is then what is seen between them."""
    scale: float = 10.0**digits
    return math.copysign(math.floor(abs(value) * scale + 0.5 + 1e-9) / scale, value)


def coefficient(value: float | None) -> str:
    """A coefficient with two digits, three where two would round to a 1 that it is not."""
    if value is None:
        return UNDEFINED
    digits = 3 if 0.995 <= abs(value) < 1 else 2
    return _signed(f"{value:.{digits}f}")


def p_value(p: float | None) -> str:
    """A p-value: `0.034`, `< 0.001`."""
    if p is None:
        return UNDEFINED
    return "< 0.001" if p < 0.001 else f"{p:.2f}" if p >= 0.095 else f"{p:.3f}"


def seconds(value: float | None) -> str:
    """Seconds with two significant digits below 10."""
    if value is None:
        return UNDEFINED
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def level(decibels: float, digits: int = 1) -> str:
    """A level in dB; `digits` behind the point, 0: as many as it needs."""
    return _signed(f"{decibels:.{digits}f}" if digits else f"{decibels:g}")


def limits(interval: Limits, kind: Kind = "coefficient") -> str:
    """The two limits of an interval: `46.7–82.0`, `−16.7 to +6.4`."""
    if interval.low is None or interval.high is None:
        return UNDEFINED
    write = {"percent": percent, "points": points, "coefficient": coefficient}[kind]
    between = " to " if kind == "points" or interval.low < 0 else "–"
    return f"{write(interval.low)}{between}{write(interval.high)}"


def count(n: int, wanted: int) -> str:
    """The number of items; `n of m` where a cell is not finished."""
    return str(n) if n >= wanted else f"{n} of {wanted}"


def fingerprint(weights: str | None) -> str:
    """The first 12 hex digits of a weights fingerprint."""
    return weights[:12] if weights else UNDEFINED


def listed(words: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else ""


def plural(n: int, noun: str) -> str:
    """`1 item`, `24 items`."""
    return f"{grouped(n)} {noun}{'' if n == 1 else 's'}"


def adjusted(n: int) -> str:
    """What stands behind the number of primary verdicts: one alone has nothing to be adjusted for."""
    return "" if n == 1 else " adjusted for their number (Benjamini–Hochberg)"


def grouped(n: int) -> str:
    """A whole number with its thousands set apart."""
    return f"{n:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def rough(n: int) -> str:
    """A whole number in few characters: `426`, `36k`."""
    return str(n) if n < 10_000 else f"{n / 1000:.0f}k"


def capital(text: str) -> str:
    """The text as the beginning of a sentence."""
    return text[:1].upper() + text[1:]


def _signed(text: str) -> str:
    """A true minus; and a zero without a sign."""
    if text.lstrip("+-").strip("0.") == "":
        text = text.lstrip("+-")
    return text.replace("-", MINUS)
