"""Durations for a person."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """A duration in the unit that suits it: `66 s`, `12 min`, `3.4 h`; never 0 s."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
