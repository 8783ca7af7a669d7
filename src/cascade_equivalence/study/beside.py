"""The paper's figures beside those of a run: which of its arms and tasks are the paper's, and what it has of them."""

from __future__ import annotations

from cascade_equivalence.agreement.interval import Interval
from cascade_equivalence.study.arms import Arm
from cascade_equivalence.study.published import Beside, Ours, beside_the_paper, paper_name
from cascade_equivalence.study.results import Results


def beside(results: Results) -> tuple[Beside, ...]:
    """Every published figure with the run's own where it has it; empty where no arm or no task is the paper's."""
    arms = {name: _paper_name(arm) for arm in results.arms for name in (arm.name, *arm.same)}
    tasks = {task.name: task.origin.dataset for task in results.tasks if task.origin}
    if not any(arms.values()) or not tasks:
        return ()
    first = {name: arm.name for arm in results.arms for name in (arm.name, *arm.same)}

    def ours(quantity: str, task: str, left: str, right: str | None, condition: str) -> Ours | None:
        left, right = first[left], None if right is None else first[right]
        if quantity == "accuracy":
            cell = results.cell(task, condition, left)
            return _ours(cell.accuracy) if cell else None
        if quantity == "drop":
            changes = [c for c in results.changes if (c.task, c.condition, c.arm) == (task, condition, left)]
            return _ours(changes[0].drop) if changes else None
        for one in results.comparisons:
            if (one.task, one.condition) == (task, condition) and {one.left, one.right} == {left, right}:
                overlap = one.pair.error_overlap
                return _ours(
                    one.pair.kappa if quantity == "kappa" else Interval(overlap.value, overlap.low, overlap.high)
                )
        return None

    return beside_the_paper(arms, tasks, ours)


def _paper_name(arm: Arm) -> str | None:
    """The paper's name of an arm, by the hub ids that its models were named by."""
    if arm.kind == "speech":
        return paper_name(arm.speech.name if arm.speech else None, None, None)
    if arm.kind == "gold" or arm.asr is None or arm.llm is None:
        return None
    return paper_name(None, arm.asr.name, arm.llm.name)


def _ours(interval: Interval) -> Ours | None:
    if interval.value is None or interval.low is None or interval.high is None:
        return None
    return Ours(interval.value, interval.low, interval.high)
