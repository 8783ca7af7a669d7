"""The arm that reads the gold transcript: the proof that a task measures anything."""

from __future__ import annotations

from dataclasses import dataclass

from .interval import wilson_limits
from .parts import z_one_sided


@dataclass(frozen=True, slots=True)
class GoldArm:
    """The gold arm's result on a task, and what knowing nothing would reach."""

    correct: int
    n: int
    chance: float
    """1 / number of labels."""
    majority: float
    """Share of the most frequent gold label."""

    @property
    def measures(self) -> bool:
        """Is its accuracy above both chance and the majority class (one-sided 95 % Wilson bound)?"""
        if self.n <= 0:
            return False
        low, _ = wilson_limits(self.correct / self.n, self.n, z_one_sided())
        return low > max(self.chance, self.majority)

    @property
    def reason(self) -> str:
        """Why there is no verdict where it does not measure."""
        share = self.correct / self.n if self.n else 0.0
        return (
            f"with the true text the LLM is right on {100 * share:.1f} %, not shown to be above chance "
            f"({100 * self.chance:.1f} %) and the most frequent label ({100 * self.majority:.1f} %): "
            "the task measures nothing"
        )
