"""What was compared, in words: tasks, arms, conditions, and whether the run is finished."""

from __future__ import annotations

from collections.abc import Sequence

from cascade_equivalence.report import numbers
from cascade_equivalence.report.arms import ordered
from cascade_equivalence.study.results import POOLED, Results


def title_of(comparison_task: str, results: Results) -> str:
    """A task's name in titles; the pooled one says what it pools."""
    if comparison_task != POOLED:
        return comparison_task
    return f"{numbers.listed([t.name for t in results.tasks if t.pools])} pooled"


def compared(results: Results) -> str:
    """The study in one sentence."""
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


def unfinished(results: Results) -> str | None:
    open_cells = [cell for cell in results.cells if cell.n < cell.wanted]
    if not open_cells:
        return None
    done, wanted = sum(c.n for c in results.cells), sum(c.wanted for c in results.cells)
    return (
        f"This run is not finished: {done} of {wanted} answers are there. "
        f"{numbers.capital(numbers.plural(len(open_cells), 'cell'))} of the tables below hold fewer items than planned."
    )
