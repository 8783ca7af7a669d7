"""The paper's figures beside those of a run: which of its arms and tasks are the paper's, and what it has of them."""

from __future__ import annotations

from collections.abc import Iterable

from cascade_equivalence.agreement import Interval, wilson
from cascade_equivalence.public.sets import SETS
from cascade_equivalence.study.arms import Arm
from cascade_equivalence.study.mechanism.facts import Analyses, ErasureFact, ImplicitFact
from cascade_equivalence.study.mechanism.results import kappa
from cascade_equivalence.study.published import TASKS, Beside, Figure, Ours, beside_the_paper, paper_name
from cascade_equivalence.study.results import Results

LENS = "raw"
"""The reader that is the paper's: nothing is trained."""


def beside(results: Results) -> tuple[Beside, ...]:
    """Every published figure with the run's own where it has it; empty where no task is of the paper's data sets.

    Models are the paper's by where they came from on the hub, data sets by their name and their number of rows.
    """
    named = {task.name: task.origin for task in results.tasks if task.origin and task.origin.dataset in TASKS}
    if not named:
        return ()
    arms = {name: _paper_name(arm) for arm in results.arms for name in (arm.name, *arm.same)}
    whole = {name: origin.dataset for name, origin in named.items() if origin.rows == SETS[origin.dataset].rows}
    partial = {
        TASKS[origin.dataset]: f"{TASKS[origin.dataset]} here has {origin.rows:,} rows, published are "
        f"{SETS[origin.dataset].rows:,}"
        for name, origin in named.items()
        if name not in whole
    }
    first = {name: arm.name for arm in results.arms for name in (arm.name, *arm.same)}

    def ours(figure: Figure, task: str, left: str, right: str | None) -> Ours | None:
        pair = (first[left], None if right is None else first[right])
        return _ours(next(iter(_found(results, figure, task, *pair)), None))

    return beside_the_paper(arms, whole, ours, partial=partial)


def _paper_name(arm: Arm) -> str | None:
    """The paper's name of an arm, by the repositories that its models are from."""

    def repository(source: str) -> str:
        return source.partition("@")[0]

    if arm.kind == "speech":
        return paper_name(repository(arm.speech.source) if arm.speech else "", None, None)
    if arm.kind == "gold" or arm.asr is None or arm.llm is None:
        return None
    return paper_name(None, repository(arm.asr.source), repository(arm.llm.source))


def _found(results: Results, figure: Figure, task: str, left: str, right: str | None) -> Iterable[Interval]:
    """Our estimates of a figure's quantity: one, or none."""
    condition = figure.condition
    if figure.quantity == "accuracy":
        if cell := results.cell(task, condition, left):
            yield cell.accuracy
    elif figure.quantity == "drop":
        yield from (c.drop for c in results.changes if (c.task, c.condition, c.arm) == (task, condition, left))
    elif figure.quantity in ("kappa", "error overlap"):
        for one in results.comparisons:
            if (one.task, one.condition) == (task, condition) and {one.left, one.right} == {left, right}:
                overlap = one.pair.error_overlap
                shared = Interval(overlap.value, overlap.low, overlap.high)
                yield one.pair.kappa if figure.quantity == "kappa" else shared
    elif facts := results.mechanism.get(left):
        yield from _within(facts, figure, task)


def _within(facts: Analyses, figure: Figure, task: str) -> Iterable[Interval]:
    """The same of what is inside a speech LLM."""
    probes = facts.probes.rows if facts.probes else ()
    if figure.quantity == "ctc probe":
        wanted = ("llm", figure.layer, "ctc", 1, 0)
        chosen = [r for r in probes if (r.where, r.layer, r.target, r.symbols, r.hidden) == wanted]
        yield from (Interval(r.value, r.low, r.high) for r in chosen)
    elif figure.quantity == "pitch probe":
        # The paper's bound holds at every layer: ours is the layer that has least.
        found = [r.linear for r in probes if (r.where, r.target) == ("llm", "pitch") and r.linear]
        yield from (Interval(r.r2, r.low, r.high) for r in sorted(found, key=lambda r: r.r2)[:1])
    elif figure.quantity == "lens precision":
        for row in facts.lens.rows if facts.lens else ():
            if (row.reader, row.layer) == (LENS, figure.layer):
                yield Interval(row.precision, row.low, row.high)
    elif figure.quantity.startswith("implicit") and facts.implicit:
        yield from _implicit(facts.implicit, figure, task)
    elif figure.quantity == "accuracy erased" and facts.erasure:
        yield from _erased(facts.erasure, figure.condition, task)


def _implicit(fact: ImplicitFact, figure: Figure, task: str) -> Iterable[Interval]:
    """κ with the arm's own answers on the trials of one task: of the last layer's lens, or of the cascade."""
    here = [i for i, trial in enumerate(fact.trials) if trial.task == task]
    own = [fact.own[i] for i in here]
    if figure.quantity == "implicit cascade kappa":
        read = [fact.cascade] if fact.cascade is not None else []
    else:
        read = [r.labels["lens"] for r in fact.rows if (r.reader, r.layer) == (LENS, figure.layer)]
    if here:
        yield from (kappa(own, [labels[i] for i in here], [task] * len(here)) for labels in read)


def _erased(fact: ErasureFact, concept: str, task: str) -> Iterable[Interval]:
    """Accuracy of what was generated with a concept erased at every position, as the paper did."""
    # The trials that were also answered by generation are taken evenly from all.
    chosen = fact.trials[:: max(1, len(fact.trials) // max(1, fact.generated_on))][: fact.generated_on]
    for run in fact.conditions:
        if run.scope == "all" and run.name.partition(" ")[0] == concept and run.generated:
            told = zip(chosen, run.generated, run.generated_golds, strict=True)
            right = [said == gold for trial, said, gold in told if trial.task == task and gold is not None]
            yield wilson(sum(right), len(right))


def _ours(interval: Interval | None) -> Ours | None:
    if interval is None or interval.value is None or interval.low is None or interval.high is None:
        return None
    return Ours(interval.value, interval.low, interval.high)
