"""A study laid over the preset that it extends."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from cascade_equivalence.errors import UsageError

MERGED = ("models", "arms")
"""The keys that are merged by name; all others replace the preset's."""


def laid_over(preset: Mapping[str, Any], over: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The preset's keys with those of `over` in place of them; `models` and `arms` entry by entry.

    An entry replaces the preset's of its name as a whole, null drops it, and a list of names in place of the mapping
    keeps those alone. Raises `UsageError` for a name that the preset has not.
    """
    merged = {
        key: _entries(key, dict(preset[key]), over[key], where) for key in MERGED if key in over and key in preset
    }
    return {**preset, **over, **merged}


def _entries(key: str, there: dict[str, Any], over: Any, where: str) -> Any:
    if isinstance(over, list) and all(isinstance(name, str) for name in over):
        for name in over:
            _known(key, name, there, where)
        return {name: there[name] for name in over}
    if not isinstance(over, Mapping):
        return over
    for name, entry in over.items():
        if entry is None:
            _known(key, name, there, where)
    return {name: entry for name, entry in {**there, **over}.items() if entry is not None}


def _known(key: str, name: str, there: Mapping[str, Any], where: str) -> None:
    if name not in there:
        close = difflib.get_close_matches(str(name), there, 1)
        hint = f" (did you mean '{close[0]}'?)" if close else ""
        raise UsageError(f"{where}: {key}: the preset has no '{name}'{hint}; it has: {', '.join(there)}")
