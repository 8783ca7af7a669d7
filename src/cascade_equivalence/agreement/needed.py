"""How many items would decide an undecided pair, and as what."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .gap import gap_of
from .interval import normal_quantile
from .kinds import Kind, kind_of, name_of
from .parts import accuracy_name, answers_name, unjudged, z_one_sided

if TYPE_CHECKING:
    from .pair import PairAgreement

POWER = 0.8
"""The chance that the number of items named does decide, if what was seen is true."""
MOST_ITEMS = 100_000
"""A pair that would need more lies at a limit: no feasible number of items decides it."""


def items_needed(
    pair: PairAgreement, ceiling: PairAgreement | float | None, epsilon: float
) -> tuple[int, Kind] | tuple[None, None]:
    """The new items that, judged on their own, would decide the pair with 80 % power, and the kind they would show.

    What was seen is taken as true. The number is that of one new look: adding items to the old ones until they decide
    is another procedure, which makes false statements more often.
    """
    z = z_one_sided() + normal_quantile(POWER)
    gap, has_gold = gap_of(pair, ceiling), pair.equivalence is not None
    judged = gap is not None and unjudged(pair, ceiling) is None

    def kind(growth: float) -> Kind:
        answers = answers_name(gap, epsilon, z, growth) if gap is not None and judged else "not judged"
        return kind_of(accuracy_name(pair, z, growth) if has_gold else None, answers)

    def decided(growth: float) -> bool:
        return name_of(kind(growth), has_gold) != "undecided"

    low, high = math.log(1.0 / pair.n), math.log(max(MOST_ITEMS / pair.n, 1.0))
    if not decided(math.exp(high)):
        return None, None
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if decided(math.exp(middle)) else (middle, high)
    return math.ceil(pair.n * math.exp(high)), kind(math.exp(high))
