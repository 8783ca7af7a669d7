"""The headline: what was compared and how it came out, in plain words made from the verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cascade_equivalence.report import numbers
from cascade_equivalence.report.arms import ordered, ordered_comparisons
from cascade_equivalence.study.results import POOLED, Comparison, Results


@dataclass(frozen=True, slots=True)
class PairLine:
    """One pair of arms over all conditions on one task (or all pooled)."""

    task: str
    left: str
    right: str
    ceiling: bool
    sentence: str
    by_condition: tuple[Comparison | None, ...]


@dataclass(frozen=True, slots=True)
class Headline:
    """compared: the study in one sentence. unfinished: why the numbers are preliminary, or None."""

    compared: str
    accuracies: tuple[str, ...]
    pairs: tuple[PairLine, ...]
    unfinished: str | None


def headline(results: Results) -> Headline:
    """The headline of a study. The verdicts are those of the pooled tasks where there are several."""
    shown = [c for c in ordered_comparisons(results) if c.task == POOLED] or ordered_comparisons(results)
    by_pair: dict[tuple[str, str, str], list[Comparison]] = {}
    for comparison in shown:
        by_pair.setdefault((comparison.task, comparison.left, comparison.right), []).append(comparison)
    return Headline(
        compared=_compared(results),
        accuracies=tuple(_accuracies(results, shown)),
        pairs=tuple(_line(results, rows) for rows in by_pair.values()),
        unfinished=_unfinished(results),
    )


def title_of(comparison_task: str, results: Results) -> str:
    """A task's name in titles; the pooled one says what it pools."""
    if comparison_task != POOLED:
        return comparison_task
    names = [t["name"] for t in results.tasks if t["kind"] == "labels" and t["sufficient"]]
    return f"{numbers.listed(names)} pooled"


def _compared(results: Results) -> str:
    arms = [arm.name for arm in ordered(results)]
    items = [f"{numbers.plural(len(task['items']), 'item')} of {task['name']}" for task in results.tasks]
    heard = f", heard {_under(results.conditions)}" if any(arm.asr for arm in results.arms) else ""
    return (
        f"{numbers.plural(len(arms), 'arm')} ({numbers.listed(arms)}) answered the same {numbers.listed(items)}{heard}."
    )


def _under(conditions: Sequence[str]) -> str:
    if list(conditions) == ["clean"]:
        return "clean"
    return "under " + numbers.listed(conditions)


def _accuracies(results: Results, shown: Sequence[Comparison]) -> list[str]:
    """One sentence an arm: its accuracy from the first to the last condition."""
    first, last = results.conditions[0], results.conditions[-1]
    sentences = []
    for task in dict.fromkeys(c.task for c in shown):
        found = {}
        for comparison in shown:
            if comparison.task == task and comparison.pair.accuracy:
                n = comparison.pair.n_gold
                found[comparison.left, comparison.condition] = (comparison.pair.accuracy.left, n)
                found[comparison.right, comparison.condition] = (comparison.pair.accuracy.right, n)
        for arm in ordered(results):
            start, end = found.get((arm.name, first)), found.get((arm.name, last))
            if start is None or start[0].value is None:
                continue
            where = "" if arm.kind == "gold" else f" in {first}"
            text = (
                f"On {title_of(task, results)}, {arm.name} is right on {numbers.percent(start[0].value)} % "
                f"of {start[1]} items{where} (95 % interval {numbers.limits(start[0], 'percent')})"
            )
            if end and arm.kind != "gold" and last != first and end[0].value is not None:
                text += f" and on {numbers.percent(end[0].value)} % in {last} ({numbers.limits(end[0], 'percent')})"
            sentences.append(f"{text}.")
    return sentences


def _line(results: Results, rows: Sequence[Comparison]) -> PairLine:
    first = rows[0]
    by_condition = {c.condition: c for c in rows}
    return PairLine(
        task=first.task,
        left=first.left,
        right=first.right,
        ceiling=first.ceiling,
        sentence=_sentence(rows),
        by_condition=tuple(by_condition.get(condition) for condition in results.conditions),
    )


def _sentence(rows: Sequence[Comparison]) -> str:
    """The verdicts of one pair, condition by condition, in words."""
    parts = []
    for name in ("equivalent", "different", "undecided", None):
        here = [c for c in rows if c.verdict.name == name]
        if not here:
            continue
        where = numbers.listed([c.condition for c in here])
        if name == "different":
            parts.append("different in " + numbers.listed([f"{c.condition} ({_why_different(c)})" for c in here]))
        elif name == "undecided":
            parts.append(f"undecided in {where}{_more(here)}")
        elif name is None:
            parts.append(f"no verdict in {where}, because {here[0].verdict.reason}")
        else:
            parts.append(f"equivalent in {where}")
    return numbers.capital("; ".join(parts)) + "."


def _why_different(comparison: Comparison) -> str:
    words = [f"κ {numbers.coefficient(comparison.pair.kappa.value)}"]
    accuracy = comparison.pair.accuracy
    if accuracy and accuracy.difference.value is not None:
        words.append(f"{numbers.points(accuracy.difference.value)} points")
    return ", ".join(words)


def _more(rows: Sequence[Comparison]) -> str:
    needed = [c.verdict.items_needed for c in rows]
    if not any(needed):
        return ": no feasible number of items would decide it"
    counts = [f"{n}" if n else "no feasible number of" for n in needed]
    return f": about {numbers.listed(counts)} more items would decide it"


def _unfinished(results: Results) -> str | None:
    open_cells = [cell for cell in results.cells if cell.n < cell.wanted]
    if not open_cells:
        return None
    done, wanted = sum(c.n for c in results.cells), sum(c.wanted for c in results.cells)
    return (
        f"This run is not finished: {done} of {wanted} answers are there. "
        f"{numbers.capital(numbers.plural(len(open_cells), 'cell'))} of the tables below hold fewer items than planned."
    )
