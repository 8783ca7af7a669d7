"""Noise, controls, option orders and held words, as both reports lay them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from cascade_equivalence.agreement import Interval
from cascade_equivalence.report import numbers
from cascade_equivalence.report.arms import ordered
from cascade_equivalence.study.conditions import level_of
from cascade_equivalence.study.results import POOLED, Change, NoiseReversal, Results, SweepCrossing

ORDERS_NOTE = (
    "A chat prompt lists the options in the order given, and may answer otherwise in another; a plain prompt lists "
    "none, so there the order can decide ties alone"
)

_SURE = 0.95
"""Share of resamples from which on a reversal, or that there is none, is taken as seen."""


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
    claims: tuple[str, ...]
    """What each sweep says about the claim that noise costs a speech LLM more and turns its advantage round."""


def drops(results: Results) -> list[list[Change]]:
    """The changes under what is heard, by task and arm, each from the mildest condition to the hardest."""
    return _by_arm(results, [c for c in results.changes if not c.control])


def controls(results: Results) -> list[list[Change]]:
    """The same for controls."""
    return _by_arm(results, list(results.controls))


def _by_arm(results: Results, changes: Sequence[Change]) -> list[list[Change]]:
    tasks = {task.name: i for i, task in enumerate(results.tasks)}
    arms = {arm.name: i for i, arm in enumerate(ordered(results))}
    found = sorted(changes, key=lambda c: (tasks.get(c.task, len(tasks)), arms[c.arm]))
    return [list(group) for _, group in groupby(found, key=lambda c: (c.task, c.arm))]


def pairs(results: Results) -> list[Pair]:
    """The reversal tables, the pooled one first. A sweep without clean audio has no rows, but may cross."""
    drop = {(c.task, c.condition, c.arm): c for c in results.changes}
    compared: list[NoiseReversal | SweepCrossing] = [*results.reversals, *results.crossings]
    found = {(r.task, r.left, r.right): r.family for r in compared}
    made = []
    for key in sorted(found, key=lambda key: key[0] != POOLED):
        task, left, right = key
        rows = [r for r in results.reversals if (r.task, r.left, r.right) == key]
        sweeps = [c for c in results.crossings if (c.task, c.left, c.right) == key]
        made.append(
            Pair(
                task,
                left,
                right,
                found[key],
                tuple((r, drop.get((task, r.condition, left)), drop.get((task, r.condition, right))) for r in rows),
                tuple(map(crossing_of, sweeps)),
                tuple(claim_of(c, rows) for c in sweeps),
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


def claim_of(sweep: SweepCrossing, rows: Sequence[NoiseReversal]) -> str:
    """What a sweep says about the claim that noise costs a speech LLM more than a cascade and reverses its advantage.

    rows: the reversals of the same task and arms; without those of clean audio the loss is left open.
    """
    hardest = (sweep.kind, min(sweep.levels))
    change = next((r.found.change for r in rows if level_of(r.condition) == hardest), None)
    span = f"{numbers.level(max(sweep.levels))} to {numbers.level(hardest[1])} dB"
    return (
        f"noise costs a speech LLM more and reverses its advantage ({sweep.kind}, n {sweep.found.n})? "
        f"{_loss(sweep, change)}; {_advantage(sweep)} in this range ({span})"
    )


def _loss(sweep: SweepCrossing, change: Interval | None) -> str:
    at = f"at {numbers.level(min(sweep.levels))} dB"
    if change is None or change.value is None or change.low is None or change.high is None:
        return f"whether {sweep.left} loses more than {sweep.right} {at} is not known"
    size = f"{numbers.percent(abs(change.value))} points"
    limits = f"({numbers.points(change.value)}, {numbers.limits(change, 'points')})"
    if change.low > 0:
        return f"{sweep.left} loses {size} more than {sweep.right} {at} {limits}"
    if change.high < 0:
        return f"{sweep.left} loses {size} less than {sweep.right} {at} {limits}"
    return f"whether {sweep.left} loses more than {sweep.right} {at} is undecided {limits}"


def _advantage(sweep: SweepCrossing) -> str:
    """Whether the advantage reverses; where the resamples do not bear it out at 95 %, that too."""
    found, share = sweep.found, f"{numbers.percent(sweep.found.share, 0)} % of resamples"
    if not found.leader:
        return "neither is ahead"
    ahead = sweep.left if found.leader > 0 else sweep.right
    doubt = ""
    if found.found:
        said = f"the advantage of {ahead} reverses"
        doubt = f", undecided with {share}," if found.share < _SURE else ""
    else:
        said = f"no reversal of the advantage of {ahead}"
        doubt = f", undecided with one in {share}," if found.share > 1 - _SURE else ""
    return ("" if found.leader > 0 else f"{sweep.left} has no advantage to lose, ") + said + doubt
