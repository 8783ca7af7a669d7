"""The terminal summary's parts on noise, controls, option orders and held words."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from cascade_equivalence.report import noise, numbers
from cascade_equivalence.report.console import chunks, estimate, heading, plain, table
from cascade_equivalence.report.curves import in_noise_order
from cascade_equivalence.report.headline import title_of
from cascade_equivalence.study.results import POOLED, Results

_POINTS = 22
"""Width of `+10.3 −10.2 to +30.1` with the gap after it."""


def drops(results: Results) -> Iterator[Table | Text]:
    """Noise drops: every arm against its own clean answers."""
    arms = [row for row in noise.drops(results) if any(c.drop.value is not None for c in row)]
    if not arms:
        return
    yield heading("noise drop", "accuracy clean − noisy, points, paired, 95 % interval")
    names, there = [[row[0].task for row in arms], [row[0].arm for row in arms]], {c.condition for r in arms for c in r}
    order = [c for c in in_noise_order(results.conditions) if c in there]
    for conditions in chunks(order, *names, width=_POINTS):
        made, last = table("task", "arm", "n", *conditions), ""
        for row in arms:
            by_condition = {c.condition: c for c in row}
            found = [by_condition.get(condition) for condition in conditions]
            if not any(found):
                continue
            sizes = dict.fromkeys(str(c.n) for c in found if c)
            made.add_row(
                plain(row[0].task if row[0].task != last else ""),
                plain(row[0].arm),
                plain("/".join(sizes)),
                *(
                    estimate(numbers.points(c.drop.value), numbers.limits(c.drop, "points")) if c else plain("")
                    for c in found
                ),
            )
            last = row[0].task
        yield made


def reversals(results: Results) -> Iterator[Table | Text]:
    """Speech LLMs against cascades: how the difference changes, of pooled tasks where there are any, and crossings."""
    found = noise.pairs(results)
    brief = any(pair.task == POOLED for pair in found)
    if brief:
        found = [pair for pair in found if pair.task == POOLED or pair.crossings]
    if not found:
        return
    yield heading("reversal", "difference left − right, points: clean, noisy, clean − noisy; 95 % intervals")
    for pair in found:
        yield Text.assemble(
            plain(f"{title_of(pair.task, results)}: {pair.left} against {pair.right}", "bold"),
            ("" if pair.family else "  another language model", "yellow"),
        )
        if brief and pair.task != POOLED:
            yield from _sentences(pair)
            continue
        made = table("", "n", "clean", "noisy", "change", "")
        for row, _, _ in pair.rows:
            made.add_row(
                plain(f"  {row.condition}"),
                plain(row.found.n),
                *(
                    estimate(numbers.points(i.value), numbers.limits(i, "points"))
                    for i in (row.found.clean, row.found.noisy, row.found.change)
                ),
                plain("reversed" if row.found.reversed else "", "magenta"),
            )
        if pair.rows:
            yield made
        yield from _sentences(pair)


def _sentences(pair: noise.Pair) -> Iterator[Text]:
    """Where a pair crosses, and what that says."""
    yield from (plain(f"  {sentence}") for sentence in (*pair.crossings, *pair.claims))


def controls(results: Results) -> Iterator[Table | Text]:
    """What is answered without the item's own sound."""
    arms = noise.controls(results)
    if not arms:
        return
    yield heading("controls", "without the item's own sound; %, 95 % Wilson interval")
    made, last = table("task", "arm", "control", "n", "accuracy", "answers as on clean audio"), ("", "")
    for row in arms:
        for change in row:
            name = (change.task, change.arm)
            made.add_row(
                plain(title_of(change.task, results) if change.task != last[0] else ""),
                plain(change.arm if name != last else ""),
                plain(change.condition),
                plain(change.n),
                *(
                    estimate(numbers.percent(i.value), numbers.limits(i, "percent"))
                    for i in (change.accuracy, change.unchanged)
                ),
            )
            last = name
    yield made


def orders(results: Results) -> Iterator[Table | Text]:
    """Options in other orders."""
    if not results.orders:
        return
    yield heading("option order", "accuracy over the orders, %; answers the same under all, %; lowest kappa")
    made = table("task", "arm", "condition", "n", "orders", "accuracy", "same answer", "kappa")
    for found in results.orders:
        span = found.span
        kappa = found.lowest[1] if found.lowest else None
        made.add_row(
            plain(found.task),
            plain(found.arm),
            plain(found.condition),
            plain(found.n),
            plain(len(found.accuracies)),
            plain("–".join(numbers.percent(x) for x in span) if span else numbers.UNDEFINED),
            estimate(numbers.percent(found.same.value), numbers.limits(found.same, "percent")),
            estimate(numbers.coefficient(kappa.value), numbers.limits(kappa)) if kappa else plain(numbers.UNDEFINED),
        )
    yield made
    yield plain(f"{noise.ORDERS_NOTE}.", "dim")


def held_words(results: Results) -> Iterator[Table | Text]:
    """Same words, different sound."""
    if not results.held_words:
        return
    yield heading("same words, different sound", "bits of the answer owed to the sound; permutation p")
    made = table("task", "arm", "condition", "n", "accuracy, %", "words alone, %", "bits", "share", "p", "items")
    for row in results.held_words:
        found = row.found
        made.add_row(
            plain(row.task),
            plain(row.arm),
            plain(row.condition),
            plain(row.n),
            estimate(numbers.percent(row.accuracy.value), numbers.limits(row.accuracy, "percent")),
            plain(numbers.percent(row.majority)),
            plain(numbers.coefficient(found.excess)),
            plain(f"{numbers.percent(found.share)} %"),
            plain(numbers.p_value(found.p)),
            plain(found.items),
        )
    yield made
