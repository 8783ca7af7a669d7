"""Noise curves: accuracy, word error rate and κ against the SNR, one small chart a task and kind of noise, as SVG."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from markupsafe import Markup

from cascade_equivalence.report import numbers
from cascade_equivalence.report.arms import ordered, series
from cascade_equivalence.report.drawing import COLOURS, Caption, Line, Point, draw_lines
from cascade_equivalence.run.layout import GOLD_CONDITION
from cascade_equivalence.study.conditions import CLEAN, level_of, sweeps
from cascade_equivalence.study.results import POOLED, Results


@dataclass(frozen=True, slots=True)
class Curve:
    """A drawn chart. `alternative` says in words what it shows."""

    title: str
    svg: Markup
    alternative: str


@dataclass(frozen=True, slots=True)
class Curves:
    """All charts; empty where a study has one condition only."""

    accuracy: tuple[Curve, ...] = ()
    word_errors: tuple[Curve, ...] = ()
    asr_series: Mapping[str, int] | None = None
    cascade_kappa: tuple[Curve, ...] = ()
    pair_series: Mapping[str, int] | None = None
    own_kappa: tuple[Curve, ...] = ()


@dataclass(frozen=True, slots=True)
class _Chart:
    """What one chart is drawn from."""

    title: str
    conditions: Sequence[str]
    lines: Sequence[Line]


def in_noise_order(conditions: Sequence[str]) -> list[str]:
    """Clean first, then levels in dB from mild to hard within each kind of noise, the kinds as the study has them."""
    kinds: dict[str, int] = {}

    def place(condition: str) -> tuple[int, int, float]:
        if condition == "clean":
            return (0, 0, 0.0)
        kind, level = level_of(condition) or (condition, 0.0)
        return (1, kinds.setdefault(kind, len(kinds)), -level)

    return [c for _, c in sorted(((place(c), c) for c in conditions), key=lambda pair: pair[0])]


def curves(results: Results, alone: bool = False) -> Curves:
    """Draw the charts of a study: along every sweep of levels, or over all conditions where there is none.

    alone: each with its title and legend inside, for a file of its own.
    """
    axes = _axes(results)
    number = series(results)
    asr_arms = {arm.asr_key: arm.name for arm in reversed(results.arms) if arm.asr_key}
    asrs = {asr: number[asr_arms[asr]] for asr in dict.fromkeys(w.asr for w in results.word_errors)}
    pairs = _cascade_pairs(results)
    groups = [task.name for task in results.tasks]
    pooled = [POOLED] if any(c.task == POOLED for c in results.comparisons) else []

    def charts(names: Sequence[str], lines: Callable[[str, Sequence[str]], list[Line]]) -> list[_Chart]:
        return [
            _Chart(f"{name}, {kind}" if len(axes) > 1 else name, conditions, lines(name, conditions))
            for name in names
            for kind, conditions in axes
        ]

    accuracy = charts(groups, lambda name, found: _accuracy_lines(results, name, found, number))
    errors = charts(groups, lambda name, found: _error_lines(results, name, found, asrs))
    swept = bool(sweeps(results.conditions))
    kappas = charts([*groups, *pooled], lambda name, found: _pair_lines(results, name, found, pairs)) if swept else []
    own = charts([*groups, *pooled], lambda name, found: _own_lines(results, name, found, number)) if swept else []
    return Curves(
        accuracy=_draw_all(accuracy, "accuracy", alone, most=1.0),
        word_errors=_draw_all(errors, "word error rate", alone, least=0.0),
        asr_series=asrs,
        cascade_kappa=_draw_all(kappas, "κ of two arms", alone, most=1.0, kind="coefficient"),
        pair_series=dict(pairs.values()),
        own_kappa=_draw_all(own, "κ with the own clean answers", alone, most=1.0, kind="coefficient"),
    )


def _axes(results: Results) -> list[tuple[str, list[str]]]:
    """(kind, conditions from mild to hard) of each set of charts."""
    clean = [CLEAN] if CLEAN in results.conditions else []
    found = [(sweep.kind, [*clean, *sweep.conditions]) for sweep in sweeps(results.conditions)]
    if found or len(results.conditions) < 2:
        return found
    return [("", in_noise_order(results.conditions))]


def _cascade_pairs(results: Results) -> dict[tuple[str, str], tuple[str, int]]:
    """(left, right) → name and number in the legend; the ceilings share one."""
    found: dict[tuple[str, str], tuple[str, int]] = {}
    for c in results.comparisons:
        if c.ceiling:
            found[c.left, c.right] = (f"ceiling: {c.left} against {c.right}", 0)
        elif c.family and (c.left, c.right) not in found:
            count = sum(n > 0 for _, n in found.values())
            found[c.left, c.right] = (f"{c.left} against {c.right}", 1 + count % (len(COLOURS) - 1))
    return found


def _accuracy_lines(results: Results, task: str, conditions: Sequence[str], number: Mapping[str, int]) -> list[Line]:
    lines = []
    there = next(t.conditions for t in results.tasks if t.name == task)
    for arm in ordered(results):
        cells = [(c, results.cell(task, c, arm.name)) for c in conditions if c in there]
        points = tuple(Point(c, cell.accuracy, cell.n) for c, cell in cells if cell and cell.accuracy.value is not None)
        flat = any(cell.condition == GOLD_CONDITION for _, cell in cells if cell)
        lines.append(Line(arm.name, number[arm.name], points, flat))
    return lines


def _error_lines(results: Results, task: str, conditions: Sequence[str], asrs: Mapping[str, int]) -> list[Line]:
    found = {(w.asr, w.condition): w for w in results.word_errors if w.task == task}
    return [
        Line(asr, n, tuple(Point(c, found[asr, c].rate, found[asr, c].n) for c in conditions if (asr, c) in found))
        for asr, n in asrs.items()
    ]


def _pair_lines(
    results: Results, task: str, conditions: Sequence[str], pairs: Mapping[tuple[str, str], tuple[str, int]]
) -> list[Line]:
    found = {(c.left, c.right, c.condition): c.pair for c in results.comparisons if c.task == task}
    return [
        Line(name, n, tuple(
            Point(c, found[*pair, c].kappa, found[*pair, c].n)
            for c in conditions
            if (*pair, c) in found and found[*pair, c].kappa.value is not None
        ))
        for pair, (name, n) in pairs.items()
    ]  # fmt: skip


def _own_lines(results: Results, task: str, conditions: Sequence[str], number: Mapping[str, int]) -> list[Line]:
    found = {(c.arm, c.condition): c for c in results.changes if c.task == task and c.kappa.value is not None}
    return [
        Line(arm.name, number[arm.name], tuple(
            Point(c, found[arm.name, c].kappa, found[arm.name, c].n) for c in conditions if (arm.name, c) in found
        ))
        for arm in ordered(results)
    ]  # fmt: skip


def _draw_all(
    charts: Sequence[_Chart],
    what: str,
    alone: bool,
    least: float | None = None,
    most: float | None = None,
    kind: Literal["percent", "coefficient"] = "percent",
) -> tuple[Curve, ...]:
    """The charts of one quantity, all on the same scale so that they can be compared by eye."""
    drawn = [replace(chart, lines=[line for line in chart.lines if line.points]) for chart in charts]
    drawn = [chart for chart in drawn if len({p.condition for line in chart.lines for p in line.points}) > 1]
    ends = [
        end
        for chart in drawn
        for line in chart.lines
        for p in line.points
        for end in (p.estimate.low, p.estimate.high, p.estimate.value)
        if end is not None
    ]
    if not ends:
        return ()
    low = (
        (min(0.0, min(ends)) if kind == "coefficient" else max(0.0, int(10 * min(ends)) / 10))
        if least is None
        else least
    )
    high = min(most or 2.0, -int(-10 * max(ends) - 0.999) / 10) if most is None else most
    scale = 100 if kind == "percent" else 1
    return tuple(
        Curve(
            chart.title,
            draw_lines(
                chart.lines,
                chart.conditions,
                (scale * low, scale * high),
                scale,
                Caption(chart.title, f"{what}, %" if kind == "percent" else what) if alone else None,
            ),
            _alternative(chart.title, what, chart.lines, kind),
        )
        for chart in drawn
    )


def _alternative(title: str, what: str, lines: Sequence[Line], kind: Literal["percent", "coefficient"]) -> str:
    parts = []
    for line in lines:
        points = line.points[:1] if line.flat else line.points
        values = numbers.listed([
            (f"{numbers.percent(p.estimate.value)} %" if kind == "percent" else numbers.coefficient(p.estimate.value))
            + ("" if line.flat else f" in {p.condition}")
            for p in points
        ])  # fmt: skip
        parts.append(f"{line.name} {values}")
    return f"{numbers.capital(what)} on {title}: {'; '.join(parts)}."
