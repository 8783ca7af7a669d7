"""κ_ref − κ: how far an arm's agreement with a cascade lies below the ceiling."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .interval import critical, upper_tail
from .kappa import KappaEstimate
from .paired import tango_limits, tango_z

if TYPE_CHECKING:
    from .pair import PairAgreement


@dataclass(frozen=True, slots=True)
class PairedGap:
    """κ_ref − κ, as a paired difference of two disagreements with the same cascade.

    Where the chance levels are alike, E·(κ_ref − κ) is the difference of two shares: items on which only the arm
    disagrees with the cascade, less items on which only the other cascade does. Tango's score limits are put on that
    difference at the effective sample size that reproduces the paired bootstrap variance of κ_ref − κ: as for κ itself
    (`KappaEstimate`), the limits keep their size near agreement and are never of zero width.
    """

    value: float
    reference: float
    """κ_ref."""
    expected: float
    """E: the disagreement expected by chance, the mean of the two."""
    discordance: float
    """Share of items on which exactly one of the two disagrees with the cascade."""
    effective_n: float
    clusters: int | None = None

    @staticmethod
    def of(pair: PairAgreement, ceiling: PairAgreement) -> PairedGap:
        """Of two comparisons with the same cascade, made on the same items with the same `Resamples`; κ defined."""
        assert ceiling.estimate is not None
        assert pair.estimate is not None
        ours, theirs = pair.replicates, ceiling.replicates
        drawn = theirs.kappa - ours.kappa
        drawn = drawn[np.isfinite(drawn)]
        return PairedGap.with_variance(
            ceiling.estimate,
            pair.estimate,
            discordance=float(np.mean(ours.disagree != theirs.disagree)),
            variance=float(drawn.var(ddof=1)) if len(drawn) > 1 else 0.0,
            units=pair.n if pair.clusters is None else pair.clusters,
        )

    @staticmethod
    def with_variance(
        first: KappaEstimate, second: KappaEstimate, *, discordance: float, variance: float, units: int
    ) -> PairedGap:
        """first: of the ceiling; second: of the arm. variance: of κ_ref − κ. units: items, or clusters, sampled."""
        expected = 0.5 * (first.expected_disagreement + second.expected_disagreement)
        value = first.value - second.value
        shift = value * expected
        # Where the chance levels differ the gap can exceed the share of discordant items.
        discordance = max(discordance, abs(shift))
        spread, scaled = discordance - shift**2, variance * expected**2
        # With no variance seen nothing speaks against independent units.
        size = spread / scaled if spread > 0.0 and scaled > 0.0 else float(units)
        return PairedGap(value, first.value, expected, discordance, size, second.clusters)

    def _counts(self, growth: float) -> tuple[float, float, float]:
        n, shift = self.effective_n * growth, self.value * self.expected
        return n * (self.discordance + shift) / 2.0, n * (self.discordance - shift) / 2.0, n

    def limits(self, z: float, growth: float = 1.0) -> tuple[float, float]:
        """Lower and upper limit at critical value z, were there `growth` times as many items."""
        low, high = tango_limits(*self._counts(growth), critical(z, self.clusters))
        return low / self.expected, high / self.expected

    def above(self, limit: float, growth: float = 1.0) -> float:
        """The score statistic of the null that the gap is `limit`; positive where the data lie above it."""
        return tango_z(*self._counts(growth), max(-1.0, min(1.0, limit * self.expected)))


@dataclass(frozen=True, slots=True)
class KnownGap:
    """κ_ref − κ where the ceiling is a number: Wilson's limits on the arm's disagreement, as for κ itself."""

    reference: float
    kappa: KappaEstimate

    @property
    def value(self) -> float:
        return self.reference - self.kappa.value

    @property
    def clusters(self) -> int | None:
        return self.kappa.clusters

    def limits(self, z: float, growth: float = 1.0) -> tuple[float, float]:
        """Lower and upper limit at critical value z, were there `growth` times as many items."""
        low, high = self.kappa.limits(z, growth)
        return self.reference - high, self.reference - low

    def above(self, limit: float, growth: float = 1.0) -> float:
        """The score statistic of the null that the gap is `limit`; positive where the data lie above it."""
        n, null = self.kappa.effective_n * growth, (1.0 - self.reference + limit) * self.kappa.expected_disagreement
        distance, spread = self.kappa.disagreement - null, null * (1.0 - null) / n
        return distance / math.sqrt(spread) if spread > 0.0 else math.copysign(math.inf, distance)


Gap = PairedGap | KnownGap


def gap_of(pair: PairAgreement, ceiling: PairAgreement | float | None) -> Gap | None:
    """κ_ref − κ of the pair; None if either is undefined.

    ceiling: a comparison with the same cascade on the same items, or a known κ. Raises ValueError if the ceiling's
    bootstrap weights are not the pair's.
    """
    if pair.estimate is None or ceiling is None:
        return None
    if isinstance(ceiling, (int, float)):
        return KnownGap(float(ceiling), pair.estimate)
    if ceiling.estimate is None:
        return None
    if pair.replicates.token != ceiling.replicates.token:
        raise ValueError("the two comparisons were not made with the same Resamples, so they are not paired")
    return PairedGap.of(pair, ceiling)


def p_at_least(gap: Gap, limit: float) -> float:
    """One-sided p of the null that the gap is `limit` or more: small speaks for a smaller gap."""
    return upper_tail(-gap.above(limit), gap.clusters)


def p_at_most(gap: Gap, limit: float) -> float:
    """One-sided p of the null that the gap is `limit` or less."""
    return upper_tail(gap.above(limit), gap.clusters)
