"""The paper's figures beside ours, as tables for the terminal and the HTML report alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from cascade_equivalence.agreement import Interval
from cascade_equivalence.report import numbers
from cascade_equivalence.study.beside import beside
from cascade_equivalence.study.published import ANY, Beside, Figure
from cascade_equivalence.study.results import Results

COLUMNS = ("Figure of", "Task", "Arms", "Condition", "Paper", "Ours", "Paper's within ours")
NOTE = (
    "Published figures of arXiv 2602.17598 where models (by their repository on the hub) and data set are the paper's, "
    "ours with 95 % intervals. Which items, voice, prompts and noise recordings the paper used is not known, so a "
    "figure outside ours can have other reasons than the models. Its Tables 2 and 3 and Figures 3 to 6 were not to be "
    "had."
)
TITLES = {
    "Figure 1": "Figure 1: κ with the cascade",
    "Figure 2": "Figure 2: shared mistakes",
    "Table 4": "Table 4: probes",
    "Table 5": "Table 5: logit lens",
    "Table 6": "Table 6: implicit cascade",
    "Table 7": "Table 7: LEACE",
    "Text": "In its text: ceiling and noise",
}
QUANTITIES = {
    "kappa": "κ",
    "error overlap": "error overlap",
    "accuracy": "accuracy, %",
    "drop": "loss against clean, points",
    "ctc probe": "CTC probe, 1 − CER",
    "pitch probe": "pitch probe, R²",
    "lens precision": "lens precision",
    "implicit kappa": "κ_impl",
    "implicit cascade kappa": "κ_casc",
    "accuracy erased": "accuracy, generated, %",
}
ERASED = {"proxy": "text (proxy)", "ctc": "text (CTC)", "bag": "text (bag)"}


@dataclass(frozen=True, slots=True)
class Group:
    """The figures of one of the paper's tables or pictures. rows: those that we have too; absent: why others are not
    there, each reason once, with the paper's figures."""

    title: str
    rows: tuple[tuple[str, ...], ...]
    absent: tuple[str, ...]


def groups(results: Results) -> list[Group]:
    """Table by table; empty where no task is of the paper's data sets."""
    found = beside(results)
    return [
        Group(title, tuple(_row(one) for one in here if one.ours), tuple(_absent([o for o in here if not o.ours])))
        for where, title in TITLES.items()
        if (here := [one for one in found if one.figure.where == where])
    ]


def _row(one: Beside) -> tuple[str, ...]:
    figure, ours = one.figure, one.ours
    assert ours
    arms = figure.left if figure.right is None else f"{figure.left} and {figure.right}"
    value = _number(figure, ours.value)
    limits = numbers.limits(Interval(ours.value, ours.low, ours.high), _kind(figure))
    within = "yes" if one.inside else "no"
    task = figure.task or "all"
    return (QUANTITIES[figure.quantity], task, arms, _condition(figure), _paper(figure), f"{value} ({limits})", within)


def _absent(those: Sequence[Beside]) -> Iterable[str]:
    """One line a reason."""
    for why, some in groupby(sorted(those, key=lambda one: one.why), key=lambda one: one.why):
        yield f"{why} ({'; '.join(_short(one.figure) for one in some)})"


def _short(figure: Figure) -> str:
    named = [QUANTITIES[figure.quantity].removesuffix(", %").removesuffix(", points")]
    named += [text for text in (figure.task, figure.left, _condition(figure)) if text not in (ANY, "clean")]
    return f"{', '.join(named)} {_paper(figure)}"


def _condition(figure: Figure) -> str:
    if figure.quantity == "accuracy erased":
        return f"{ERASED.get(figure.condition, figure.condition)} erased"
    return figure.condition if figure.layer is None else f"layer {figure.layer}"


def _kind(figure: Figure) -> numbers.Kind:
    if figure.quantity == "drop":
        return "points"
    return "percent" if figure.quantity.startswith("accuracy") else "coefficient"


def _number(figure: Figure, value: float) -> str:
    kind = _kind(figure)
    if kind == "coefficient":
        return numbers.coefficient(value)
    return numbers.points(value) if kind == "points" else numbers.percent(value)


def _paper(figure: Figure) -> str:
    if figure.low == figure.high:
        return _number(figure, figure.low)
    if figure.quantity == "pitch probe":
        return f"over {_number(figure, figure.low)} at every layer"
    return f"{_number(figure, figure.low)} to {_number(figure, figure.high)} over {figure.over}"
