"""Conditions by what they are for: controls, and sweeps over levels of one noise."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cascade_equivalence.study.records import TaskRecord

CLEAN = "clean"
CONTROLS = ("silence", "swap", "no-audio")

_LEVEL = re.compile(r"(?P<kind>(?:.*\+)?(?:babble|noise)(?::[^@+]+)?)@(?P<value>-?\d+(?:\.\d+)?)dB")


def is_control(condition: str) -> bool:
    """Whether the item's own sound is taken away: nothing that is heard then could help."""
    return any(step.strip() in CONTROLS for step in condition.split("+"))


def level_of(condition: str) -> tuple[str, float] | None:
    """(kind of noise, SNR in dB) where the last step is noise at a level: `reverb@0.6s+babble@5dB` too."""
    match = None if is_control(condition) else _LEVEL.fullmatch(condition)
    return (match["kind"], float(match["value"])) if match else None


@dataclass(frozen=True, slots=True)
class Sweep:
    """One kind of noise at several levels, from high SNR to low."""

    kind: str
    conditions: tuple[str, ...]
    snr: tuple[float, ...]


def sweeps(conditions: Sequence[str]) -> tuple[Sweep, ...]:
    """The kinds of noise that stand there at two levels or more."""
    levels: dict[str, dict[float, str]] = {}
    for condition in conditions:
        if found := level_of(condition):
            levels.setdefault(found[0], {}).setdefault(found[1], condition)
    return tuple(
        Sweep(kind, tuple(found[x] for x in sorted(found, reverse=True)), tuple(sorted(found, reverse=True)))
        for kind, found in levels.items()
        if len(found) > 1
    )


def heard_conditions(tasks: Sequence[TaskRecord]) -> tuple[str, ...]:
    """The conditions of any of the tasks that are no controls, in the order of the study."""
    return tuple(dict.fromkeys(c for task in tasks for c in task.conditions if not is_control(c)))
