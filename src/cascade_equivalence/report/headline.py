"""The headline: what was compared and how it came out, in plain words made from the verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cascade_equivalence.agreement import Interval
from cascade_equivalence.agreement.verdict_words import TITLES, needed_words, title
from cascade_equivalence.report import numbers
from cascade_equivalence.report.arms import ordered, ordered_comparisons
from cascade_equivalence.study.results import POOLED, Comparison, Results

_GLUE = "\N{NO-BREAK SPACE}"


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
    """compared: the study in one sentence. conditions: what the pairs were compared under. elsewhere: the study's other
    conditions, those of some tasks alone, or None. unfinished: why the numbers are preliminary, or None.
    """

    compared: str
    accuracies: tuple[str, ...]
    conditions: tuple[str, ...]
    pairs: tuple[PairLine, ...]
    elsewhere: str | None
    unfinished: str | None


def headline(results: Results) -> Headline:
    """The headline of a study. The verdicts are those of the pooled tasks where there are several."""
    shown = [c for c in ordered_comparisons(results) if c.task == POOLED] or ordered_comparisons(results)
    by_pair: dict[tuple[str, str, str], list[Comparison]] = {}
    for comparison in shown:
        by_pair.setdefault((comparison.task, comparison.left, comparison.right), []).append(comparison)
    met = {c.condition for c in shown}
    conditions = tuple(c for c in results.conditions if c in met)
    return Headline(
        compared=_compared(results),
        accuracies=tuple(_accuracies(results, shown, conditions)),
        conditions=conditions,
        pairs=tuple(_line(rows, conditions) for rows in by_pair.values()),
        elsewhere=_elsewhere(results, conditions),
        unfinished=_unfinished(results),
    )


def title_of(comparison_task: str, results: Results) -> str:
    """A task's name in titles; the pooled one says what it pools."""
    if comparison_task != POOLED:
        return comparison_task
    names = [t.name for t in results.tasks if t.pools]
    return f"{numbers.listed(names)} pooled"


def _compared(results: Results) -> str:
    arms = [arm.name for arm in ordered(results)]
    hears = any(arm.hears for arm in results.arms)
    together: dict[tuple[str, ...], list[tuple[int, str]]] = {}
    for task in results.tasks:
        heard = tuple(c for c in results.conditions if c in task.conditions) if hears else ()
        together.setdefault(heard, []).append((len(task.items), task.name))
    parts = []
    for conditions, ((n, first), *others) in together.items():
        items = [f"{numbers.plural(n, 'item')} of {first}", *(f"{n} of {name}" for n, name in others)]
        parts.append(numbers.listed(items) + (f", {_under(conditions)}" if conditions else ""))
    return f"{numbers.plural(len(arms), 'arm')} ({numbers.listed(arms)}) answered the same {'; '.join(parts)}."


def _under(conditions: Sequence[str]) -> str:
    if list(conditions) == ["clean"]:
        return "from clean speech"
    return f"under {numbers.plural(len(conditions), 'condition')}: {numbers.listed(conditions)}"


def _elsewhere(results: Results, conditions: Sequence[str]) -> str | None:
    """What was compared on some of the pooled tasks alone, so that the pool says nothing about it."""
    parts = []
    for condition in results.conditions:
        tasks = dict.fromkeys(c.task for c in results.comparisons if c.condition == condition)
        if condition not in conditions and tasks:
            parts.append(f"{condition} on {numbers.listed(list(tasks))} alone")
    return f"Verdicts under {numbers.listed(parts)} are in the" if parts else None


def _accuracies(results: Results, shown: Sequence[Comparison], conditions: Sequence[str]) -> Iterator[str]:
    """One sentence a task: every arm's accuracy in the first and the last of the conditions."""
    first_and_last = (*conditions[:1], *conditions[-1:])
    for task in dict.fromkeys(c.task for c in shown):
        found: dict[tuple[str, str], tuple[Interval, int]] = {}
        for c in shown:
            if c.task == task and c.pair.accuracy:
                found[c.left, c.condition] = (c.pair.accuracy.left, c.pair.n_gold)
                found[c.right, c.condition] = (c.pair.accuracy.right, c.pair.n_gold)
        parts = []
        for arm in ordered(results):
            ends = [(c, *found[arm.name, c]) for c in dict.fromkeys(first_and_last) if (arm.name, c) in found]
            if arm.kind == "gold" and ends:
                parts.append(f"{arm.name} is right on {_share(*ends[0][1:])}, reading what was written")
            elif ends:
                said = numbers.listed([f"{_share(interval, n)} in {c}" for c, interval, n in ends])
                parts.append(f"{arm.name} on {said}" if parts else f"{arm.name} is right on {said}")
        if parts:
            yield f"On {title_of(task, results)}, {'; '.join(parts)}."


def _share(interval: Interval, n: int) -> str:
    return f"{numbers.percent(interval.value)}{_GLUE}% ({numbers.limits(interval, 'percent')}, n{_GLUE}{n})"


def _line(rows: Sequence[Comparison], conditions: Sequence[str]) -> PairLine:
    first = rows[0]
    by_condition = {c.condition: c for c in rows}
    return PairLine(
        task=first.task,
        left=first.left,
        right=first.right,
        ceiling=first.ceiling,
        sentence=_sentence(rows),
        by_condition=tuple(by_condition.get(condition) for condition in conditions),
    )


def _sentence(rows: Sequence[Comparison]) -> str:
    """The verdicts of one pair, condition by condition, in words; the figures alone of a reference."""
    parts = []
    for said in dict.fromkeys(_title(c) for c in rows):
        here = [f"{c.condition} ({_figures(c)}{_open(c)})" for c in rows if _title(c) == said]
        parts.append(f"{said} in {numbers.listed(here)}" if said else numbers.listed(here))
    without = [c.verdict.why_none for c in rows if c.verdict is not None and c.verdict.why_none]
    return numbers.capital("; ".join([*parts, *dict.fromkeys(without)])) + "."


def _title(comparison: Comparison) -> str:
    return "" if comparison.verdict is None else title(comparison.verdict)


def _figures(comparison: Comparison) -> str:
    words = [f"κ{_GLUE}{numbers.coefficient(comparison.pair.kappa.value)}"]
    accuracy = comparison.pair.accuracy
    if accuracy and accuracy.difference.value is not None:
        words.append(f"{numbers.points(accuracy.difference.value)}{_GLUE}points")
    return ", ".join(words)


def _open(comparison: Comparison) -> str:
    """What keeps an undecided verdict open."""
    said = comparison.verdict
    if said is None or said.name != "undecided":
        return ""
    if said.unadjusted:
        return f"; {TITLES[said.unadjusted]} on its own, but not once adjusted for the number of primary pairs"
    if said.items_needed and said.towards:
        return f"; about {numbers.grouped(said.items_needed)} new items would decide it as “{TITLES[said.towards]}”"
    return f"; {needed_words(said)}"


def _unfinished(results: Results) -> str | None:
    open_cells = [cell for cell in results.cells if cell.n < cell.wanted]
    if not open_cells:
        return None
    done, wanted = sum(c.n for c in results.cells), sum(c.wanted for c in results.cells)
    return (
        f"This run is not finished: {done} of {wanted} answers are there. "
        f"{numbers.capital(numbers.plural(len(open_cells), 'cell'))} of the tables below hold fewer items than planned."
    )
