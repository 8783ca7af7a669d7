"""Which system to choose: the cheapest that is shown not to be worse than the most accurate one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .interval import Interval, critical, upper_tail
from .multiplicity import adjust
from .paired import design_effect, tango_limits, tango_z
from .parts import ALPHA, z_one_sided
from .resample import codes

Why = Literal["most accurate and cheapest", "cheapest not worse", "most accurate", "costs unknown"]


@dataclass(frozen=True, slots=True)
class Rival:
    """A system beside the most accurate one."""

    name: str
    difference: Interval
    """Its accuracy less that of the most accurate system, with one-sided 95 % bounds (not adjusted)."""
    p_not_worse: float
    """Of the null that it is worse by the margin or more; Holm-adjusted for the number of rivals."""
    cheaper: bool | None
    """Than the most accurate system; None where a cost is not known."""

    @property
    def not_worse(self) -> bool:
        """Whether it is shown to be less than the margin behind."""
        return self.p_not_worse <= ALPHA


@dataclass(frozen=True, slots=True)
class Choice:
    """best: the most accurate system, of equal ones the cheapest. pick: the one to choose. n: items."""

    best: str
    pick: str
    why: Why
    rivals: tuple[Rival, ...]
    n: int
    margin: float

    @property
    def open(self) -> tuple[str, ...]:
        """Cheaper systems than the pick that are not shown not to be worse: more items may change the choice."""
        costs = [rival.name for rival in self.rivals if rival.cheaper and not rival.not_worse]
        return tuple(costs) if self.pick == self.best else ()


def choose(
    correct: Mapping[str, ArrayLike], costs: Mapping[str, float | None], margin: float, clusters: object = None
) -> Choice:
    """Choose among systems that answered the same items.

    correct: system → (n,) whether each item was answered right, 0 or 1. costs: system → what one request costs, in any
    unit, None where that is not known. margin: of accuracy, as a fraction. clusters: (n,) items that belong together.
    A rival is not worse where the one-sided score test (Tango 1998) rejects a difference of −margin or less, Holm-
    adjusted for the number of rivals. Raises ValueError where there is no system or shapes differ.
    """
    right = {name: np.asarray(values).astype(np.float64) for name, values in correct.items()}
    if not right or len({values.shape for values in right.values()}) != 1:
        raise ValueError("choose needs at least one system, and one answer of each to every item")
    n = len(next(iter(right.values())))
    if not n:
        raise ValueError("choose needs at least one item")
    groups = None if clusters is None else codes(clusters, n, "clusters")
    price = {name: costs.get(name) for name in right}

    def rank(name: str) -> tuple[float, float]:
        known = price[name]
        return (-float(right[name].sum()), float("inf") if known is None else known)

    best = min(right, key=rank)
    others = [name for name in right if name != best]
    tests = [_against(right[name] - right[best], margin, groups) for name in others]
    adjusted = adjust([p for _, p in tests], "holm").tolist()
    rivals = tuple(
        Rival(name, difference, float(p), _cheaper(price[name], price[best]))
        for name, (difference, _), p in zip(others, tests, adjusted, strict=True)
    )
    good = [rival for rival in rivals if rival.cheaper and rival.not_worse]
    if good:
        return Choice(best, min(good, key=lambda r: price[r.name] or 0.0).name, "cheapest not worse", rivals, n, margin)
    why: Why = "most accurate" if any(rival.cheaper for rival in rivals) else "most accurate and cheapest"
    if any(rival.cheaper is None for rival in rivals):
        why = "costs unknown"
    return Choice(best, best, why, rivals, n, margin)


def _cheaper(left: float | None, right: float | None) -> bool | None:
    return None if left is None or right is None else left < right


def _against(d: NDArray[np.float64], margin: float, groups: NDArray[np.int64] | None) -> tuple[Interval, float]:
    """(n,) differences −1, 0, 1 → their mean with one-sided bounds, and p of the null that it is −margin or less."""
    count = None if groups is None else int(groups.max()) + 1
    effect = 1.0 if groups is None else design_effect(d, groups, float(d.mean()))
    b, c, n = float((d > 0).sum()) / effect, float((d < 0).sum()) / effect, len(d) / effect
    low, high = tango_limits(b, c, n, critical(z_one_sided(), count))
    return Interval(float(d.mean()), low, high), upper_tail(tango_z(b, c, n, -margin), count)
