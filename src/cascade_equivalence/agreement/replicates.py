"""The bootstrap replicates of one pair: κ, accuracy difference and error overlap under shared weights."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .resample import Resamples

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

    def of_kappa(self) -> Replicates:
        """Those that another pair is held against, without the others, which are of use in the pair itself."""
        none = np.empty(0)
        return replace(self, kappa_valid=none, difference=none, overlap=none)


def replicate(
    left: Ints, right: Ints, gold: Ints | None, invalid: int, stratum: Ints, weights: Resamples
) -> Replicates:
    """left, right: (n,) codes with INVALID = `invalid`, the highest code; gold: (n,) codes, −1 if missing.

    What one system's answers alone say is counted once for all its pairs; a pair costs what its disagreements do.
    """
    differ = left != right
    labels = invalid + 1
    known = np.full(len(left), -1, dtype=np.int64) if gold is None else gold
    sides = [_Side(weights, side, known, invalid, stratum) for side in (left, right)]
    union = np.union1d(sides[0].labels, sides[1].labels)
    kappas = [_Kappa(union // labels, np.ones(len(union), dtype=bool))]
    columns = [differ]
    valid = (left != invalid) & (right != invalid)
    if not valid.all():
        kappas.append(_Kappa(union // labels, union % labels != invalid))
        columns.append(differ & valid)
    if gold is not None:
        wrong = (known >= 0) & (left != known)
        columns += [wrong & (right == known), wrong & differ & (left != invalid)]
    total = weights.total(np.column_stack(columns))
    # Of the items that only one answered validly, what that one said.
    alone = [weights.count(_places(side, union, valid), len(union) + 1) for side in sides] if len(kappas) > 1 else []

    kappa, kappa_valid, difference, overlap = [], [], [], []
    start = 0
    with np.errstate(divide="ignore", invalid="ignore"):
        for w in weights.blocks():
            here = slice(start, start + w.shape[1])
            start = here.stop
            sums = total(w)
            one, two = (side.counts(here, union) for side in sides)
            kappa.append(kappas[0](one, two, sums[0]))
            if alone:
                less = [count(w)[:-1] for count in alone]
                kappa_valid.append(kappas[1](one - less[0], two - less[1], sums[1]))
            if gold is not None:
                has_gold, left_errors, valid_errors = sides[0].errors(here)
                _, right_errors, _ = sides[1].errors(here)
                difference.append((right_errors - left_errors) / has_gold)
                overlap.append((valid_errors - sums[-1]) / (left_errors - sums[-2]))
    none = np.empty(0)
    joined = np.concatenate(kappa)
    return Replicates(
        token=weights.token,
        kappa=joined,
        kappa_valid=np.concatenate(kappa_valid) if kappa_valid else joined,
        difference=np.concatenate(difference) if difference else none,
        overlap=np.concatenate(overlap) if overlap else none,
        disagree=differ,
    )


class _Side:
    """How often each resample drew what one system said, by label and by whether it is right."""

    def __init__(self, weights: Resamples, said: Ints, gold: Ints, invalid: int, stratum: Ints) -> None:
        state = np.where(gold < 0, 0, np.where(said == gold, 1, 2))
        self.of_item = stratum * (invalid + 1) + said
        counted = weights.counted(self.of_item * 3 + state, 3)
        codes, self._counts = counted.codes, counted.of_code
        self.labels, self._of_label = counted.labels, counted.of_label
        self._gold, self._wrong = codes % 3 > 0, codes % 3 == 2
        self._valid = self._wrong & (codes // 3 % (invalid + 1) != invalid)

    def counts(self, here: slice, union: Ints) -> Floats:
        """Of some resamples, by label: (len(union), b)."""
        found = self._of_label[:, here].astype(np.float64)
        if len(self.labels) == len(union):
            return found
        out = np.zeros((len(union), found.shape[1]))
        out[np.searchsorted(union, self.labels)] = found
        return out

    def errors(self, here: slice) -> tuple[Floats, Floats, Floats]:
        """Of some resamples, (b,) each: items with gold, the wrong among them, and those of them that are valid."""
        counts = self._counts[:, here]
        gold, wrong, valid = (
            counts[which].sum(axis=0, dtype=np.float64) for which in (self._gold, self._wrong, self._valid)
        )
        return gold, wrong, valid


def _places(side: _Side, union: Ints, valid: NDArray[np.bool_]) -> Ints:
    """(n,) the place in the union of what was said where not both are valid, else the one after it."""
    return np.where(valid, len(union), np.searchsorted(union, side.of_item))


class _Kappa:
    """κ on the labels in use, chance agreement being taken within each stratum.

    left, right: (labels, b) counts; differ: (b,) how often the two differ. Returns (b,) κ.
    """

    def __init__(self, of_label: Ints, use: NDArray[np.bool_]) -> None:
        strata = int(of_label.max()) + 1
        self._use = use
        self._of_label = (np.arange(strata)[:, None] == of_label[use]).astype(np.float64) if strata > 1 else None

    def __call__(self, left: Floats, right: Floats, differ: Floats) -> Floats:
        if not self._use.all():
            left, right = left[self._use], right[self._use]
        total = left.sum(axis=0)
        if self._of_label is None:
            by_chance = (left * right).sum(axis=0) / total
        else:
            size = self._of_label @ left
            products = self._of_label @ (left * right)
            by_chance = np.divide(products, size, out=np.zeros_like(size), where=size > 0).sum(axis=0)
        # Counts are whole numbers, so the denominator is exactly 0 where chance agreement is certain.
        kappa: Floats = (total - differ - by_chance) / (total - by_chance)
        kappa[~np.isfinite(kappa)] = np.nan
        return kappa
