"""Noise, controls, option orders and held words, as both reports lay them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from cascade_equivalence.report import numbers
from cascade_equivalence.report.arms import ordered
from cascade_equivalence.study.results import POOLED, Change, NoiseReversal, Results, SweepCrossing

ORDERS_NOTE = (
    "A chat prompt lists the options in the order given, and may answer otherwise in another; a plain prompt lists "
    "none, so there the order can decide ties alone"
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A speech LLM and a cascade on one task (or all pooled), condition by condition, with where they cross."""

    task: str
    left: str
    right: str
    family: bool
    rows: tuple[tuple[NoiseReversal, Change | None, Change | None], ...]
    """The reversal, with the noise drops of left and right."""
    crossings: tuple[str, ...]


def drops(results: Results) -> list[list[Change]]:
    """The changes under what is heard, by task and arm, each from the mildest condition to the hardest."""
    return _by_arm(results, [c for c in results.changes if not c.control])


def controls(results: Results) -> list[list[Change]]:
    """The same for controls."""
    return _by_arm(results, list(results.controls))


def _by_arm(results: Results, changes: Sequence[Change]) -> list[list[Change]]:
    tasks = {task["name"]: i for i, task in enumerate(results.tasks)}
    arms = {arm.name: i for i, arm in enumerate(ordered(results))}
    found = sorted(changes, key=lambda c: (tasks.get(c.task, len(tasks)), arms[c.arm]))
    return [list(group) for _, group in groupby(found, key=lambda c: (c.task, c.arm))]


def pairs(results: Results) -> list[Pair]:
    """The reversal tables, the pooled one first."""
    drop = {(c.task, c.condition, c.arm): c for c in results.changes}
    found = sorted(results.reversals, key=lambda r: r.task != POOLED)
    made = []
    for (task, left, right), group in groupby(found, key=lambda r: (r.task, r.left, r.right)):
        rows = list(group)
        made.append(
            Pair(
                task,
                left,
                right,
                rows[0].family,
                tuple((r, drop.get((task, r.condition, left)), drop.get((task, r.condition, right))) for r in rows),
                tuple(crossing_of(c) for c in results.crossings if (c.task, c.left, c.right) == (task, left, right)),
            )
        )
    return made


def crossing_of(sweep: SweepCrossing) -> str:
    """Where an advantage reverses, or that it does not, in words."""
    found, kind = sweep.found, sweep.kind
    highest, lowest = numbers.level(max(sweep.levels)), numbers.level(min(sweep.levels))
    if not found.leader:
        return f"{kind}: no difference at any level, so none to reverse"
    ahead, behind = (sweep.left, sweep.right) if found.leader > 0 else (sweep.right, sweep.left)
    share = f"{numbers.percent(found.share, 0)} % of {found.resamples} resamples"
    if found.above:
        return f"{kind}: {ahead} is ahead on clean audio and behind at {highest} dB already; so in {share}"
    if found.snr.value is None:
        return f"{kind}: no reversal, {ahead} is not behind {behind} anywhere down to {lowest} dB; one in {share}"
    at, low, high = numbers.level(found.snr.value), found.snr.low, found.snr.high
    upper = numbers.level(high) if high is not None else f"above {highest}"
    limits = f" ({numbers.level(low)} to {upper})" if low is not None else ""
    return f"{kind}: {ahead} is ahead first and falls behind at {at} dB{limits}; so in {share}"
