"""Noise curves: accuracy, word error rate and κ against the SNR, one small chart a task and kind of noise, as SVG."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

from markupsafe import Markup

from cascade_equivalence.agreement import Interval
from cascade_equivalence.report import numbers
from cascade_equivalence.report.arms import ordered, series
from cascade_equivalence.run.layout import GOLD_CONDITION
from cascade_equivalence.study.conditions import CLEAN, level_of, sweeps
from cascade_equivalence.study.results import POOLED, Results

COLOURS = ("#5c5c66", "#1565b8", "#b5500b", "#2c7a4b", "#8a3fa0", "#a3284f", "#4b6b00", "#00727d")
"""Series colours on light paper; the style sheet swaps them for others on dark paper, by these very values."""
INK, FAINT = "#3a3a3c", "#dcdcde"
SHAPES = ("stroke", "circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right")

_WIDTH, _HEIGHT = 300, 190
_SVG_TAGS = {"svg", "g", "path", "line", "rect", "text", "tspan", "title", "defs", "clipPath"}


@dataclass(frozen=True, slots=True)
class Point:
    """One arm (or ASR) under one condition."""

    condition: str
    estimate: Interval
    n: int


@dataclass(frozen=True, slots=True)
class Line:
    """A series over the conditions. `flat`: asked once, without audio, so the same under all of them."""

    name: str
    number: int
    points: tuple[Point, ...]
    flat: bool = False


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


def curves(results: Results) -> Curves:
    """Draw the charts of a study: along every sweep of levels, or over all conditions where there is none."""
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
        accuracy=_draw_all(accuracy, "accuracy", most=1.0),
        word_errors=_draw_all(errors, "word error rate", least=0.0),
        asr_series=asrs,
        cascade_kappa=_draw_all(kappas, "κ of two arms", most=1.0, kind="coefficient"),
        pair_series=dict(pairs.values()),
        own_kappa=_draw_all(own, "κ with the own clean answers", most=1.0, kind="coefficient"),
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
            _draw(chart.lines, chart.conditions, (scale * low, scale * high), scale),
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


def _draw(lines: Sequence[Line], conditions: Sequence[str], span: tuple[float, float], scale: int) -> Markup:
    import altair as alt
    import vl_convert

    labels, places, title = _axis(conditions)
    heard = [line for line in lines if not line.flat]
    rows = []
    for line in lines:
        shift = 0.0 if line.flat else 0.11 * (heard.index(line) - (len(heard) - 1) / 2)
        for point in line.points:
            estimate = point.estimate
            rows.append({
                "x": places[conditions.index(point.condition)],
                # Bars stand side by side; points and lines do not move, or lines would cross where they do not.
                "bar": places[conditions.index(point.condition)] + shift,
                "value": scale * (estimate.value or 0.0),
                "low": None if estimate.low is None else scale * estimate.low,
                "high": None if estimate.high is None else scale * estimate.high,
                "series": line.number,
                "flat": line.flat,
            })  # fmt: skip
    edge = 0.35
    # Names enter the expression as a JSON list, never as code.
    name = f"{json.dumps(labels)}[indexof({json.dumps(places)}, datum.value)]"

    def x(column: str) -> Any:
        scale = alt.Scale(domain=[min(places) - edge, max(places) + edge], nice=False)
        return alt.X(column, title=title, scale=scale, axis=alt.Axis(values=places, labelExpr=name, grid=False))

    def y(column: str) -> Any:
        # The same scale in every layer: a layer without it would bring the scale's default, zero, back in.
        domain = alt.Scale(domain=list(span), nice=False, zero=False)
        return alt.Y(f"{column}:Q", title=None, scale=domain, axis=alt.Axis(tickCount=5))

    inks = alt.Scale(domain=list(range(len(COLOURS))), range=list(COLOURS))
    colour = alt.Color("series:N", legend=None, scale=inks)
    fill = alt.Fill("series:N", legend=None, scale=inks)
    shape = alt.Shape("series:N", legend=None, scale=alt.Scale(domain=list(range(len(SHAPES))), range=list(SHAPES)))
    base = alt.Chart(alt.Data(values=rows)).encode(x=x("x:Q"), color=colour)
    once, many = base.transform_filter("datum.flat"), base.transform_filter("!datum.flat")
    chart = alt.layer(
        once.mark_area(opacity=0.1).encode(y=y("low"), y2="high:Q", fill=fill, color=alt.Undefined),
        once.mark_line(strokeDash=[5, 3], strokeWidth=1.5).encode(y=y("value")),
        many.mark_rule(strokeWidth=1.5).encode(x=x("bar:Q"), y=y("low"), y2="high:Q"),
        many.mark_line(strokeWidth=1.75).encode(y=y("value")),
        many.mark_point(filled=True, size=52, opacity=1).encode(y=y("value"), shape=shape),
    ).properties(width=_WIDTH, height=_HEIGHT, background="transparent")
    chart = (
        chart.configure(aria=False)
        .configure_view(stroke=None)
        .configure_axis(
            domainColor=INK, tickColor=INK, labelColor=INK, titleColor=INK, gridColor=FAINT, labelFontSize=12,
            titleFontSize=12, titleFontWeight="normal", titlePadding=8, labelPadding=5,
        )
        .configure_axisY(domain=False, ticks=False)
    )  # fmt: skip
    return _safe(vl_convert.vegalite_to_svg(chart.to_dict(validate=False)))


def _axis(conditions: Sequence[str]) -> tuple[list[str], list[float], str]:
    """Tick labels, their places, and the title. One kind of noise is named once, below an axis in dB; clean speech
    stands one step before its mildest level."""
    levels = [level_of(c) for c in conditions]
    known = [found for found in levels if found]
    if len({kind for kind, _ in known}) == 1 and all(f or c == CLEAN for f, c in zip(levels, conditions, strict=True)):
        snr = sorted({value for _, value in known}, reverse=True)
        step = min((a - b for a, b in pairwise(snr)), default=1.0)
        places = [-1.0 if found is None else (snr[0] - found[1]) / step for found in levels]
        labels = [f"{found[1]:g} dB" if found else c for found, c in zip(levels, conditions, strict=True)]
        return labels, places, f"{known[0][0]}, SNR"
    return list(conditions), [float(i) for i in range(len(conditions))], "condition"


def _safe(svg: str) -> Markup:
    """The SVG for inclusion in a page. Text is escaped by the renderer; that nothing but shapes came is checked."""
    strange = set(re.findall(r"<([A-Za-z][\w:-]*)", svg)) - _SVG_TAGS
    if strange or re.search(r"\s(?:on\w+|(?:xlink:)?href)\s*=", svg):
        raise ValueError(f"the chart renderer wrote something other than shapes: {sorted(strange)}")
    return Markup(svg)  # noqa: S704 - checked above; the only markup that is not a template's own
