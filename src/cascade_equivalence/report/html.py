"""One self-contained HTML file: styles, charts and sound inlined, nothing fetched, readable without scripts."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any

from markupsafe import Markup

from cascade_equivalence.agreement import Verdict
from cascade_equivalence.agreement.overlap import FEWEST_JOINT_ERRORS
from cascade_equivalence.agreement.parts import ALPHA, EPSILON, FLOOR
from cascade_equivalence.agreement.verdict_words import title
from cascade_equivalence.durations import duration
from cascade_equivalence.errors import RunError
from cascade_equivalence.reading.terminal import plain_lines
from cascade_equivalence.report import arms, beside, noise, numbers, proofs
from cascade_equivalence.report.anchors import anchor
from cascade_equivalence.report.cards import cards
from cascade_equivalence.report.caveats import caveats
from cascade_equivalence.report.curves import curves, in_noise_order
from cascade_equivalence.report.drawing import COLOURS
from cascade_equivalence.report.head import Card, head
from cascade_equivalence.report.headline import compared, title_of
from cascade_equivalence.report.matrix import matrix
from cascade_equivalence.report.mechanism import insides
from cascade_equivalence.report.overlaps import Overlap, overlaps
from cascade_equivalence.report.sound import Audio
from cascade_equivalence.run.layout import GOLD_CONDITION
from cascade_equivalence.study.at_level import NOTE as AT_NOTE
from cascade_equivalence.study.at_level import AtLevel
from cascade_equivalence.study.claims import claims
from cascade_equivalence.study.latency import latencies
from cascade_equivalence.study.results import POOLED, Arm, Cell, Comparison, Results, TaskRecord
from cascade_equivalence.whole import whole, why_not

FILE = "report.html"


def write_html(results: Results, directory: Path, audio: Audio = "all", at: Sequence[AtLevel] = ()) -> Path:
    """Write `report.html` into the run directory whole or not at all; `directory/clips` gives the sound.

    audio: of which trials. at: what is said of an SNR that was asked for.
    Raises `RunError` if it cannot be written; a report that was there before is then still there.
    """
    path = directory / FILE
    text = render(results, directory, audio, at)
    try:
        with whole(path, sync=True) as part:
            part.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise RunError(f"{path}: the report cannot be written ({why_not(error)})") from None
    return path


def render(results: Results, directory: Path, audio: Audio = "all", at: Sequence[AtLevel] = ()) -> str:
    """The page as text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("cascade_equivalence.report"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": numbers.percent,
        "points": numbers.points,
        "coefficient": numbers.coefficient,
        "p": numbers.p_value,
        "seconds": numbers.seconds,
        "level": numbers.level,
        "duration": duration,
        "limits": numbers.limits,
        "verdict_title": title,
        "glyph": glyph,
        "tone": tone,
        "fingerprint": numbers.fingerprint,
        "listed": numbers.listed,
        "plural": numbers.plural,
        "capital": numbers.capital,
        "groupby_in_order": _groups,
    }
    context = _context(results, directory, audio) | {"at": at, "at_note": AT_NOTE}
    return environment.get_template("report.html.j2").render(context)


def _shown(value: Any) -> Any:
    """What a template writes: text without control and bidirectional characters, which could turn a line around."""
    return plain_lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _groups(rows: Sequence[Any], name: str) -> list[list[Any]]:
    return [list(group) for _, group in groupby(rows, key=lambda row: getattr(row, name))]


def _context(results: Results, directory: Path, audio: Audio) -> dict[str, Any]:
    style, script = _asset("style.css"), _asset("filter.js")
    top = head(results)
    return {
        "results": results,
        "style": Markup(style),  # noqa: S704 - the package's own file
        "script": Markup(script),  # noqa: S704 - the package's own file
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "head": top,
        "kappa_least": min([0.0, *(c.kappa.low for c in top.cards if c.kappa.low is not None)]),
        "reach": _reach(top.cards, results.study.margin),
        "compared": compared(results),
        "arms": arms.ordered(results),
        "series": arms.series(results),
        "series_count": len(COLOURS),
        "describe": arms.describe,
        "decoding": arms.decoding,
        "planted": {arm.name for arm in results.arms if arm.planted},
        "parts_of": proofs.parts_of,
        "proofs": proofs.proofs(results),
        "matches": proofs.matches(results),
        "gate": proofs.GATE,
        "no_gate": proofs.NO_GATE,
        "nuisances": proofs.nuisances(),
        "self_agreements": proofs.self_agreements(results),
        "ceilings": proofs.ceilings(results),
        "flattery": proofs.flattery(results),
        "title_of": lambda task: title_of(task, results),
        "conditions": in_noise_order(results.conditions),
        "gold_condition": GOLD_CONDITION,
        "pooled": POOLED,
        "same_llm": len({_key(arm) for arm in results.arms}) == 1,
        "cells_of": lambda task: _cells(results, task),
        "baselines": {task.name: _baseline(task) for task in results.tasks},
        "pairs": [list(group) for _, group in groupby(_by_pair(results), key=_pair_key)],
        "matrix": matrix(results),
        "anchor": anchor,
        "kappa_floor": _kappa_floor(results),
        "overlaps": overlaps(results),
        "overlap_pairs": _overlap_pairs(results),
        "curves": curves(results),
        "drops": noise.drops(results),
        "noise_pairs": noise.pairs(results),
        "controls": noise.controls(results),
        "orders_note": noise.ORDERS_NOTE,
        "asr_names": {arm.asr_key: arm.asr.name for arm in results.arms if arm.asr},
        "latencies": latencies(arms.ordered(results)),
        "insides": insides(results),
        "beside": beside.groups(results),
        "beside_columns": beside.COLUMNS,
        "beside_note": beside.NOTE,
        "claims": claims(results),
        "answers": {arm.name: sum(c.n for c in results.cells if c.arm == arm.name) for arm in results.arms},
        "cards": cards(results, directory, audio),
        "caveats": caveats(results),
        "rule": {
            "alpha": ALPHA,
            "epsilon": EPSILON,
            "floor": FLOOR,
            "margin": results.study.margin,
            "fewest": FEWEST_JOINT_ERRORS,
        },
    }


def _by_pair(results: Results) -> list[Comparison]:
    """Comparisons pair by pair, each from the mildest condition to the hardest."""
    order = {condition: i for i, condition in enumerate(in_noise_order(results.conditions))}
    found = arms.ordered_comparisons(results)
    place = {key: i for i, key in enumerate(dict.fromkeys(map(_pair_key, found)))}
    return sorted(found, key=lambda c: (place[_pair_key(c)], order[c.condition]))


def _pair_key(comparison: Comparison) -> tuple[str, str, str]:
    return (comparison.task, comparison.left, comparison.right)


def _cells(results: Results, task: str) -> list[list[Cell]]:
    """The cells of a task by condition, the gold arm's first, each in the order of the arms."""
    order = [GOLD_CONDITION, *in_noise_order(results.conditions)]
    place = {arm.name: i for i, arm in enumerate(arms.ordered(results))}
    here = [[cell for cell in results.cells if (cell.task, cell.condition) == (task, c)] for c in order]
    return [sorted(cells, key=lambda cell: place[cell.arm]) for cells in here if cells]


def _overlap_pairs(results: Results) -> list[list[Overlap]]:
    """Those that are defined, by task and pair."""
    found = [o for o in overlaps(results) if o.found]
    return [list(group) for _, group in groupby(found, key=lambda o: _pair_key(o.comparison))]


def glyph(verdict: Verdict | None) -> str:
    """A sign for a verdict's kind, beside its words."""
    signs = {"better": "+", "worse": "−", "same": "=", "same answers": "=", "same accuracy": "?", "open": "?"}
    return "–" if verdict is None or verdict.kind is None else signs.get(verdict.kind, "≠")


def tone(verdict: Verdict | None) -> str:
    """Name of a verdict's colour."""
    if verdict is None or verdict.kind is None:
        return "none"
    return {"better": "good", "same": "good", "worse": "bad"}.get(verdict.kind, "open")


def _reach(cards: Sequence[Card], margin: float) -> float:
    """Half the width of the scale that all differences are drawn on: a whole number of five points."""
    ends = [abs(x) for card in cards for x in (card.difference.low, card.difference.high) if x is not None]
    return min(1.0, max(5, math.ceil(20 * max([3 * margin, *ends]))) / 20)


def _kappa_floor(results: Results) -> float:
    """Where the scale of the κ graphics begins: a fifth below the lowest limit, never above 0."""
    lows = [c.pair.kappa.low for c in results.comparisons if c.pair.kappa.low is not None]
    return max(-1.0, min(0.0, int(min(lows, default=0.0) * 5 - 0.999) / 5))


def _baseline(task: TaskRecord) -> dict[str, float] | None:
    """Chance and majority class of a closed task with gold labels: what knowing nothing would reach."""
    if task.chance is None or not any(item.accepted for item in task.items):
        return None
    return {"chance": task.chance} | ({} if task.majority is None else {"majority": task.majority})


def _key(arm: Arm) -> tuple[str, str, str] | None:
    """What tells language models apart; None where an arm's is not known."""
    return None if arm.llm is None else (arm.llm.weights or arm.llm.source, arm.llm.dtype, arm.llm.device)


def _asset(name: str) -> str:
    return (files("cascade_equivalence.report") / "templates" / name).read_text(encoding="utf-8")
