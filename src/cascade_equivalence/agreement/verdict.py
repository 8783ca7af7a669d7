"""The verdict on two arms: equivalent, different or undecided, with the reason and what would decide it.

Let κ_ref be the ceiling and ε = 0.05; without a ceiling κ_ref = 1 and ε = 0.10.
- equivalent: the accuracy difference is within the margin (TOST, α = 5 %) and the one-sided 95 % upper bound
  of κ_ref − κ is at most ε;
- different: the 90 % interval of the accuracy difference lies wholly outside the margin, or the one-sided
  95 % lower bound of κ_ref − κ exceeds ε;
- undecided otherwise. Without gold labels κ alone decides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from .interval import Interval, critical, normal_quantile, wilson_limits
from .kappa import KappaEstimate, KappaGap, correlation
from .multiplicity import adjust
from .paired import tango_z

if TYPE_CHECKING:
    from .pair import PairAgreement

Name = Literal["equivalent", "different", "undecided"]

ALPHA = 0.05
EPSILON_WITH_CEILING = 0.05
EPSILON_ALONE = 0.10
# The chance that the number of items named by an undecided verdict does decide it.
POWER = 0.8
_MOST_ITEMS = 10_000_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rule says of a pair, and why."""

    name: Name | None
    """None where there is no verdict: the task measures nothing, or κ and accuracy are both undefined."""
    reason: str
    kappa_reference: float | None = None
    epsilon: float | None = None
    kappa_gap: Interval = Interval(None)  # noqa: RUF009
    """κ_ref − κ with its two one-sided 95 % bounds."""
    p_equivalent: float | None = None
    """p of the union null "outside the margin, or more than ε below κ_ref": the larger of the two parts' p.
    Berger (1982), Technometrics 24, 295-300."""
    p_different: float | None = None
    """p of the null "inside both limits": the smaller of the two parts' p, times the number of parts."""
    items_needed: int | None = None
    """How many more items would decide an undecided pair with 80 % power if what was seen is true."""
    p_adjusted: float | None = None
    """p of the verdict after adjustment within its family (see `family`)."""
    unadjusted: Name | None = None
    """The name before adjustment, where the two differ."""

    def to_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "reason": self.reason,
            "kappa_reference": self.kappa_reference,
            "epsilon": self.epsilon,
            "kappa_gap": self.kappa_gap.to_json(),
            "p_equivalent": self.p_equivalent,
            "p_different": self.p_different,
            "items_needed": self.items_needed,
            "p_adjusted": self.p_adjusted,
            "unadjusted": self.unadjusted,
        }


def verdict(
    pair: PairAgreement,
    ceiling: PairAgreement | float | None = None,
    *,
    epsilon: float | None = None,
    gold_arm: GoldArm | None = None,
) -> Verdict:
    """The verdict on `pair`.

    ceiling: the comparison of the two cascades on the same items (made with the same `Resamples`, so that
    the gap is paired), or a known κ, or None. epsilon: instead of the rule's own. gold_arm: the arm that
    reads the gold transcript; where it does not beat chance and the majority class there is no verdict.
    """
    if gold_arm is not None and not gold_arm.measures:
        return Verdict(None, gold_arm.reason)
    gap, limit = kappa_gap(pair, ceiling), EPSILON_ALONE if ceiling is None else EPSILON_WITH_CEILING
    limit = limit if epsilon is None else epsilon
    rule = _Rule(pair, gap, limit)
    if gap is None and pair.equivalence is None:
        return Verdict(None, "neither kappa nor accuracy is defined on these items")
    name = rule.name()
    needed = rule.items_needed() if name == "undecided" else None
    bounds = Interval(None)
    if gap is not None:
        bounds = Interval(gap.value, *gap.limits(_z(ALPHA)))
    return Verdict(
        name=name,
        reason=rule.reason(name, needed, ceiling is not None),
        kappa_reference=None if gap is None else _reference(gap),
        epsilon=limit,
        kappa_gap=bounds,
        p_equivalent=rule.p_equivalent(),
        p_different=rule.p_different(),
        items_needed=needed,
    )


def kappa_gap(pair: PairAgreement, ceiling: PairAgreement | float | None = None) -> KappaGap | None:
    """κ_ref − κ of the pair, paired where the ceiling was measured on the same items; None if undefined.

    Raises ValueError if the ceiling's bootstrap weights are not the pair's.
    """
    if pair.estimate is None:
        return None
    if ceiling is None:
        return KappaGap(1.0, pair.estimate)
    if isinstance(ceiling, (int, float)):
        return KappaGap(float(ceiling), pair.estimate)
    if ceiling.estimate is None:
        return None
    ours, theirs = pair.replicates, ceiling.replicates
    if ours.token != theirs.token:
        raise ValueError("the two comparisons were not made with the same Resamples, so they are not paired")
    return KappaGap(ceiling.estimate, pair.estimate, correlation(theirs.kappa, ours.kappa))


def _reference(gap: KappaGap) -> float:
    return gap.first.value if isinstance(gap.first, KappaEstimate) else gap.first


def _z(alpha: float) -> float:
    return normal_quantile(1.0 - alpha)


@dataclass(frozen=True)
class _Rule:
    """The rule applied to a pair, were there `growth` times as many items of the same kind."""

    pair: PairAgreement
    gap: KappaGap | None
    epsilon: float

    def accuracy_limits(self) -> tuple[float, float] | None:
        same = self.pair.equivalence
        if same is None or same.interval.low is None or same.interval.high is None:
            return None
        return same.interval.low, same.interval.high

    def name(self, z: float | None = None, growth: float = 1.0) -> Name:
        z = _z(ALPHA) if z is None else z
        within: list[bool] = []
        outside: list[bool] = []
        test, same = self.pair.mcnemar, self.pair.equivalence
        if test is not None and same is not None:
            # The limits lie within (outside) the margin exactly where the score test at the margin says so,
            # which spares finding them.
            scale = growth / self.pair.design_effect
            b, c, n = test.b * scale, test.c * scale, self.pair.n_gold * scale
            bound = critical(z, self.pair.clusters)
            above_low, above_high = tango_z(b, c, n, -same.margin), tango_z(b, c, n, same.margin)
            within.append(above_low >= bound and above_high <= -bound)
            outside.append(above_low < -bound or above_high > bound)
        if self.gap is not None:
            low, high = self.gap.limits(z, growth)
            within.append(high <= self.epsilon)
            outside.append(low > self.epsilon)
        else:
            # Accuracy alone may show a difference, never equivalence: κ is half of the claim.
            within.append(False)
        if any(outside):
            return "different"
        return "equivalent" if all(within) else "undecided"

    def p_equivalent(self) -> float | None:
        if self.gap is None:
            return None
        parts = [self.gap.p_at_least(self.epsilon)]
        if self.pair.equivalence is not None:
            parts.append(self.pair.equivalence.p)
        return max(parts)

    def p_different(self) -> float:
        parts = []
        if self.gap is not None:
            parts.append(1.0 - self.gap.p_at_least(self.epsilon))
        if self.pair.equivalence is not None:
            parts.append(self.pair.equivalence.p_outside)
        return min(1.0, len(parts) * min(parts))

    def items_needed(self) -> int | None:
        """More items of the same kind; None where what was seen lies so near a limit that none would do."""
        z = _z(ALPHA) + normal_quantile(POWER)
        n = self.pair.n
        if self.name(z, _MOST_ITEMS / n) == "undecided":
            return None
        low, high = 0.0, math.log(_MOST_ITEMS / n)
        for _ in range(30):
            middle = 0.5 * (low + high)
            if self.name(z, math.exp(middle)) == "undecided":
                low = middle
            else:
                high = middle
        return max(1, math.ceil(n * (math.exp(high) - 1.0)))

    def reason(self, name: Name, needed: int | None, has_ceiling: bool) -> str:
        parts = []
        z = _z(ALPHA)
        limits, same, accuracy = self.accuracy_limits(), self.pair.equivalence, self.pair.accuracy
        if limits is not None and same is not None and accuracy is not None:
            difference = accuracy.difference.value or 0.0
            parts.append(
                f"accuracy differs by {100 * difference:+.1f} points (90 % interval {100 * limits[0]:+.1f} "
                f"to {100 * limits[1]:+.1f}, margin ±{100 * same.margin:g})"
            )
        if self.gap is None:
            parts.append("kappa is not defined")
        else:
            low, high = self.gap.limits(z)
            against = "the ceiling" if has_ceiling else "perfect agreement"
            parts.append(
                f"kappa {self.pair.kappa.value:.3f} is {self.gap.value:.3f} below {against} "
                f"{_reference(self.gap):.3f} (one-sided 95 % bounds {low:.3f} and {high:.3f}, "
                f"limit {self.epsilon:g})"
            )
        if self.pair.equivalence is None:
            parts.append("no gold labels, so kappa alone decides")
        text = "; ".join(parts)
        if name != "undecided":
            return text
        if needed is None:
            return f"{text}; no feasible number of items would decide it if what was seen is true"
        return f"{text}; about {needed} more items would decide it (80 % power, if what was seen is true)"


@dataclass(frozen=True, slots=True)
class GoldArm:
    """The arm that reads the gold transcript, as the proof that a task measures anything."""

    correct: int
    n: int
    chance: float
    """1 / number of labels."""
    majority: float
    """Share of the most frequent gold label."""

    @property
    def measures(self) -> bool:
        """Is its accuracy above both chance and the majority class (one-sided 95 % Wilson bound)?"""
        if self.n <= 0:
            return False
        low, _ = wilson_limits(self.correct / self.n, self.n, _z(ALPHA))
        return low > max(self.chance, self.majority)

    @property
    def reason(self) -> str:
        share = self.correct / self.n if self.n else 0.0
        return (
            f"the gold arm's accuracy, {100 * share:.1f} %, is not above chance ({100 * self.chance:.1f} %) "
            f"and the majority class ({100 * self.majority:.1f} %): the task measures nothing"
        )


def family(verdicts: Sequence[Verdict], method: Literal["bh", "holm"] = "bh", level: float = ALPHA) -> list[Verdict]:
    """The verdicts of one family, adjusted for their number: what does not survive becomes undecided.

    Each verdict enters with the p of what it says (of the nearer claim, if undecided). Verdicts that say
    nothing (name None) do not count.
    """
    said = [v for v in verdicts if v.name is not None]
    adjusted = iter(adjust([_p(v) for v in said], method).tolist())
    out = []
    for v in verdicts:
        if v.name is None:
            out.append(v)
            continue
        p = next(adjusted)
        if v.name == "undecided" or p <= level:
            out.append(replace(v, p_adjusted=p))
            continue
        reason = f"{v.name} on its own, but not among {len(said)} comparisons ({method} p = {p:.3f}); {v.reason}"
        out.append(replace(v, name="undecided", unadjusted=v.name, reason=reason, p_adjusted=p))
    return out


def _p(v: Verdict) -> float:
    same = 1.0 if v.p_equivalent is None else v.p_equivalent
    other = 1.0 if v.p_different is None else v.p_different
    if v.name == "equivalent":
        return same
    return other if v.name == "different" else min(same, other)
