"""Noise curves: accuracy and word error rate over the conditions, one small chart a task, as SVG."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from cascade_equivalence.agreement import Interval
from cascade_equivalence.report import numbers
from cascade_equivalence.report.arms import ordered, series
from cascade_equivalence.run.layout import GOLD_CONDITION
from cascade_equivalence.study.results import Results

COLOURS = ("#5c5c66", "#1565b8", "#b5500b", "#2c7a4b", "#8a3fa0", "#a3284f", "#4b6b00", "#00727d")
"""Series colours on light paper; the style sheet swaps them for others on dark paper, by these very values."""
INK, FAINT = "#3a3a3c", "#dcdcde"
SHAPES = ("stroke", "circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right")

_WIDTH, _HEIGHT = 300, 190
_SVG_TAGS = {"svg", "g", "path", "line", "rect", "text", "tspan", "title", "defs", "clipPath"}
_LEVEL = re.compile(r"(?P<kind>[^@+]+)@(?P<value>[+-]?\d+(?:\.\d+)?)dB")


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


def in_noise_order(conditions: Sequence[str]) -> list[str]:
    """Clean first, then levels in dB from mild to hard within each kind of noise, the kinds as the study has them."""
    kinds: dict[str, int] = {}

    def place(condition: str) -> tuple[int, int, float]:
        if condition == "clean":
            return (0, 0, 0.0)
        match = _LEVEL.fullmatch(condition)
        kind = match["kind"] if match else condition
        return (1, kinds.setdefault(kind, len(kinds)), -float(match["value"]) if match else 0.0)

    return [c for _, c in sorted(((place(c), c) for c in conditions), key=lambda pair: pair[0])]


def curves(results: Results) -> Curves:
    """Draw the charts of a study."""
    conditions = in_noise_order(results.conditions)
    if len(conditions) < 2:
        return Curves()
    names = [task["name"] for task in results.tasks]
    number = series(results)
    asr_arms = {arm.asr_key: arm.name for arm in reversed(results.arms) if arm.asr_key}
    asrs = {asr: number[asr_arms[asr]] for asr in dict.fromkeys(w.asr for w in results.word_errors)}
    accuracy = {name: _accuracy_lines(results, name, conditions, number) for name in names}
    errors = {name: _error_lines(results, name, conditions, asrs) for name in names}
    return Curves(
        accuracy=_draw_all(accuracy, conditions, "accuracy", most=1.0),
        word_errors=_draw_all(errors, conditions, "word error rate", least=0.0),
        asr_series=asrs,
    )


def _accuracy_lines(results: Results, task: str, conditions: Sequence[str], number: Mapping[str, int]) -> list[Line]:
    lines = []
    for arm in ordered(results):
        cells = [(c, results.cell(task, c, arm.name)) for c in conditions]
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


def _draw_all(
    by_task: Mapping[str, Sequence[Line]],
    conditions: Sequence[str],
    what: str,
    least: float | None = None,
    most: float | None = None,
) -> tuple[Curve, ...]:
    """One chart a task, all on the same scale so that they can be compared by eye."""
    drawn = {task: [line for line in lines if line.points] for task, lines in by_task.items()}
    ends = [
        end
        for lines in drawn.values()
        for line in lines
        for p in line.points
        for end in (p.estimate.low, p.estimate.high, p.estimate.value)
        if end is not None
    ]
    if not ends:
        return ()
    low = max(0.0, int(10 * min(ends)) / 10) if least is None else least
    high = min(most or 2.0, -int(-10 * max(ends) - 0.999) / 10) if most is None else most
    return tuple(
        Curve(task, _draw(lines, conditions, (100 * low, 100 * high)), _alternative(task, what, lines))
        for task, lines in drawn.items()
        if lines
    )


def _alternative(task: str, what: str, lines: Sequence[Line]) -> str:
    parts = []
    for line in lines:
        points = line.points[:1] if line.flat else line.points
        values = numbers.listed([
            f"{numbers.percent(p.estimate.value)} %" + ("" if line.flat else f" in {p.condition}") for p in points
        ])  # fmt: skip
        parts.append(f"{line.name} {values}")
    return f"{numbers.capital(what)} on {task}: {'; '.join(parts)}."


def _draw(lines: Sequence[Line], conditions: Sequence[str], span: tuple[float, float]) -> Markup:
    import altair as alt
    import vl_convert

    labels, title = _axis(conditions)
    heard = [line for line in lines if not line.flat]
    rows = []
    for line in lines:
        shift = 0.0 if line.flat else 0.11 * (heard.index(line) - (len(heard) - 1) / 2)
        for point in line.points:
            estimate = point.estimate
            rows.append({
                "x": conditions.index(point.condition) + shift,
                "value": 100 * (estimate.value or 0.0),
                "low": None if estimate.low is None else 100 * estimate.low,
                "high": None if estimate.high is None else 100 * estimate.high,
                "series": line.number,
                "flat": line.flat,
            })  # fmt: skip
    edge = 0.35
    x = alt.X(
        "x:Q",
        title=title,
        scale=alt.Scale(domain=[-edge, len(conditions) - 1 + edge], nice=False),
        # Names enter the expression as a JSON list, never as code.
        axis=alt.Axis(values=list(range(len(conditions))), labelExpr=f"{json.dumps(labels)}[datum.value]", grid=False),
    )

    def y(column: str) -> Any:
        # The same scale in every layer: a layer without it would bring the scale's default, zero, back in.
        scale = alt.Scale(domain=list(span), nice=False, zero=False)
        return alt.Y(f"{column}:Q", title=None, scale=scale, axis=alt.Axis(tickCount=5))

    inks = alt.Scale(domain=list(range(len(COLOURS))), range=list(COLOURS))
    colour = alt.Color("series:N", legend=None, scale=inks)
    fill = alt.Fill("series:N", legend=None, scale=inks)
    shape = alt.Shape("series:N", legend=None, scale=alt.Scale(domain=list(range(len(SHAPES))), range=list(SHAPES)))
    base = alt.Chart(alt.Data(values=rows)).encode(x=x, color=colour)
    once, many = base.transform_filter("datum.flat"), base.transform_filter("!datum.flat")
    chart = alt.layer(
        once.mark_area(opacity=0.1).encode(y=y("low"), y2="high:Q", fill=fill, color=alt.Undefined),
        once.mark_line(strokeDash=[5, 3], strokeWidth=1.5).encode(y=y("value")),
        many.mark_rule(strokeWidth=1.5).encode(y=y("low"), y2="high:Q"),
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
    return _safe(vl_convert.vegalite_to_svg(chart.to_dict()))


def _axis(conditions: Sequence[str]) -> tuple[list[str], str]:
    """Tick labels and title; one kind of noise is named once, below the axis."""
    matches = [_LEVEL.fullmatch(c) for c in conditions]
    kinds = {m["kind"] for m in matches if m}
    if len(kinds) == 1 and all(m or c == "clean" for m, c in zip(matches, conditions, strict=True)):
        return [f"{m['value']} dB" if m else c for m, c in zip(matches, conditions, strict=True)], f"{kinds.pop()}, SNR"
    return list(conditions), "condition"


def _safe(svg: str) -> Markup:
    """The SVG for inclusion in a page. Text is escaped by the renderer; that nothing but shapes came is checked."""
    strange = set(re.findall(r"<([A-Za-z][\w:-]*)", svg)) - _SVG_TAGS
    if strange or re.search(r"\s(?:on\w+|(?:xlink:)?href)\s*=", svg):
        raise ValueError(f"the chart renderer wrote something other than shapes: {sorted(strange)}")
    return Markup(svg)  # noqa: S704 - checked above; the only markup that is not a template's own
