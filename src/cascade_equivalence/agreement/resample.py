"""Bootstrap weights that all pairs of a task share, so that differences between pairs are paired."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Weights = NDArray[np.uint8] | NDArray[np.float32]
"""(units, b): how often each of b resamples drew each unit."""

# One block of weights stays below this many entries: 64 MB as float32, 16 MB as bytes.
_BLOCK_ENTRIES = 16_000_000
# Below this many bytes the blocks of a Resamples are kept, so that the next pair finds them made.
_KEPT_BYTES = 192_000_000
# Counts of labels are kept up to this many bytes.
_COUNTED_BYTES = 96_000_000
# Beyond this many distinct answer patterns drawing items is faster than drawing patterns.
_MOST_PATTERNS = 4096
# A matrix product beats sorting and adding up to about this many classes.
MOST_DENSE_CLASSES = 48


@dataclass(frozen=True, slots=True)
class Counted:
    """codes, labels: those that occur, ascending. of_code, of_label: (codes, resamples) and (labels, resamples), how
    often each was drawn."""

    codes: Ints
    labels: Ints
    of_code: NDArray[np.generic]
    of_label: NDArray[np.generic]

    @property
    def nbytes(self) -> int:
        """Of the counts."""
        return self.of_code.nbytes + self.of_label.nbytes


@dataclass(frozen=True)
class Resamples:
    """`resamples` bootstrap draws of n items, as weights on sampled units.

    A unit is an item, a cluster of items, or (for a pair on its own) a pattern: all items with the same
    answers. Drawing units by pattern has the same distribution as drawing items and costs next to nothing.
    Within each stratum as many units are drawn as it has, so strata keep their size.
    Two objects made with the same arguments hold the same weights: same `token`, hence paired results.
    """

    n: int
    resamples: int
    seed: int
    unit: Ints = field(repr=False)
    """(n,) the unit of each item."""
    share: Floats = field(repr=False)
    """(units,) what one item contributes to its unit: 1, or 1 / size for a pattern."""
    chances: tuple[Floats, ...] | None = field(repr=False)
    """Per stratum, the probability of each of its units; None when they are equally likely."""
    bounds: tuple[int, ...] = field(repr=False)
    """Units of stratum s are bounds[s] … bounds[s + 1] − 1."""
    draws: tuple[int, ...] = field(repr=False)
    """Per stratum, how many units are drawn."""
    clustered: bool
    token: str
    _kept: list[Weights] = field(default_factory=list, repr=False, compare=False)
    _counted: dict[bytes, Counted] = field(default_factory=dict, repr=False, compare=False)

    @property
    def units(self) -> int:
        """How many units there are to draw from."""
        return self.bounds[-1]

    @property
    def sampled(self) -> int:
        """How many units one resample draws: items, or clusters."""
        return sum(self.draws)

    @staticmethod
    def draw(
        n: int,
        *,
        resamples: int = 10_000,
        seed: int = 0,
        clusters: object = None,
        strata: object = None,
    ) -> Resamples:
        """Weights for the n items of a task, to be given to every comparison on these items in this order.

        clusters: (n,) any values; items of one cluster are drawn together (within its stratum).
        strata: (n,) any values; each stratum keeps its number of items (or of clusters).
        """
        _check(n, resamples)
        stratum = codes(strata, n, "strata")
        cluster = np.arange(n, dtype=np.int64) if clusters is None else codes(clusters, n, "clusters")
        # Units are numbered stratum by stratum, so that a stratum is a run of units.
        key = stratum * (int(cluster.max(initial=0)) + 1) + cluster
        distinct, unit = np.unique(key, return_inverse=True)
        unit = unit.astype(np.int64)
        of_stratum = distinct // (int(cluster.max(initial=0)) + 1)
        bounds = _bounds(of_stratum, int(stratum.max(initial=0)) + 1)
        draws = tuple(int(b - a) for a, b in itertools.pairwise(bounds))
        token = _token(n, resamples, seed, unit, np.asarray(bounds), clusters is not None)
        share = np.ones(len(distinct))
        return Resamples(n, resamples, seed, unit, share, None, bounds, draws, clusters is not None, token)

    @staticmethod
    def of_patterns(pattern: Ints, stratum: Ints, *, resamples: int = 10_000, seed: int = 0) -> Resamples:
        """Weights for independent items on which every statistic asked for depends on `pattern` alone."""
        n = len(pattern)
        _check(n, resamples)
        key = stratum * (int(pattern.max(initial=0)) + 1) + pattern
        distinct, unit, size = np.unique(key, return_inverse=True, return_counts=True)
        unit = unit.astype(np.int64)
        of_stratum = distinct // (int(pattern.max(initial=0)) + 1)
        bounds = _bounds(of_stratum, int(stratum.max(initial=0)) + 1)
        parts = [size[a:b] for a, b in itertools.pairwise(bounds)]
        chances = tuple(part / part.sum() for part in parts)
        draws = tuple(int(part.sum()) for part in parts)
        token = _token(n, resamples, seed, unit, np.asarray(bounds), False) + "p"
        return Resamples(n, resamples, seed, unit, 1.0 / size, chances, bounds, draws, False, token)

    @staticmethod
    def of_labels(
        *labels: Ints | None, resamples: int = 10_000, seed: int = 0, clusters: object = None, strata: object = None
    ) -> Resamples:
        """Weights for comparisons that use no answers but these, by pattern where that is cheaper.

        labels: (n,) each, −1 or more; None ones are left out.
        """
        given = [column for column in labels if column is not None]
        n = len(given[0])
        if clusters is None:
            pattern = np.zeros(n, dtype=np.int64)
            for column in given:
                pattern = pattern * (int(column.max(initial=0)) + 2) + column + 1
                # Numbered anew, so that many columns do not overflow.
                distinct, pattern = np.unique(pattern, return_inverse=True)
            if len(distinct) <= min(_MOST_PATTERNS, max(n // 8, 64)):
                stratum = codes(strata, n, "strata")
                return Resamples.of_patterns(pattern.astype(np.int64), stratum, resamples=resamples, seed=seed)
        return Resamples.draw(n, resamples=resamples, seed=seed, clusters=clusters, strata=strata)

    def blocks(self) -> Iterator[Weights]:
        """The weights, `resamples` columns in all; columns sum to the units drawn."""
        if self._kept:
            yield from self._kept
            return
        made: list[Weights] = []
        step = max(1, _BLOCK_ENTRIES // self.units)
        for number, start in enumerate(range(0, self.resamples, step)):
            block = self._block(np.random.default_rng([self.seed, number]), min(step, self.resamples - start))
            if len(made) == number and block.itemsize * self.resamples * self.units <= _KEPT_BYTES:
                made.append(block)
            yield block
        if len(made) * step >= self.resamples:
            self._kept.extend(made)

    def _block(self, rng: np.random.Generator, rows: int) -> Weights:
        # Whole numbers below 2**24 add up exactly in float32.
        out = np.empty((rows, self.units), dtype=np.float32 if self.n < 2**24 else np.float64)
        for s, (a, b) in enumerate(itertools.pairwise(self.bounds)):
            if self.chances is not None:
                out[:, a:b] = rng.multinomial(self.draws[s], self.chances[s], size=rows)
                continue
            width = b - a
            drawn = rng.integers(width, size=(rows, width), dtype=np.int64)
            drawn += np.arange(rows, dtype=np.int64)[:, None] * width
            out[:, a:b] = np.bincount(drawn.ravel(), minlength=rows * width).reshape(rows, width)
        # An item or a cluster is hardly ever drawn more often than a byte holds; a pattern is.
        kind = np.uint8 if out.max(initial=0.0) <= 255 else out.dtype
        return np.ascontiguousarray(out.T, dtype=kind)

    def sums(self, columns: NDArray[np.generic]) -> Floats:
        """(n, m) values per item → (resamples, m) weighted sums."""
        total = self.total(columns)
        return np.concatenate([total(w) for w in self.blocks()], axis=1).T

    def total(self, columns: NDArray[np.generic]) -> Callable[[Weights], Floats]:
        """(n, m) values per item → a function from a block of weights to sums (m, b).

        What it costs is proportional to the units on which any column is not 0. A pattern's items all have one value.
        """
        if self.units == self.n and bool((self.unit == np.arange(self.n)).all()):
            per_unit = np.asarray(columns, dtype=np.float64)
        else:
            per_unit = np.empty((self.units, columns.shape[1]))
            for j in range(columns.shape[1]):
                per_unit[:, j] = np.bincount(self.unit, weights=columns[:, j], minlength=self.units)
            per_unit *= self.share[:, None]
            if self.chances is not None and columns.dtype.kind in "biu":
                # Whole numbers again, which size × (1 / size) need not be.
                per_unit = np.rint(per_unit)
        there = np.flatnonzero(per_unit.any(axis=1))
        values = np.ascontiguousarray(per_unit[there].T)
        # float32 only where nothing is lost: whole numbers whose largest sum stays below 2**24.
        limit = self.sampled * float(np.abs(values).max(initial=0.0))
        if limit < 2**24 and bool((values == np.rint(values)).all()):
            values = values.astype(np.float32)

        def apply(w: Weights) -> Floats:
            rows = w if len(there) == len(w) else w[there]
            return (values @ rows.astype(values.dtype, copy=False)).astype(np.float64, copy=False)

        return apply

    def count(self, labels: Ints, classes: int) -> Callable[[Weights], Floats]:
        """(n,) codes 0 … classes − 1 → a function from a block of weights to counts (classes, b)."""
        if classes <= MOST_DENSE_CLASSES:
            return self.total(labels[:, None] == np.arange(classes)[None, :])
        order = np.argsort(labels, kind="stable")
        unit, share = self.unit[order], self.share[self.unit[order]]
        present, starts = np.unique(labels[order], return_index=True)

        def apply(w: Weights) -> Floats:
            out = np.zeros((classes, w.shape[1]))
            step = max(1, _BLOCK_ENTRIES // (2 * self.n))
            for a in range(0, w.shape[1], step):
                weighed = w[unit, a : a + step] * share[:, None]
                out[present, a : a + step] = np.add.reduceat(weighed, starts, axis=0)
            return out

        return apply

    def counted(self, labels: Ints, states: int) -> Counted:
        """How often each of (n,) codes, label × `states` + state, was drawn.

        Kept with the weights, since a system's answers stand in several pairs.
        """
        key = hashlib.blake2b(np.ascontiguousarray(labels).tobytes(), digest_size=16).digest()
        if key not in self._counted:
            present, code = np.unique(labels, return_inverse=True)
            total = self.count(code.astype(np.int64), len(present))
            of_label, starts = np.unique(present // states, return_index=True)
            parts = []
            for w in self.blocks():
                here = total(w)
                parts.append((_narrow(here), _narrow(np.add.reduceat(here, starts, axis=0))))
            made = Counted(present, of_label, *(np.concatenate(part, axis=1) for part in zip(*parts, strict=True)))
            if made.nbytes + sum(kept.nbytes for kept in self._counted.values()) > _COUNTED_BYTES:
                self._counted.clear()
            self._counted[key] = made
        return self._counted[key]


def codes(values: object, n: int, name: str) -> Ints:
    """Any (n,) values → codes 0 … (number of distinct values − 1); None → all 0."""
    if values is None:
        return np.zeros(n, dtype=np.int64)
    array = np.asarray(values)
    if array.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},), got {array.shape}")
    return np.unique(array, return_inverse=True)[1].astype(np.int64)


def _narrow(counts: Floats) -> NDArray[np.generic]:
    """Whole numbers in the smallest type that holds them."""
    return counts.astype(np.min_scalar_type(int(counts.max(initial=0.0))))


def _bounds(of_stratum: NDArray[np.int64], strata: int) -> tuple[int, ...]:
    return tuple(int(i) for i in np.searchsorted(of_stratum, np.arange(strata + 1)))


def _token(n: int, resamples: int, seed: int, unit: Ints, bounds: NDArray[np.int64], clustered: bool) -> str:
    digest = hashlib.blake2b(digest_size=8)
    digest.update(f"{n} {resamples} {seed} {clustered}".encode())
    digest.update(np.ascontiguousarray(unit).tobytes())
    digest.update(np.ascontiguousarray(bounds, dtype=np.int64).tobytes())
    return digest.hexdigest()


def _check(n: int, resamples: int) -> None:
    if n < 1:
        raise ValueError("there is no item to resample")
    if resamples < 2:
        raise ValueError(f"at least 2 resamples are needed, got {resamples}")
