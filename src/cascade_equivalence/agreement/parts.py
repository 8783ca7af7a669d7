"""The two parts of a verdict: what can be said of the accuracies, and what of the answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .gap import Gap, gap_of, p_at_least, p_at_most
from .interval import Interval, critical, normal_quantile, two_sided
from .paired import tango_z

if TYPE_CHECKING:
    from .pair import PairAgreement

AccuracyName = Literal["better", "worse", "same", "open"]
AnswersName = Literal["same", "other", "open", "not judged"]
Lean = Literal["ahead", "behind"]
Better = Literal["yes", "no", "open"]

ALPHA = 0.05
EPSILON = 0.05
"""How far below the ceiling κ may lie for the answers to count as the same."""
FLOOR = 0.60
"""Where the one-sided 95 % lower bound of the ceiling is below this, the answers are not judged against it."""


@dataclass(frozen=True, slots=True)
class AccuracyPart:
    """D = accuracy of left − right against the margin m, by one-sided score tests at 5 %."""

    name: AccuracyName
    """better: D is above m; worse: below −m; same: between −m and m (both one-sided tests); else open."""
    side: Lean | None
    """On which side of 0 the 95 % interval of D lies; None if it covers 0."""
    difference: Interval
    """D with its two one-sided 95 % bounds."""
    margin: float
    p_better: float
    """Of the null D ≤ m."""
    p_worse: float
    """Of the null D ≥ −m."""
    p_same: float
    """Of the union null |D| ≥ m: the larger of the two one-sided p."""
    p_not_better: float
    """Of the null D ≥ m: small where the left system cannot be better by the margin."""

    @property
    def lean(self) -> Lean | None:
        """Which way an open accuracy leans."""
        return self.side if self.name == "open" else None

    @property
    def better(self) -> Better:
        """Is left better by more than the margin?"""
        if self.name == "better":
            return "yes"
        return "no" if self.p_not_better <= ALPHA else "open"

    def to_json(self) -> dict[str, object]:
        own = {name: getattr(self, name) for name in self.__slots__ if name != "side"}
        return own | {"lean": self.lean, "difference": self.difference.to_json()}


@dataclass(frozen=True, slots=True)
class AnswersPart:
    """κ against the ceiling κ_ref: are the answers those that another cascade would give?"""

    name: AnswersName
    """same: κ_ref − κ is at most ε (one-sided 95 % upper bound); other: above ε (lower bound); else open."""
    why: str | None
    """Why the answers are not judged."""
    kappa: float | None
    reference: float | None
    """The ceiling κ_ref."""
    gap: Interval
    """κ_ref − κ with its two one-sided 95 % bounds."""
    epsilon: float
    p_same: float | None
    """Of the null that the gap is ε or more."""
    p_other: float | None
    """Of the null that the gap is ε or less."""

    def to_json(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__slots__} | {"gap": self.gap.to_json()}


def z_one_sided() -> float:
    """The critical value of all the verdict's tests."""
    return normal_quantile(1.0 - ALPHA)


def accuracy_name(pair: PairAgreement, z: float, growth: float = 1.0) -> AccuracyName:
    """The statement at critical value z, were there `growth` times as many items of the same kind."""
    test, same = pair.mcnemar, pair.equivalence
    if test is None or same is None:
        return "open"
    # A bound lies beyond the margin exactly where the score test at the margin says so.
    scale, bound = growth / pair.design_effect, critical(z, pair.clusters)
    b, c, n = test.b * scale, test.c * scale, pair.n_gold * scale
    above_low, above_high = tango_z(b, c, n, -same.margin), tango_z(b, c, n, same.margin)
    if above_high > bound:
        return "better"
    if above_low < -bound:
        return "worse"
    return "same" if above_low >= bound and above_high <= -bound else "open"


def accuracy_part(pair: PairAgreement) -> AccuracyPart | None:
    """None without gold labels."""
    test, same = pair.mcnemar, pair.equivalence
    if test is None or same is None:
        return None
    name = accuracy_name(pair, z_one_sided())
    scale = 1.0 / pair.design_effect
    above_zero = tango_z(test.b * scale, test.c * scale, pair.n_gold * scale, 0.0)
    side: Lean | None = None
    if abs(above_zero) > critical(two_sided(0.95), pair.clusters):
        side = "ahead" if above_zero > 0.0 else "behind"
    return AccuracyPart(
        name=name,
        side=side,
        difference=same.interval,
        margin=same.margin,
        p_better=same.p_better,
        p_worse=same.p_worse,
        p_same=same.p,
        p_not_better=same.p_not_better,
    )


def answers_name(gap: Gap, epsilon: float, z: float, growth: float = 1.0) -> AnswersName:
    """The statement at critical value z, were there `growth` times as many items of the same kind."""
    above, bound = gap.above(epsilon, growth), critical(z, gap.clusters)
    if above <= -bound:
        return "same"
    return "other" if above > bound else "open"


def answers_part(pair: PairAgreement, ceiling: PairAgreement | float | None, epsilon: float = EPSILON) -> AnswersPart:
    """Left's answers against the ceiling; `not judged`, with the reason, where the ceiling cannot carry a judgement."""
    gap, why = gap_of(pair, ceiling), unjudged(pair, ceiling)
    if gap is None:
        return AnswersPart("not judged", why, pair.kappa.value, None, Interval(None), epsilon, None, None)
    z = z_one_sided()
    return AnswersPart(
        name="not judged" if why else answers_name(gap, epsilon, z),
        why=why,
        kappa=pair.kappa.value,
        reference=gap.reference,
        gap=Interval(gap.value, *gap.limits(z)),
        epsilon=epsilon,
        p_same=p_at_least(gap, epsilon),
        p_other=p_at_most(gap, epsilon),
    )


def unjudged(pair: PairAgreement, ceiling: PairAgreement | float | None) -> str | None:
    """Why κ is not to be held against this ceiling; None where it is."""
    if ceiling is None:
        return "there is no ceiling; to judge them, add a second cascade on the same LLM"
    if pair.estimate is None:
        return "kappa is not defined: both systems give one and the same label to every item"
    if isinstance(ceiling, (int, float)):
        return None if ceiling >= FLOOR else f"the ceiling {ceiling:.2f} is under {FLOOR:.2f}"
    if ceiling.estimate is None:
        return "the ceiling is not defined: both cascades give one and the same label to every item"
    lowest, _ = ceiling.estimate.limits(z_one_sided())
    if lowest < FLOOR:
        return (
            f"the ceiling is too low or too uncertain to judge against: {ceiling.estimate.value:.2f}, "
            f"with a lower bound of {lowest:.2f}, under {FLOOR:.2f}"
        )
    # The ceiling's left is the cascade compared, so that "better" means that the other cascade is worse.
    if accuracy_name(ceiling, z_one_sided()) == "better":
        return "the other cascade is itself worse than the one compared, by more than the margin"
    return None
