"""Answers that a run ends without, by what they lack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cascade_equivalence.run.plan import FileModel, Plan


@dataclass(frozen=True, slots=True)
class Missing:
    """in_vain: asked for and not got. unpredicted: file of predictions or transcripts → answers that it lacks."""

    in_vain: int
    unpredicted: Mapping[str, int]

    @property
    def total(self) -> int:
        """All of them."""
        return self.in_vain + sum(self.unpredicted.values())

    def words(self) -> list[str]:
        """A sentence for each kind, with its cure."""
        told = [
            f"{count} answers are missing: {name} has no prediction for them; add them to the file and run the same "
            "command again"
            for name, count in self.unpredicted.items()
        ]
        if self.in_vain:
            told.append(
                f"{self.in_vain} answers are still missing: they were asked for in vain; run the same command again"
            )
        return told


def missing_of(plan: Plan, count: int) -> Missing:
    """What the missing answers of a plan lack: those whose file has nothing for their trial, and the others."""
    lacking: dict[str, int] = {}
    for arm in plan.arms:
        files = [model for name in plan.made_of(arm) if isinstance(model := plan.models[name], FileModel)]
        for task in plan.tasks:
            for trial in plan.trials(task, arm):
                names = (task.name, trial.item.id, trial.condition.name)
                without = next((file for file in files if file.predictions.id_of(names) is None), None)
                if without is not None and sum(lacking.values()) < count:
                    path = str(without.predictions.path.name)
                    lacking[path] = lacking.get(path, 0) + 1
    return Missing(count - sum(lacking.values()), lacking)
