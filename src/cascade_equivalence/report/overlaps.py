"""Error overlap of a comparison, where it means anything."""

from __future__ import annotations

from dataclasses import dataclass

from cascade_equivalence.agreement import ErrorOverlap
from cascade_equivalence.report.arms import ordered_comparisons
from cascade_equivalence.study.results import POOLED, Comparison, Results

BY_CONSTRUCTION = "with fewer than three labels it is 1 by construction"


@dataclass(frozen=True, slots=True)
class Overlap:
    """`found` is None where the overlap is not defined; `note` says why it, or its interval, is missing."""

    comparison: Comparison
    found: ErrorOverlap | None
    note: str | None


def overlap_of(results: Results, comparison: Comparison) -> Overlap:
    """The overlap of one comparison. Pooled over a task with two labels it would be inflated, so it is left out."""
    pooled = [t for t in results.tasks if t.pools]
    members = pooled if comparison.task == POOLED else [t for t in results.tasks if t.name == comparison.task]
    if any(task.open for task in members):
        return Overlap(comparison, None, "an open task has no labels that two wrong answers could share")
    if any(task.fewest_choices < 3 for task in members):
        pooled_note = f"one of the pooled tasks has two labels: {BY_CONSTRUCTION}"
        return Overlap(comparison, None, BY_CONSTRUCTION if len(members) == 1 else pooled_note)
    found, note = comparison.pair.error_overlap, comparison.pair.notes.get("error_overlap")
    return Overlap(comparison, None if found.value is None else found, note)


def overlaps(results: Results) -> list[Overlap]:
    """All of them, in the order of the agreement table."""
    return [overlap_of(results, comparison) for comparison in ordered_comparisons(results)]
