"""Estimates as the text of a table's cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cascade_equivalence.report import numbers
from cascade_equivalence.study.mechanism.facts import R2Fact


def estimate(value: float | None, low: float | None, high: float | None) -> str:
    """`0.55 (0.50–0.60)`; without limits the value alone."""
    if value is None:
        return numbers.UNDEFINED
    text = numbers.coefficient(value)
    if low is None or high is None:
        return text
    to = " to " if low < 0 else "–"
    return f"{text} ({numbers.coefficient(low)}{to}{numbers.coefficient(high)})"


def interval(found: Any) -> str:
    """A coefficient with its limits."""
    return estimate(found.value, found.low, found.high)


def multiple(found: Any) -> str:
    """A multiple: two decimals near 1, two figures where it is large."""
    if found.value is None:
        return numbers.UNDEFINED
    said = [f"{v:.2f}" if v < 10 else f"{float(f'{v:.2g}'):,.0f}" for v in (found.value, found.low, found.high)]
    return f"{said[0]} ({said[1]}–{said[2]})".replace(",", "\N{NARROW NO-BREAK SPACE}")


def r2(probe: R2Fact | None) -> str:
    """R² of a probe with its limits."""
    return numbers.UNDEFINED if probe is None else estimate(probe.r2, probe.low, probe.high)


def share(found: Any) -> str:
    """A percentage with its limits."""
    if found.value is None:
        return numbers.UNDEFINED
    return f"{numbers.percent(found.value)} ({numbers.limits(found, 'percent')})"


def between(shares: Sequence[float]) -> str:
    """The least and the greatest percentage."""
    return f"{numbers.percent(min(shares))}–{numbers.percent(max(shares))}"


def layers(places: Sequence[int]) -> str:
    """`0, 4 and 8`."""
    return numbers.listed([str(place) for place in places])
