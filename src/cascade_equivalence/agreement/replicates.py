"""The bootstrap replicates of one pair: κ, accuracy difference and error overlap under shared weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .resample import MOST_DENSE_CLASSES, Resamples, Weights

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Replicates:
    """(resamples,) each but `disagree`; NaN where a resample leaves it undefined. Paired across equal `token`s."""

    token: str
    kappa: Floats
    kappa_valid: Floats
    difference: Floats
    overlap: Floats
    disagree: NDArray[np.bool_]
    """(n,) on which items the two arms gave different labels."""

    def variance(self, name: str) -> float:
        """The bootstrap variance over the resamples on which the quantity is defined; 0 if fewer than two."""
        values: Floats = getattr(self, name)
        values = values[np.isfinite(values)]
        return float(values.var(ddof=1)) if len(values) > 1 else 0.0


def replicate(
    left: Ints, right: Ints, gold: Ints | None, invalid: int, stratum: Ints, weights: Resamples
) -> Replicates:
    """left, right: (n,) codes with INVALID = `invalid`, the highest code; gold: (n,) codes, −1 if missing."""
    n = len(left)
    valid = (left != invalid) & (right != invalid)
    same = left == right
    columns = _Columns(weights)
    everything = _KappaColumns(columns, left, right, np.ones(n, dtype=bool), stratum)
    valid_only = None if valid.all() else _KappaColumns(columns, left, right, valid, stratum)
    errors: list[int] = []
    if gold is not None:
        has = gold >= 0
        left_wrong, right_wrong = has & (left != gold), has & (right != gold)
        joint = left_wrong & right_wrong
        errors = [columns.add(c) for c in (has, left_wrong, right_wrong, joint, joint & same & valid)]

    kappa, kappa_valid, difference, overlap = [], [], [], []
    total = columns.total()
    with np.errstate(divide="ignore", invalid="ignore"):
        for w in weights.blocks():
            sums = total(w)
            kappa.append(everything(w, sums))
            if valid_only is not None:
                kappa_valid.append(valid_only(w, sums))
            if errors:
                has_gold, left_errors, right_errors, both, alike = sums[:, errors].T
                difference.append((right_errors - left_errors) / has_gold)
                overlap.append(alike / both)
    none = np.empty(0)
    joined = np.concatenate(kappa)
    return Replicates(
        token=weights.token,
        kappa=joined,
        kappa_valid=np.concatenate(kappa_valid) if kappa_valid else joined,
        difference=np.concatenate(difference) if difference else none,
        overlap=np.concatenate(overlap) if overlap else none,
        disagree=~same,
    )


class _Columns:
    """Values per item whose weighted sums are wanted, gathered so that one matrix product gives them."""

    def __init__(self, weights: Resamples) -> None:
        self.weights = weights
        self._columns: list[NDArray[np.bool_]] = []

    def add(self, column: NDArray[np.bool_]) -> int:
        """(n,) values → the index of their sum."""
        self._columns.append(column)
        return len(self._columns) - 1

    def count(self, labels: Ints, classes: int) -> Callable[[Weights, Floats], Floats]:
        """(n,) codes → a function from a block and its sums to counts (b, classes), higher codes left out."""
        if classes > MOST_DENSE_CLASSES:
            wide = self.weights.count(labels, classes + 1)
            return lambda w, _: wide(w)[:, :classes]
        first = len(self._columns)
        self._columns += list(np.arange(classes)[:, None] == labels[None, :])
        return lambda _, sums: sums[:, first : first + classes]

    def total(self) -> Callable[[Weights], Floats]:
        return self.weights.total(np.column_stack(self._columns))


class _KappaColumns:
    """κ on the items in use, chance agreement being taken within each stratum: block → (b,) κ."""

    def __init__(self, columns: _Columns, left: Ints, right: Ints, use: NDArray[np.bool_], stratum: Ints) -> None:
        n, labels = len(left), int(max(left.max(), right.max())) + 1
        present, code = np.unique(
            np.concatenate([stratum * labels + left, stratum * labels + right]), return_inverse=True
        )
        codes = len(present)
        self._agreed = columns.add(use & (left == right))
        self._left = columns.count(np.where(use, code[:n], codes), codes)
        self._right = columns.count(np.where(use, code[n:], codes), codes)
        strata = int(stratum.max()) + 1
        self._of_code = (present // labels)[:, None] == np.arange(strata)[None, :] if strata > 1 else None

    def __call__(self, w: Weights, sums: Floats) -> Floats:
        left, right = self._left(w, sums), self._right(w, sums)
        total = left.sum(axis=1)
        if self._of_code is None:
            by_chance = np.einsum("bc,bc->b", left, right) / total
        else:
            of_code = self._of_code.astype(np.float64)
            size = left @ of_code
            products = (left * right) @ of_code
            by_chance = np.divide(products, size, out=np.zeros_like(size), where=size > 0).sum(axis=1)
        # Counts are whole numbers, so the denominator is exactly 0 where chance agreement is certain.
        kappa: Floats = (sums[:, self._agreed] - by_chance) / (total - by_chance)
        kappa[~np.isfinite(kappa)] = np.nan
        return kappa
