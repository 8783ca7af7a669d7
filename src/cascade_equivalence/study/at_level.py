"""What a study says of an SNR between those that it measured: linear interpolation, with an interval by resampling."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascade_equivalence.agreement import Interval, Resamples, tango
from cascade_equivalence.agreement.interval import two_sided, wilson_limits
from cascade_equivalence.errors import UsageError
from cascade_equivalence.study.conditions import sweeps
from cascade_equivalence.study.groups import Cells, answered, correct, groups_of
from cascade_equivalence.study.results import Results

Floats = NDArray[np.float64]
NOTE = (
    "Accuracies in percent on a straight line in dB between the two measured levels, item by item; 95 % intervals by "
    "resampling items. How the curve bends between the levels is not known."
)


@dataclass(frozen=True, slots=True)
class AtLevel:
    """One task (or POOLED) in one kind of noise.

    levels: the two next to `snr` that were measured (twice the same where it was itself). n: items that all arms
    answered at both. accuracies: arm → interpolated accuracy. differences: (speech LLM, cascade, interpolated
    difference), on the same resamples.
    """

    task: str
    kind: str
    snr: float
    levels: tuple[float, float]
    n: int
    accuracies: tuple[tuple[str, Interval], ...]
    differences: tuple[tuple[str, str, Interval], ...]


def parse_level(text: str) -> float:
    """`8dB`, `-2.5 dB` or `8` in dB. Raises `UsageError`."""
    found = re.fullmatch(r"\s*([+-]?\d+(?:\.\d+)?)\s*(?:dB)?\s*", text)
    if found is None:
        raise UsageError(f"an SNR is a number of dB, 8dB say, not {text!r}")
    return float(found[1])


def at_level(results: Results, snr: float) -> tuple[AtLevel, ...]:
    """Accuracies at `snr` in every kind of noise that was measured above and below it.

    Between two neighbouring levels accuracy is taken as a straight line in dB, item by item; the intervals (95 %) are
    those of bootstrap resamples of items (or of their clusters), so they hold what the items leave open and not how the
    curve bends. Raises `UsageError` outside every measured range, naming them.
    """
    cells = Cells(results.study, results.cells)
    ranges: dict[str, tuple[float, float]] = {}
    found = []
    for group in groups_of(results.tasks):
        if not all(task.has_gold for task in group.tasks):
            continue
        for sweep in sweeps(group.conditions):
            low, high = min(sweep.snr), max(sweep.snr)
            known = ranges.get(sweep.kind, (low, high))
            ranges[sweep.kind] = (min(known[0], low), max(known[1], high))
            if not low <= snr <= high:
                continue
            above = min(x for x in sweep.snr if x >= snr)
            below = max(x for x in sweep.snr if x <= snr)
            ends = [sweep.conditions[sweep.snr.index(x)] for x in (above, below)]
            arms = [arm.name for arm in results.arms if arm.hears]
            sides = {arm: [cells.of(group, c, arm) for c in ends] for arm in arms}
            there = {arm: [s for s in both if s is not None] for arm, both in sides.items() if None not in both}
            kept = answered(*(side for both in there.values() for side in both)) if there else []
            if not kept:
                continue
            share = 0.0 if above == below else (above - snr) / (above - below)
            table = np.column_stack([
                (1.0 - share) * correct(both[0], kept) + share * correct(both[1], kept) for both in there.values()
            ])  # fmt: skip
            _, _, weights = cells.weights(group, kept)
            means = _means(table, weights)
            names = list(there)
            pairs = [
                (c.left, c.right)
                for c in results.comparisons
                if c.verdict is not None and (c.task, c.condition) == (group.name, ends[0])
            ]
            found.append(
                AtLevel(
                    task=group.name,
                    kind=sweep.kind,
                    snr=snr,
                    levels=(above, below),
                    n=len(table),
                    accuracies=tuple((name, _share(table[:, i], means[:, i])) for i, name in enumerate(names)),
                    differences=tuple(
                        (a, b, _difference(table[:, i] - table[:, j], means[:, i] - means[:, j]))
                        for a, b in pairs
                        if a in there and b in there
                        for i, j in [(names.index(a), names.index(b))]
                    ),
                )
            )
    if not found:
        _refuse(snr, ranges)
    return tuple(found)


def _refuse(snr: float, ranges: dict[str, tuple[float, float]]) -> None:
    said = ", ".join(f"{kind} {low:g} to {high:g} dB" for kind, (low, high) in ranges.items())
    if not ranges:
        raise UsageError(
            "this run has no noise at two levels or more (with labels), so there is nothing to interpolate between; "
            "add conditions: [babble@10dB, babble@5dB]"
        )
    raise UsageError(f"{snr:g} dB lies outside what this run measured ({said}); nothing is extrapolated")


def _means(table: Floats, weights: Resamples) -> Floats:
    """(n, k) values → (resamples, k) their means under each resample."""
    totals = weights.sums(np.column_stack([table, np.ones(len(table))]))
    means: Floats = totals[:, :-1] / totals[:, -1:]
    return means


def _share(values: Floats, means: Floats) -> Interval:
    """Wilson's interval at the size of a sample whose mean varies as the resamples do: never of width 0."""
    value, spread = float(values.mean()), float(means.var(ddof=1))
    size = value * (1.0 - value) / spread if spread > 0.0 and 0.0 < value < 1.0 else float(len(values))
    return Interval(value, *wilson_limits(value, size, two_sided(0.95)))


def _difference(values: Floats, means: Floats) -> Interval:
    """Percentiles of the resamples; Tango's interval where no item tells the two apart."""
    if not values.any():
        return tango(0, 0, len(values))
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high))
