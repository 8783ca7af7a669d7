"""Beyond one pair: the backbone confound, an arm's place on the spectrum, and clean-to-noise reversal."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .interval import Interval, critical, two_sided
from .kappa import KappaGap, correlation
from .pair import PairAgreement
from .paired import design_effect, tango_limits
from .resample import codes

Floats = NDArray[np.float64]


def confound(matched: PairAgreement, other: PairAgreement, level: float = 0.95) -> Interval:
    """κ(speech LLM, matched cascade) − κ(speech LLM, cascade on another backbone), with a paired interval.

    How much a mismatched backbone overstates the divergence. Both comparisons must come from the same items
    and the same `Resamples`; ValueError if not. Undefined if either κ is.
    """
    if matched.estimate is None or other.estimate is None:
        return Interval(None)
    return _gap(matched, other).interval(level)


def _gap(first: PairAgreement, second: PairAgreement) -> KappaGap:
    assert first.estimate is not None
    assert second.estimate is not None
    if first.replicates.token != second.replicates.token:
        raise ValueError("the two comparisons were not made with the same Resamples, so they are not paired")
    linked = correlation(first.replicates.kappa, second.replicates.kappa)
    return KappaGap(first.estimate, second.estimate, linked)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an arm's κ stands: 0 is chance, 1 the reference (the ceiling, or the arm's test–retest κ)."""

    kappa: Interval
    reference: Interval
    below: Interval
    """reference − κ, paired."""
    share: Interval
    """κ / reference: the share of the way from chance to the reference."""

    def to_json(self) -> dict[str, dict[str, float | None]]:
        return {name: getattr(self, name).to_json() for name in self.__slots__}


def place(pair: PairAgreement, reference: PairAgreement, level: float = 0.95) -> Place:
    """The place of a pair's κ between chance and a reference κ measured on the same items.

    The interval of the share is Fieller's (1954, JRSS B 16, 175-185) with the bootstrap (co)variances; it is
    undefined where the reference itself is not above chance.
    """
    below = confound(reference, pair, level)
    share = Interval(None)
    if pair.estimate is not None and reference.estimate is not None and reference.estimate.value > 0.0:
        share = _ratio(pair, reference, level)
    return Place(pair.kappa, reference.kappa, below, share)


def _ratio(pair: PairAgreement, reference: PairAgreement, level: float) -> Interval:
    assert pair.estimate is not None
    assert reference.estimate is not None
    z = critical(two_sided(level), pair.clusters)

    # The spread behind each κ's own interval, so that a κ of 1 is not taken as exact.
    def variance(one: PairAgreement) -> float:
        low, high = one.estimate.limits(1.0) if one.estimate is not None else (0.0, 0.0)
        return ((high - low) / 2.0) ** 2

    x, y = pair.estimate.value, reference.estimate.value
    vx, vy = variance(pair), variance(reference)
    vxy = correlation(pair.replicates.kappa, reference.replicates.kappa) * math.sqrt(vx * vy)
    a, b, c = y * y - z * z * vy, x * y - z * z * vxy, x * x - z * z * vx
    if a <= 0.0 or b * b - a * c < 0.0:
        return Interval(x / y)
    root = math.sqrt(b * b - a * c)
    return Interval(x / y, (b - root) / a, (b + root) / a)


@dataclass(frozen=True, slots=True)
class Reversal:
    """How the accuracy difference of two arms changes from clean to noisy audio. In fractions."""

    clean: Interval
    """left − right on clean audio."""
    noisy: Interval
    change: Interval
    """clean − noisy: positive where the left arm loses more (the reversal)."""
    reversed: bool
    """Do the two differences have opposite signs, and does the change exclude 0?"""
    n: int

    def to_json(self) -> dict[str, object]:
        return {
            "clean": self.clean.to_json(),
            "noisy": self.noisy.to_json(),
            "change": self.change.to_json(),
            "reversed": self.reversed,
            "n": self.n,
        }


def reversal(
    left_clean: ArrayLike,
    right_clean: ArrayLike,
    left_noisy: ArrayLike,
    right_noisy: ArrayLike,
    *,
    clusters: object = None,
    level: float = 0.95,
) -> Reversal:
    """(n,) correctness (bool or 0/1) of two arms on the same items under two conditions.

    The two differences have Tango's intervals; that of their difference combines them by Zou & Donner (2008)
    with the correlation of the per-item differences, so it is never of zero width.
    """
    given = [np.asarray(x) for x in (left_clean, right_clean, left_noisy, right_noisy)]
    n = len(given[0])
    if any(x.shape != (n,) for x in given) or n == 0:
        raise ValueError(f"four arrays of one length are needed, got shapes {[x.shape for x in given]}")
    if not all(bool(np.isin(x, (0, 1)).all()) for x in given):
        raise ValueError("correctness is 0 or 1 for every item")
    lc, rc, ln, rn = (x.astype(np.float64) for x in given)
    cluster = np.arange(n, dtype=np.int64) if clusters is None else codes(clusters, n, "clusters")
    groups = None if clusters is None else int(cluster.max()) + 1
    z = critical(two_sided(level), groups)
    clean, clean_sums = _difference(lc - rc, cluster, groups, z)
    noisy, noisy_sums = _difference(ln - rn, cluster, groups, z)
    linked = correlation(clean_sums, noisy_sums)
    assert clean.value is not None and clean.low is not None and clean.high is not None
    assert noisy.value is not None and noisy.low is not None and noisy.high is not None
    value = clean.value - noisy.value
    down = _combined(clean.value - clean.low, noisy.high - noisy.value, linked)
    up = _combined(clean.high - clean.value, noisy.value - noisy.low, linked)
    change = Interval(value, value - down, value + up)
    flips = clean.value * noisy.value < 0.0
    return Reversal(clean, noisy, change, flips and (value - down > 0.0 or value + up < 0.0), n)


def _difference(d: Floats, cluster: NDArray[np.int64], groups: int | None, z: float) -> tuple[Interval, Floats]:
    """(n,) per-item differences −1, 0, 1 → their mean with Tango's limits, and centred sums per cluster."""
    n, mean = len(d), float(d.mean())
    effect = 1.0 if groups is None else design_effect(d, cluster, mean)
    b, c = float((d > 0).sum()), float((d < 0).sum())
    low, high = tango_limits(b / effect, c / effect, n / effect, z)
    sums = np.bincount(cluster, weights=d - mean).astype(np.float64)
    return Interval(mean, low, high), sums


def _combined(a: float, b: float, linked: float) -> float:
    return math.sqrt(max(a * a + b * b - 2.0 * linked * a * b, 0.0))
