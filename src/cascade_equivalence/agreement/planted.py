"""Planted pairs: systems whose relation is known, to see whether the verdict finds it.

The disguised cascade answers like the cascade except where its own recogniser mishears; the others are more accurate,
less accurate, or as accurate with other answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .kinds import Kind
from .pair import compare
from .resample import Resamples
from .verdict import verdict

Ints = NDArray[np.int64]
Plant = Callable[[np.random.Generator, Ints, Ints, int], Ints]

# Of the weak cascade against the strong one: κ about 0.95, as published ceilings are.
_CEILING_FLIPS = 0.035
_REQUIRED = 0.80


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
    """A planted relation and the kinds that it must get."""

    name: str
    kind: Kind
    """Against a ceiling."""
    alone: Kind
    """Without one, where the answers are not judged."""
    plant: Plant
    """(rng, gold, cascade's answers, classes) → the system's answers."""


def _more_accurate(rng: np.random.Generator, gold: Ints, cascade: Ints, classes: int, points: float) -> Ints:
    """The cascade's answers with that share of all items righted (or, if negative, made wrong)."""
    open_to_change = (cascade != gold) if points > 0 else (cascade == gold)
    changed = open_to_change & (rng.random(len(gold)) < abs(points) / max(float(open_to_change.mean()), 1e-9))
    return np.where(changed, gold if points > 0 else flip(rng, gold, 1.0, classes), cascade)


def _other_answers(rng: np.random.Generator, gold: Ints, cascade: Ints, classes: int) -> Ints:
    """As many items righted as made wrong (5 % each), and other mistakes on 5 %: κ .15 under a ceiling of .95."""
    righted = _more_accurate(rng, gold, cascade, classes, 0.05)
    answers = _more_accurate(rng, gold, np.where(righted == gold, cascade, righted), classes, -0.05)
    answers = np.where(righted != cascade, righted, answers)
    both_wrong = (cascade != gold) & (answers != gold)
    if classes < 3 or not both_wrong.any():
        return answers
    change = both_wrong & (rng.random(len(gold)) < 0.05 / float(both_wrong.mean()))
    # Where the cascade's mistake stands among the wrong labels.
    place = (cascade - gold - 1) % classes
    others = (gold + 1 + (place + rng.integers(1, classes - 1, size=len(gold))) % (classes - 1)) % classes
    return np.where(change, others, answers)


PLANTED = (
    Planted("better by 8 points", "better", "better", lambda r, y, c, k: _more_accurate(r, y, c, k, 0.08)),
    Planted("worse by 8 points", "worse", "worse", lambda r, y, c, k: _more_accurate(r, y, c, k, -0.08)),
    Planted("other answers, as accurate", "other answers, same accuracy", "same accuracy", _other_answers),
    Planted("disguised cascade", "same", "same accuracy", lambda r, y, c, k: flip(r, c, 0.015, k)),
)


@dataclass(frozen=True)
class Validation:
    """How often a planted pair got each kind of verdict."""

    name: str
    with_ceiling: bool
    expected: Kind
    kinds: dict[str, int]
    studies: int
    required: float
    """Share of the studies that must get the expected kind."""

    @property
    def share(self) -> float:
        return self.kinds.get(self.expected, 0) / self.studies

    @property
    def passed(self) -> bool:
        return self.share >= self.required

    @property
    def summary(self) -> str:
        counts = ", ".join(f"“{kind}” {count}" for kind, count in sorted(self.kinds.items()))
        reference = "against a ceiling" if self.with_ceiling else "without a ceiling"
        return f"{reference}, {counts} of {self.studies} (at least {self.required:.0%} must be “{self.expected}”)"

    def to_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "with_ceiling": self.with_ceiling,
            "expected": self.expected,
            "kinds": dict(self.kinds),
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
    resamples: int = 500,
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
            alone[str(verdict(pair).kind)] += 1
            against[str(verdict(pair, ceiling).kind)] += 1
        for has, expected, counts in ((False, planted.alone, alone), (True, planted.kind, against)):
            out.append(Validation(planted.name, has, expected, dict(counts), studies, _REQUIRED))
    return out
