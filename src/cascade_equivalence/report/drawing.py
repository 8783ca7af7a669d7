"""How a chart is drawn: lines with intervals against the SNR, and estimates one below another, as SVG."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup

from cascade_equivalence.agreement import Interval
from cascade_equivalence.reading.terminal import plain
from cascade_equivalence.study.conditions import CLEAN, level_of

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
class Caption:
    """What a chart needs that stands alone: a title, what its axis shows, and (always, then) a legend."""

    title: str
    quantity: str


def draw_lines(
    lines: Sequence[Line],
    conditions: Sequence[str],
    span: tuple[float, float],
    scale: int,
    caption: Caption | None = None,
) -> Markup:
    """Lines over `conditions`, values times `scale` from span[0] to span[1]; without a caption, for a page that has its
    title and legend beside it."""
    import altair as alt

    labels, places, title = _axis([plain(condition) for condition in conditions])
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
                "series": plain(line.name),
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
        name = caption.quantity if caption else None
        return alt.Y(f"{column}:Q", title=name, scale=domain, axis=alt.Axis(tickCount=5))

    names = [plain(line.name) for line in lines]
    legend = alt.Legend(title=None, labelLimit=400, orient="bottom", direction="vertical") if caption else None
    inks = alt.Scale(domain=names, range=[COLOURS[line.number] for line in lines])
    shapes = alt.Scale(domain=names, range=[SHAPES[line.number] for line in lines])
    colour = alt.Color("series:N", legend=legend, scale=inks)
    shape = alt.Shape("series:N", legend=legend, scale=shapes)
    base = alt.Chart(alt.Data(values=rows)).encode(x=x("x:Q"))
    once, many = base.transform_filter("datum.flat"), base.transform_filter("!datum.flat").encode(color=colour)
    chart = alt.layer(
        once.mark_area(opacity=0.1, color=COLOURS[0]).encode(y=y("low"), y2="high:Q"),
        once.mark_line(strokeDash=[5, 3], strokeWidth=1.5).encode(y=y("value"), color=colour),
        many.mark_rule(strokeWidth=1.5).encode(x=x("bar:Q"), y=y("low"), y2="high:Q"),
        many.mark_line(strokeWidth=1.75).encode(y=y("value")),
        many.mark_point(filled=True, size=52, opacity=1).encode(y=y("value"), shape=shape),
    ).properties(width=_WIDTH, height=_HEIGHT, background="transparent")
    return _svg(chart.properties(title=plain(caption.title)) if caption else chart)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A row of a chart of estimates. group: what rows stand together; mark: what it is held against."""

    group: str
    name: str
    found: Interval
    mark: float | None = None


def draw_estimates(rows: Sequence[Estimate], caption: Caption, scale: int = 1, band: float | None = None) -> Markup:
    """Dots with their intervals one below another, in groups, values times `scale`; a dashed tick at `mark`, a grey
    band from −`band` to `band`. Raises ValueError without a row."""
    import altair as alt

    ends = [0.0, *(x for r in rows for x in (r.found.value, r.found.low, r.found.high, r.mark) if x is not None)]
    span = [scale * min(ends), scale * max(ends)]
    if band is not None:
        span = [min(span[0], -scale * band), max(span[1], scale * band)]
    x = alt.Scale(domain=span, nice=True, zero=False)

    def along(column: str) -> Any:
        return alt.X(f"{column}:Q", title=caption.quantity, scale=x)

    groups = list(dict.fromkeys(row.group for row in rows))
    parts = []
    for group in groups:
        here = [row for row in rows if row.group == group]
        table = [
            {
                "name": f"{i}", "value": _times(scale, row.found.value), "low": _times(scale, row.found.low),
                "high": _times(scale, row.found.high), "mark": _times(scale, row.mark),
            }
            for i, row in enumerate(here)
        ]  # fmt: skip
        labels = json.dumps([plain(row.name) for row in here])
        place = alt.Y(
            "name:N", title=None, sort=None, axis=alt.Axis(labelExpr=f"{labels}[toNumber(datum.value)]", grid=True)
        )
        base = alt.Chart(alt.Data(values=table)).encode(y=place)
        layers = [
            base.mark_rule(strokeWidth=1.75, color=INK).encode(x=along("low"), x2="high:Q"),
            base.mark_point(filled=True, size=52, opacity=1, color=INK).encode(x=along("value")),
            base.mark_tick(thickness=2, color=COLOURS[5]).encode(x=along("mark")),
        ]
        zero = alt.Chart(alt.Data(values=[{"zero": 0.0}])).mark_rule(color=COLOURS[0]).encode(x=along("zero"))
        if band is not None:
            inside = alt.Chart(alt.Data(values=[{"from": -scale * band, "to": scale * band}]))
            layers.insert(0, inside.mark_rect(color=FAINT).encode(x=along("from"), x2="to:Q"))
        parts.append(alt.layer(zero, *layers).properties(width=_WIDTH, height=alt.Step(18), title=plain(group)))
    chart = alt.vconcat(*parts).resolve_scale(x="shared").properties(background="transparent")
    return _svg(chart.properties(title=plain(caption.title)))


def _times(scale: int, value: float | None) -> float | None:
    return None if value is None else scale * value


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


def _svg(chart: Any) -> Markup:
    import vl_convert

    made = (
        chart.configure(aria=False)
        .configure_view(stroke=None)
        .configure_axis(
            domainColor=INK, tickColor=INK, labelColor=INK, titleColor=INK, gridColor=FAINT, labelFontSize=12,
            titleFontSize=12, titleFontWeight="normal", titlePadding=8, labelPadding=5, labelLimit=400,
        )
        .configure_axisY(domain=False, ticks=False)
        .configure_title(color=INK, fontSize=13, anchor="start", offset=8)
        .configure_legend(labelColor=INK, labelFontSize=12)
    )  # fmt: skip
    return _safe(vl_convert.vegalite_to_svg(made.to_dict(validate=False)))


def _safe(svg: str) -> Markup:
    """The SVG for inclusion in a page. Text is escaped by the renderer; that nothing but shapes came is checked."""
    # What is read is the renderer's own, of names without control characters; it holds no entities of its own.
    for element in ElementTree.fromstring(svg).iter():  # noqa: S314
        tag = element.tag.rpartition("}")[2]
        names = [name.rpartition("}")[2].lower() for name in element.attrib]
        if tag not in _SVG_TAGS or any(name.startswith("on") or name == "href" for name in names):
            raise ValueError(f"the chart renderer wrote something other than shapes: {tag} with {', '.join(names)}")
    return Markup(svg)  # noqa: S704 - checked above; the only markup that is not a template's own
