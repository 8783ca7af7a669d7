"""The figures of a study as files: the report's charts, each with its own title and legend, as SVG or PDF."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cascade_equivalence.report.arms import ordered_comparisons
from cascade_equivalence.report.curves import curves
from cascade_equivalence.report.drawing import Caption, Estimate, draw_estimates
from cascade_equivalence.report.headline import title_of
from cascade_equivalence.study.results import Results
from cascade_equivalence.whole import whole

Format = Literal["svg", "pdf"]
FORMATS: tuple[Format, ...] = ("svg", "pdf")


@dataclass(frozen=True, slots=True)
class Figure:
    """name: of its file, without the ending."""

    name: str
    svg: str


def figures_of(results: Results) -> list[Figure]:
    """All that the study has something to draw for: κ and accuracy differences of all pairs, and its noise curves."""
    made = []
    compared = ordered_comparisons(results)
    kappas = [
        Estimate(
            title_of(c.task, results), f"{c.left} / {c.right}, {c.condition}", c.pair.kappa,
            c.reference[2] if c.reference else None,
        )
        for c in compared
        if c.pair.kappa.value is not None
    ]  # fmt: skip
    if kappas:
        tick = "; tick: the ceiling" if any(row.mark is not None for row in kappas) else ""
        made.append(Figure("agreement", draw_estimates(kappas, Caption("Agreement", f"κ, 95 % intervals{tick}"))))
    differences = [
        Estimate(title_of(c.task, results), f"{c.left} − {c.right}, {c.condition}", c.pair.accuracy.difference)
        for c in compared
        if c.pair.accuracy
    ]
    if differences:
        margin = results.study.margin
        caption = Caption("Accuracy differences", f"points, 95 % intervals; band: ±{100 * margin:g}")
        made.append(Figure("differences", draw_estimates(differences, caption, 100, margin)))
    drawn = curves(results, alone=True)
    for name, charts in (
        ("accuracy", drawn.accuracy),
        ("word-errors", drawn.word_errors),
        ("kappa", drawn.cascade_kappa),
        ("own-kappa", drawn.own_kappa),
    ):
        made += [Figure(f"{name}-{_file_name(chart.title)}", chart.svg) for chart in charts]
    return _apart(made)


def write_figures(figures: Sequence[Figure], form: Format, out: Path) -> list[Path]:
    """Write each as a file of its own, its text as text."""
    import vl_convert

    out.mkdir(parents=True, exist_ok=True)
    written = []
    for figure in figures:
        path = out / f"{figure.name}.{form}"
        with whole(path) as part:
            part.write_bytes(figure.svg.encode() if form == "svg" else vl_convert.svg_to_pdf(figure.svg))
        written.append(path)
    return written


def _file_name(title: str) -> str:
    """A title as part of a file's name: letters, digits and dashes."""
    return re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-").lower()[:60] or "x"


def _apart(figures: Sequence[Figure]) -> list[Figure]:
    """Names that would be one file's get numbers."""
    seen: dict[str, int] = {}
    made = []
    for figure in figures:
        seen[figure.name] = count = seen.get(figure.name, 0) + 1
        made.append(figure if count == 1 else Figure(f"{figure.name}-{count}", figure.svg))
    return made
