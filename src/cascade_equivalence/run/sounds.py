"""Which trial a sound belongs to: how answers that lie in a file are found."""

from __future__ import annotations

from collections.abc import Mapping

from cascade_equivalence.run.journal import ClipRow, Journal
from cascade_equivalence.run.plan import Plan
from cascade_equivalence.systems.remote.predictions import Trial, Where


def sounds_of(plan: Plan, journal: Journal) -> dict[Trial, str | None]:
    """Task, item and condition → hash of the clip that is heard there; None where nothing is."""
    trials = [(task, trial) for task in plan.tasks for trial in plan.trials(task)]
    keys = [plan.clip_key(trial.sound, trial.condition) if trial.sound else None for _, trial in trials]
    clips = journal.rows(ClipRow, {key for key in keys if key})
    return {
        (task.name, trial.item.id, trial.condition.name): clips[key].sha256 if key else None
        for (task, trial), key in zip(trials, keys, strict=True)
        if key is None or key in clips
    }


def conditions_by_sound(sounds: Mapping[Trial, str | None]) -> Where:
    """The same by task, item and sound."""
    found: dict[tuple[str, str, str | None], list[str]] = {}
    for (task, item, condition), sound in sounds.items():
        found.setdefault((task, item, sound), []).append(condition)
    return found


def trials_by_sound(sounds: Mapping[Trial, str | None]) -> dict[str, list[Trial]]:
    """The same by sound alone."""
    found: dict[str, list[Trial]] = {}
    for trial, sound in sounds.items():
        if sound is not None:
            found.setdefault(sound, []).append(trial)
    return found
