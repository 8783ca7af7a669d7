"""“Which one to build?”: accuracy, time, compute or cost and size of every system, and the recommendation."""

from __future__ import annotations

from cascade_equivalence.agreement import Interval
from cascade_equivalence.agreement.choice import Choice
from cascade_equivalence.agreement.gold_arm import GoldArm
from cascade_equivalence.agreement.verdict import FEWEST_UNITS
from cascade_equivalence.report import numbers
from cascade_equivalence.report.arms import describe_short, ordered
from cascade_equivalence.report.head.parts import Build, Row
from cascade_equivalence.report.head.words import GLUE, condition_words
from cascade_equivalence.study.arms import Arm
from cascade_equivalence.study.choices import Column
from cascade_equivalence.study.comparisons import knowing_nothing
from cascade_equivalence.study.latency import FOR_P95, Cost
from cascade_equivalence.study.results import POOLED, Results


def build(results: Results) -> Build | None:
    """None without any column: no gold labels, or nothing answered yet."""
    if not results.columns:
        return None
    clean, noise = results.columns[0], results.columns[1] if len(results.columns) > 1 else None
    costs = {cost.arm: cost for cost in results.costs}
    pick = clean.choice.pick if clean.choice and _withheld(results, clean) is None else None
    there = [arm for arm in ordered(results) if any(column.accuracy(arm.name) for column in results.columns)]
    ranked = sorted(
        there,
        key=lambda arm: (
            not arm.hears,
            arm.planted is not None,
            -_value(clean.accuracy(arm.name)),
            _mean(costs.get(arm.name)),
        ),
    )
    priced = any(cost.price is not None for cost in results.costs)
    sized = any(cost.bytes is not None for cost in results.costs)
    return Build(
        setting=_setting(results),
        clean_title=f"Right, {condition_words(clean.condition)}",
        noise_title=None if noise is None else _noise_title(clean, noise),
        price_title="Cost per 1,000" if priced else None,
        weights_title="Weights" if sized else None,
        rows=tuple(_row(arm, clean, noise, costs.get(arm.name), arm.name == pick, priced, sized) for arm in ranked),
        advice=_advice(results, clean, noise),
        notes=_notes(results, sized),
    )


def _row(
    arm: Arm, clean: Column, noise: Column | None, cost: Cost | None, pick: bool, priced: bool, sized: bool
) -> Row:
    return Row(
        arm=arm.name,
        what=describe_short(arm),
        system=arm.hears,
        pick=pick,
        note="" if not arm.hears else "planted control" if arm.planted else "",
        clean=_share(clean.accuracy(arm.name)),
        noise=None if noise is None else _share(noise.accuracy(arm.name)),
        p50=numbers.UNDEFINED if cost is None else f"{numbers.seconds(cost.median.value)}{GLUE}s",
        stages="" if cost is None or len(cost.stages) < 2 else ", ".join(
            f"{stage} {numbers.seconds(value)}" for stage, value in cost.stages.items()
        ),
        p95=_p95(cost),
        compute=numbers.UNDEFINED if cost is None else compute(cost.mean),
        price=None if not priced else numbers.UNDEFINED if cost is None or cost.price is None else f"{cost.price:.2f}",
        weights=None if not sized else _bytes(cost),
    )  # fmt: skip


def compute(mean: float) -> str:
    """Of a thousand requests of so many seconds each: `250 s`, `4.2 min`, `2.1 h`."""
    total = 1000 * mean
    return (
        f"{total:.0f}{GLUE}s"
        if total < 120
        else f"{total / 60:.1f}{GLUE}min"
        if total < 7200
        else f"{total / 3600:.1f}{GLUE}h"
    )


def _p95(cost: Cost | None) -> str:
    if cost is None or cost.p95.value is None:
        return numbers.UNDEFINED
    most = "" if cost.p95.high is None else f" (≤{GLUE}{numbers.seconds(cost.p95.high)})"
    return f"{'' if most else '~'}{numbers.seconds(cost.p95.value)}{GLUE}s{most}"


def _bytes(cost: Cost | None) -> str:
    if cost is None or cost.bytes is None:
        return numbers.UNDEFINED
    return f"{cost.bytes / 1e9:.1f}{GLUE}GB" if cost.bytes >= 1e9 else f"{cost.bytes / 1e6:.0f}{GLUE}MB"


def _share(accuracy: Interval | None) -> str:
    return numbers.UNDEFINED if accuracy is None else f"{numbers.percent(accuracy.value)}{GLUE}%"


def _value(accuracy: Interval | None) -> float:
    return -1.0 if accuracy is None or accuracy.value is None else accuracy.value


def _mean(cost: Cost | None) -> float:
    return float("inf") if cost is None else cost.mean


def _noise_title(clean: Column, noise: Column) -> str:
    part = f" ({', '.join(noise.tasks)})" if noise.tasks != clean.tasks else ""
    return f"Right, {condition_words(noise.condition)}{part}"


def _setting(results: Results) -> str:
    devices = {part.device for arm in results.arms for part in (arm.llm, arm.asr, arm.speech) if part and part.device}
    where = f" ({numbers.listed(sorted(devices))})" if devices else ""
    return f"on these tasks, this machine{where}, one request at a time"


def _advice(results: Results, clean: Column, noise: Column | None) -> tuple[str, ...]:
    if any(cell.n < cell.wanted for cell in results.cells):
        return ("No recommendation yet: not all planned trials are done.",)
    found = []
    first = clean.choice
    if first is not None and (why := _withheld(results, clean)) is not None:
        return (f"No recommendation: {why}.",)
    if first is not None:
        found.append(f"For {condition_words(clean.condition)}, build {first.pick}: {_reason(first)}.")
    if noise is not None and noise.choice is not None:
        where = condition_words(noise.condition) + (
            f" ({', '.join(noise.tasks)})" if noise.tasks != clean.tasks else ""
        )
        why = _withheld(results, noise)
        if why is not None:
            found.append(f"In {where} no recommendation: {why}.")
        elif first is not None and (noise.choice.pick, noise.choice.why, noise.choice.open) == (
            first.pick,
            first.why,
            first.open,
        ):
            found.append(f"In {where} the same, for the same reason.")
        else:
            same = " too" if first is not None and noise.choice.pick == first.pick else ""
            found.append(f"In {where}, build {noise.choice.pick}{same}: {_reason(noise.choice)}.")
    return tuple(found) or ("No recommendation: there is only one system.",)


def _withheld(results: Results, column: Column) -> str | None:
    """Why nothing is recommended: too few items, or the best system is not shown to know more than nothing."""
    if column.n < FEWEST_UNITS:
        return f"{numbers.plural(column.n, 'item')} are too few (at least {FEWEST_UNITS})"
    best = column.choice.best if column.choice else None
    share = column.accuracy(best) if best else None
    if best is None or share is None or share.value is None:
        return None
    chance, majority = knowing_nothing([task for task in results.tasks if task.name in column.tasks])
    if GoldArm(round(share.value * column.n), column.n, chance, majority).measures:
        return None
    nothing = max((chance, "chance"), (majority, "always giving the most frequent label"))
    return (
        f"{best}, the most accurate, is right on {numbers.percent(share.value)}{GLUE}%, not shown to beat "
        f"{nothing[1]} ({numbers.percent(nothing[0])}{GLUE}%)"
    )


def _reason(choice: Choice) -> str:
    margin, rivals = f"{100 * choice.margin:g}{GLUE}points", len(choice.rivals)
    if choice.why == "cheapest not worse":
        return (
            f"the cheapest that is shown to be less than {margin} behind {choice.best}, the most accurate "
            f"(adjusted for {numbers.plural(rivals, 'comparison')})"
        )
    if choice.why == "costs unknown":
        return "none is more accurate; what a request costs is not known for all of them"
    if choice.why == "most accurate and cheapest":
        return "none is more accurate, and none is cheaper"
    shown = [(rival.name, rival.difference) for rival in choice.rivals if rival.name in choice.open]
    said = ", ".join([
        f"{name} ({'worse' if (d.high or 0.0) < -choice.margin else 'open'}, {numbers.points(d.value)})"
        for name, d in shown
    ])  # fmt: skip
    return f"the most accurate; no cheaper one is shown to be within {margin} of it: {said}"


def _notes(results: Results, sized: bool) -> tuple[str, ...]:
    found = []
    timed = [cost for cost in results.costs if cost.p95.value is not None]
    fewest = min((cost.n for cost in timed), default=0)
    if timed and fewest < FOR_P95:
        found.append(f"P95 from {fewest} requests: a rough figure (~); an upper limit takes {FOR_P95}.")
    if timed:
        lengths = [cost.audio for cost in timed if cost.audio is not None]
        audio = f" (median item: {min(lengths):.1f}{GLUE}s of speech)" if lengths else ""
        found.append(f"Compute is the mean of the same requests × 1,000{audio}.")
    else:
        found.append("No single request was timed.")
    if not sized:
        found.append("Memory was not measured.")
    if any(arm.planted is not None for arm in results.arms):
        found.append("Planted controls, at the end, are nothing to build: the recommendation leaves them out.")
    hour = (results.study.prices or {}).get("gpu_hour")
    if hour is not None:
        found.append(f"Cost at {hour:g} per hour of this machine, used one request at a time.")
    return tuple(found)


def pooled_name(column: Column) -> str:
    """The tasks of a column in words."""
    return numbers.listed(column.tasks) if column.group == POOLED else column.tasks[0]
