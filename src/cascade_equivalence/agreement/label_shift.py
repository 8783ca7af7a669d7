"""How much of a disagreement is a shift of labels, and how much is about items.

An arm whose calibration is off prefers some labels: it disagrees with another arm although both may rank the items
alike. What a change of label frequencies alone explains is told apart from the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .named import INVALID
from .pair import label_codes
from .resample import codes

Floats = NDArray[np.float64]

_ROUNDS, _TOLERANCE = 10_000, 1e-10


@dataclass(frozen=True, slots=True)
class LabelShift:
    """The disagreement of two arms, split. Shares of all items."""

    disagreement: float
    """Items with different labels: `shift` + `items`."""
    shift: float
    """Quantity disagreement: what differing label frequencies alone force, ½ Σ|p_left − p_right|."""
    items: float
    """Allocation disagreement: the same labels, given to other items."""
    kappa: float | None
    kappa_matched: float | None
    """κ were both arms to use the labels equally often: the table of answers raked to the arms' mean frequencies, which
    keeps its odds ratios. None where κ is undefined or the table has too many zeros to be raked."""

    @property
    def share(self) -> float | None:
        """The share of the disagreement that is a shift of labels; None without disagreement."""
        return self.shift / self.disagreement if self.disagreement > 0.0 else None

    def to_json(self) -> dict[str, float | None]:
        return {name: getattr(self, name) for name in self.__slots__} | {"share": self.share}


def label_shift(left: ArrayLike, right: ArrayLike, *, classes: int, strata: object = None) -> LabelShift:
    """left, right: (n,) integer labels 0 … classes − 1, INVALID = −1 (a label like any other here).

    strata: (n,) the task of each item when several are pooled; labels of different tasks never meet. Raises ValueError
    on shapes or labels that do not fit. Sources: Pontius & Millones (2011), Int. J. Remote Sensing 32, 4407-4429
    (quantity and allocation); Deming & Stephan (1940), Ann. Math. Statist. 11, 427-444 (raking).
    """
    a, b, _ = label_codes(left, right, None, classes)
    n, k = len(a), classes + 1
    stratum = codes(strata, n, "strata")
    a, b = np.where(a == INVALID, classes, a), np.where(b == INVALID, classes, b)
    cells = np.bincount((stratum * k + a) * k + b, minlength=(int(stratum.max()) + 1) * k * k)
    tables = cells.reshape(-1, k, k) / n
    disagreement = 1.0 - float(np.trace(tables, axis1=1, axis2=2).sum())
    used_left, used_right = tables.sum(axis=2), tables.sum(axis=1)
    shift = 0.5 * float(np.abs(used_left - used_right).sum())
    raked = [_raked(table) for table in tables]
    matched = None if any(table is None for table in raked) else _kappa([t for t in raked if t is not None])
    return LabelShift(
        disagreement=max(disagreement, 0.0),
        shift=shift,
        items=max(disagreement - shift, 0.0),
        kappa=_kappa(list(tables)),
        kappa_matched=matched,
    )


def _kappa(tables: list[Floats]) -> float | None:
    """κ over strata, chance taken within each; None where chance agreement is certain."""
    weights = [float(table.sum()) for table in tables]
    chance = sum(
        float(t.sum(axis=1) @ t.sum(axis=0)) / weight for t, weight in zip(tables, weights, strict=True) if weight
    )
    expected = 1.0 - chance
    if expected <= 1e-12:
        return None
    return 1.0 - (1.0 - sum(float(np.trace(t)) for t in tables)) / expected


def _raked(table: Floats) -> Floats | None:
    """The table with both margins brought to their mean; None where its zeros forbid that."""
    target = 0.5 * (table.sum(axis=0) + table.sum(axis=1))
    out = table.copy()
    for _ in range(_ROUNDS):
        for axis in (1, 0):
            margin = out.sum(axis=axis)
            factor = np.divide(target, margin, out=np.zeros_like(margin), where=margin > 0)
            out = out * (factor[:, None] if axis == 1 else factor[None, :])
        gap = max(np.abs(out.sum(axis=1) - target).max(), np.abs(out.sum(axis=0) - target).max())
        if gap <= _TOLERANCE:
            return out
    return None
