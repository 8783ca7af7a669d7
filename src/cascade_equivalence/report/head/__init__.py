"""The head of a report: what was compared, how it came out, what to build, and what to trust. Made by rules from the
results; the terminal and the page show this same object."""

from __future__ import annotations

from collections.abc import Iterator

from cascade_equivalence.agreement.verdict_words import title
from cascade_equivalence.report import numbers
from cascade_equivalence.report.head.cards import cards, head_comparisons
from cascade_equivalence.report.head.checks import checks
from cascade_equivalence.report.head.parts import Build, Card, Check, Head, Row
from cascade_equivalence.report.head.table import build
from cascade_equivalence.report.head.words import GLUE, condition_words, headline, statement
from cascade_equivalence.report.headline import unfinished
from cascade_equivalence.study.choices import head_group
from cascade_equivalence.study.results import Results

__all__ = ["Build", "Card", "Check", "Head", "Row", "head"]


def head(results: Results) -> Head:
    """The head of a study's report."""
    shown = cards(results)
    own = all(c.family for c in head_comparisons(results))
    waiting = unfinished(results)
    return Head(
        study=results.study.name,
        scope=_scope(results),
        further=_further(results),
        headline=headline(shown, own) if shown else _without_speech(results),
        lead=tuple(_lead(results, shown)),
        warnings=(*([waiting] if waiting else []), *(f"Failed: {failure}." for failure in results.failures)),
        cards=shown,
        build=build(results),
        checks=checks(results),
        adjusted=_adjusted(results),
    )


def _scope(results: Results) -> str:
    """`480 items on clean speech (topic, sentiment), 240 of them in babble at 5 dB too`."""
    group = head_group(results.tasks)
    sizes = {task.name: len(task.items) for task in results.tasks}
    tasks = [task.name for task in group.tasks]
    parts = [f"{sum(sizes[name] for name in tasks)} items of {numbers.listed(tasks)}"]
    heard = [c for c in results.conditions if c in group.conditions]
    if heard:
        parts[0] += f" ({', '.join(map(condition_words, heard))})" if len(heard) < 4 else f" ({len(heard)} conditions)"
    for column in results.columns[1:]:
        if column.condition not in heard:
            parts.append(f"{column.n} of {numbers.listed(column.tasks)} in {condition_words(column.condition)}")
    return "; ".join(parts)


def _further(results: Results) -> str | None:
    """Tasks that the head does not speak of."""
    inside = {task.name for task in head_group(results.tasks).tasks}
    rest = [task.name for task in results.tasks if task.name not in inside]
    return f"{numbers.plural(len(rest), 'other task')} below: {numbers.listed(rest)}" if rest else None


def _lead(results: Results, shown: tuple[Card, ...]) -> Iterator[str]:
    if shown:
        first = head_comparisons(results)[0]
        tasks = numbers.listed([task.name for task in head_group(results.tasks).tasks])
        where = f"On {tasks}, {condition_words(first.condition)}, {numbers.grouped(first.pair.n)}{GLUE}items"
        yield f"{where}: {'; '.join(map(statement, shown))}."
    for column in results.columns[1:]:
        pairs = {
            (c.left, c.right): c
            for c in results.comparisons
            if (c.task, c.condition) == (column.group, column.condition)
        }
        said = [
            f"{card.arm}: {title(c.verdict) if c.verdict else ''} "
            f"({numbers.points(c.pair.accuracy.difference.value)}{GLUE}points)"
            for card in shown
            if (c := pairs.get((card.arm, card.against))) and c.pair.accuracy
        ]
        if said:
            where = f"In {condition_words(column.condition)} ({numbers.listed(column.tasks)})"
            yield f"{where}, against the same cascade – {'; '.join(said)}."


def _adjusted(results: Results) -> str:
    """How many statements are adjusted for their number, said here once."""
    primary = [c for c in results.comparisons if c.verdict is not None and c.verdict.family is not None]
    others = sum(c.verdict is not None and c.verdict.kind is not None for c in results.comparisons) - len(primary)
    if not primary:
        return "No verdict is adjusted for the number of comparisons: none is primary." if others else ""
    count = numbers.plural(len(primary), "primary verdict")
    said = count if len(primary) == 1 else f"{count} are adjusted for their number (Benjamini–Hochberg)"
    if not others:
        return f"{said}."
    return f"{said}; {numbers.plural(others, 'other')} below {'is' if others == 1 else 'are'} exploratory."


def _without_speech(results: Results) -> str:
    tops = [c for c in results.comparisons if c.ceiling and c.pair.kappa.value is not None]
    if not tops:
        return "No speech LLM was compared with a cascade"
    first = next((c for c in tops if c.task == head_group(results.tasks).name), tops[0])
    kappa = f"two cascades on one LLM agree at κ{GLUE}{numbers.coefficient(first.pair.kappa.value)}"
    if any(arm.kind == "speech" for arm in results.arms):
        return f"No speech LLM is shown to hear, so none is compared; {kappa}"
    return f"No speech LLM in this study: {kappa}"
