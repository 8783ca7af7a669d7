"""Planted pairs: systems whose relation is known, to see whether the verdict finds it.

The disguised cascade answers like the cascade except where its own recogniser mishears; the others are a copy
with a share of flipped answers, and a system of the same accuracy whose errors are its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .pair import compare
from .resample import Resamples
from .verdict import Name, verdict

Ints = NDArray[np.int64]
Plant = Callable[[np.random.Generator, Ints, Ints, int], Ints]

# Of the weak cascade against the strong one: κ about 0.95, as published ceilings are.
_CEILING_FLIPS = 0.035


def flip(rng: np.random.Generator, labels: Ints, rate: float, classes: int) -> Ints:
    """(n,) labels with a share `rate` of them replaced by another label."""
    other = (labels + rng.integers(1, classes, size=len(labels))) % classes
    return np.where(rng.random(len(labels)) < rate, other, labels)


def cascade_answers(rng: np.random.Generator, gold: Ints, accuracy: float, classes: int) -> Ints:
    """(n,) answers of this accuracy whose errors prefer one wrong label per class, as a backbone's do."""
    favourite = (gold + 1) % classes
    other = flip(rng, gold, 1.0, classes)
    wrong = np.where(rng.random(len(gold)) < 0.7, favourite, other)
    return np.where(rng.random(len(gold)) < accuracy, gold, wrong)


@dataclass(frozen=True)
class Planted:
    """A planted relation and the verdict it must get."""

    name: str
    expected: Name
    plant: Plant
    """(rng, gold, cascade's answers, classes) → the system's answers."""


def _independent(rng: np.random.Generator, gold: Ints, cascade: Ints, classes: int) -> Ints:
    return cascade_answers(rng, gold, float(np.mean(cascade == gold)), classes)


PLANTED = (
    Planted("disguised cascade", "equivalent", lambda r, y, c, k: flip(r, c, 0.015, k)),
    Planted("copy with 2 % flipped", "equivalent", lambda r, y, c, k: flip(r, c, 0.02, k)),
    Planted("copy with 15 % flipped", "different", lambda r, y, c, k: flip(r, c, 0.15, k)),
    Planted("independent errors", "different", _independent),
)


@dataclass(frozen=True)
class Validation:
    """How often a planted pair got each verdict."""

    name: str
    with_ceiling: bool
    expected: Name
    verdicts: dict[str, int]
    studies: int
    required: float
    """Share of the studies that must get the expected verdict."""

    @property
    def share(self) -> float:
        return self.verdicts.get(self.expected, 0) / self.studies

    @property
    def passed(self) -> bool:
        opposite = "different" if self.expected == "equivalent" else "equivalent"
        return self.share >= self.required and self.verdicts.get(opposite, 0) <= 0.05 * self.studies

    @property
    def summary(self) -> str:
        counts = ", ".join(f"{name} {count}" for name, count in sorted(self.verdicts.items()))
        reference = "against a ceiling" if self.with_ceiling else "without a ceiling"
        return f"{reference}, {counts} of {self.studies} (at least {self.required:.0%} must be {self.expected})"

    def to_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "with_ceiling": self.with_ceiling,
            "expected": self.expected,
            "verdicts": dict(self.verdicts),
            "studies": self.studies,
            "required": self.required,
            "passed": self.passed,
        }


def validate(
    *,
    items: int = 1050,
    classes: int = 4,
    accuracy: float = 0.85,
    studies: int = 100,
    resamples: int = 1000,
    seed: int = 0,
) -> list[Validation]:
    """Every planted pair, `studies` times, with and without a measured ceiling."""
    out = []
    for number, planted in enumerate(PLANTED):
        alone: Counter[str] = Counter()
        against: Counter[str] = Counter()
        for study in range(studies):
            rng = np.random.default_rng([seed, number, study])
            gold = rng.integers(classes, size=items)
            strong = cascade_answers(rng, gold, accuracy, classes)
            weak = flip(rng, strong, _CEILING_FLIPS, classes)
            system = planted.plant(rng, gold, strong, classes)
            weights = Resamples.draw(items, resamples=resamples, seed=int(rng.integers(2**31)))
            pair = compare(system, strong, gold, classes=classes, weights=weights)
            ceiling = compare(strong, weak, gold, classes=classes, weights=weights)
            alone[str(pair.verdict.name)] += 1
            against[str(verdict(pair, ceiling).name)] += 1
        required = 0.80 if planted.expected == "equivalent" else 0.95
        for has, counts in ((False, alone), (True, against)):
            out.append(Validation(planted.name, has, planted.expected, dict(counts), studies, required))
    return out
