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

_ROUNDS, _HALVINGS, _TOLERANCE = 200, 60, 1e-12


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
    counts = cells.reshape(-1, k, k).astype(np.float64)
    tables = counts / n
    disagreement = 1.0 - float(np.trace(tables, axis1=1, axis2=2).sum())
    used_left, used_right = tables.sum(axis=2), tables.sum(axis=1)
    shift = 0.5 * float(np.abs(used_left - used_right).sum())
    raked = [_raked(table) for table in counts]
    matched = None if any(table is None for table in raked) else _kappa([t / n for t in raked if t is not None])
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


def _raked(counts: Floats) -> Floats | None:
    """Counts with both margins brought to their mean, odds ratios kept; None where their zeros forbid that.

    What raking converges to is diag(eᵘ) counts diag(eᵛ) with u, v the minimum of a convex function, which Newton's
    method finds in a few steps where raking takes thousands.
    """
    target = 0.5 * (counts.sum(axis=0) + counts.sum(axis=1))
    used = target > 0.0
    k, total = int(used.sum()), float(counts.sum())
    out = np.zeros_like(counts)
    if not k:
        return out
    table, aim = counts[np.ix_(used, used)], target[used]
    if not _scalable(table, aim):
        return None
    aims, place = np.concatenate([aim, aim]), np.zeros(2 * k)

    def scaled(at: Floats) -> Floats:
        with np.errstate(over="ignore", invalid="ignore"):
            return np.where(table > 0.0, table * np.exp(at[:k, None] + at[None, k:]), 0.0)

    now = scaled(place)
    for _ in range(_ROUNDS):
        rows, columns = now.sum(axis=1), now.sum(axis=0)
        slope = np.concatenate([rows, columns]) - aims
        if np.abs(slope).max() <= _TOLERANCE * total:
            out[np.ix_(used, used)] = now
            return out
        curve = np.block([[np.diag(rows), now], [now.T, np.diag(columns)]])
        # Singular: adding a number to u and taking it from v changes nothing.
        step = np.linalg.lstsq(curve, -slope, rcond=1e-13)[0]
        value, fall = now.sum() - aims @ place, float(slope @ step)
        for _ in range(_HALVINGS):
            then = scaled(place + step)
            # Near the minimum the fall is less than rounding.
            if then.sum() - aims @ (place + step) <= value + 1e-4 * fall + 1e-13 * total:
                break
            step, fall = 0.5 * step, 0.5 * fall
        place, now = place + step, then
    return None


def _scalable(table: Floats, aim: Floats) -> bool:
    """Whether some table with the same zeros, and no others, has both margins `aim` (whole or half numbers).

    With equal margins the entries are a circulation over the labels, so one off every cycle must be 0; those on cycles
    need no more where the diagonal has room for them.
    """
    there = table > 0.0
    reach = there
    for _ in range(len(table).bit_length()):
        reach = reach | (reach @ reach)
    if not (there <= reach.T).all():
        return False
    if there.diagonal().all():
        return True
    # The largest smallest entry; where it is not 0 it is at least 1 over the number of entries, margins being whole.
    left, right = np.nonzero(there)
    entries, k = len(left), len(table)
    margins = np.zeros((2 * k, entries + 1))
    margins[left, np.arange(entries)] = 1.0
    margins[k + right, np.arange(entries)] = 1.0
    above = np.hstack([-np.eye(entries), np.ones((entries, 1))])
    # Only rare tables need it, and importing it takes longer than the rest of a comparison.
    from scipy.optimize import linprog

    found = linprog(
        np.eye(entries + 1)[-1] * -1.0,
        A_ub=above,
        b_ub=np.zeros(entries),
        A_eq=margins,
        b_eq=np.concatenate([2.0 * aim, 2.0 * aim]),
    )
    return bool(found.status == 0 and found.x[-1] > 0.5 / entries)
