"""The summary a run ends with: identities, then numbers, each with its interval and n."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cascade_equivalence.agreement import Interval
from cascade_equivalence.agreement.verdict_words import title
from cascade_equivalence.report import beside, numbers
from cascade_equivalence.report.arms import ordered, ordered_comparisons
from cascade_equivalence.report.console import WIDTH, chunks, estimate, heading, plain, table
from cascade_equivalence.report.mechanism import insides
from cascade_equivalence.report.overlaps import overlap_of
from cascade_equivalence.report.proofs import (
    NO_GATE,
    ceilings,
    flattery,
    matches,
    nuisances,
    parts_of,
    proofs,
    self_agreements,
)
from cascade_equivalence.report.terminal_noise import controls, drops, held_words, orders, reversals
from cascade_equivalence.run.layout import GOLD_CONDITION
from cascade_equivalence.study.results import Arm, Cell, Comparison, Results

_VERDICT_STYLE = {"equivalent": "green", "different": "magenta", "undecided": "yellow"}


def print_summary(results: Results, console: Console) -> None:
    """Print the results, compact and without markup from any name."""
    width = console.width
    if not console.is_terminal:
        # A file or pipe has no width of its own; the one assumed for it would break the tables.
        console.width = max(width, WIDTH)
    try:
        parts = (
            _identities, _matches, _hearing, _self_agreement, _accuracies, controls, _comparisons, drops, reversals,
            _word_errors, orders, held_words, _inside, _beside,
        )  # fmt: skip
        for number, lines in enumerate(filter(None, (list(part(results)) for part in parts))):
            if number:
                console.print()
            for line in lines:
                console.print(line, highlight=False, markup=False)
    finally:
        console.width = width


def _identities(results: Results) -> Iterator[Table | Text]:
    yield heading("arms")
    made = table("arm", "part", "model", "weights", "dtype", "device", "batch")
    for arm in ordered(results):
        for row, (name, model) in enumerate(parts_of(arm)):
            made.add_row(
                *map(
                    plain,
                    (
                        "" if row else arm.name,
                        name,
                        model.name,
                        numbers.fingerprint(model.weights),
                        model.dtype,
                        model.device,
                        model.batch_size,
                    ),
                )
            )
        for name in arm.same:
            made.add_row(plain(name), *[plain("")], plain(f"same as {arm.name}", "dim"), *[plain("")] * 4)
    yield made


def _matches(results: Results) -> Iterator[Table | Text]:
    if not results.matches:
        return
    yield heading("language models", "how the LLM of each speech LLM relates to that of the other arms")
    made = table("arm", "against", "match", "equal weights, %", "note")
    for row in matches(results):
        found, share = row.found, numbers.percent(row.found.equal_share)
        made.add_row(*map(plain, (row.arm, ", ".join(row.others), found.grade, share, found.note)))
    yield made


def _hearing(results: Results) -> Iterator[Table | Text]:
    yield heading("hearing check", "share of trials, %, 95 % Wilson interval")
    if results.hearing is None:
        yield plain(NO_GATE, "dim")
        return
    made = table("arm", "n", "scores moved: swap", "answers changed: swap", "silence", "no audio", "")
    reasons = []
    for proof in proofs(results):
        found = proof.found
        if found is None:
            made.add_row(plain(proof.arm), *[plain(numbers.UNDEFINED)] * 5, plain(proof.word, "yellow"))
            continue
        shares = [found.moved["swap"], *(found.changed[name] for name in ("swap", "silence", "none"))]
        cells = [estimate(numbers.percent(s.value, 0), numbers.limits(s, "percent")) for s in shares]
        style = {True: "green", False: "bold red", None: "yellow"}[found.passed]
        made.add_row(plain(proof.arm), plain(found.n), *cells, plain(proof.word, style))
        if found.passed is not True:
            reasons.append(plain(f"{proof.arm}: {found.reason}", "red" if found.passed is False else "yellow"))
    yield made
    yield from reasons


def _self_agreement(results: Results) -> Iterator[Table | Text]:
    rows = self_agreements(results)
    if not rows and not ceilings(results):
        return
    yield heading("noise floor and ceiling", "kappa, 95 % interval /n")
    if rows:
        made = table("test–retest", *nuisances().values())
        for row in rows:
            made.add_row(plain(row.arm), *(_kappa(r.kappa, r.n) if r else plain("") for r in row.by_nuisance))
        yield made
    for top in ceilings(results):
        yield Text.assemble(
            plain(f"ceiling, {top.task}, {top.condition}: {top.left} against {top.right}  "),
            _kappa(top.pair.kappa, top.pair.n),
        )


def _kappa(kappa: Interval, n: int) -> Text:
    return Text.assemble(estimate(numbers.coefficient(kappa.value), numbers.limits(kappa)), (f" /{n}", "dim"))


def _accuracies(results: Results) -> Iterator[Table | Text]:
    yield heading("accuracy, %", "95 % Wilson interval, n items")
    tasks, arms = [task.name for task in results.tasks], [arm.name for arm in results.arms]
    for conditions in chunks(results.conditions, tasks, arms):
        made = table("task", "arm", "n", *conditions)
        for task in results.tasks:
            if not set(conditions) & set(task.conditions):
                continue
            for row, arm in enumerate(ordered(results)):
                first = plain("" if row else task.name)
                made.add_row(first, *_accuracy_row(results, task.name, arm, conditions))
        yield made


def _accuracy_row(results: Results, task: str, arm: Arm, conditions: Sequence[str]) -> list[Text]:
    cells = [results.cell(task, condition, arm.name) for condition in conditions]
    sizes = list(dict.fromkeys(numbers.count(cell.n, cell.wanted) for cell in cells if cell))
    shown = [_accuracy(cell, len(sizes) > 1) for cell in cells]
    if cells[0] is not None and cells[0].condition == GOLD_CONDITION:
        shown[1:] = [plain("same", "dim") for _ in shown[1:]]
    return [plain(arm.name), plain(sizes[0] if len(sizes) == 1 else ""), *shown]


def _accuracy(cell: Cell | None, with_n: bool) -> Text:
    if cell is None:
        return plain(numbers.UNDEFINED)
    text = Text()
    text.append(numbers.percent(cell.accuracy.value))
    text.append(f" {numbers.limits(cell.accuracy, 'percent')}", "dim")
    if with_n:
        text.append(f"  {numbers.count(cell.n, cell.wanted)}", "dim" if cell.n >= cell.wanted else "yellow")
    if cell.invalid:
        text.append(f"  {cell.invalid} invalid", "yellow")
    return text


def _comparisons(results: Results) -> Iterator[Table | Text]:
    if not results.comparisons:
        return
    overlaps = any(overlap_of(results, c).found for c in results.comparisons)
    yield heading("agreement", "kappa of labels; difference = left − right, points; 95 % intervals")
    yield plain("+n: about n new items, judged on their own, would decide it, if what was seen is true", "dim")
    if any(c.verdict and c.verdict.unadjusted for c in results.comparisons):
        yield plain("*: decided on its own, but not once adjusted for the number of primary pairs", "dim")
    if primary := sum(c.verdict is not None and c.verdict.family is not None for c in results.comparisons):
        yield plain(
            f"{numbers.plural(primary, 'primary verdict')}{numbers.adjusted(primary)}; others are exploratory", "dim"
        )
    for sentence in flattery(results):
        yield plain(sentence, "dim")
    if overlaps:
        yield plain("error overlap: share of same mistakes /joint errors (no interval below 20)", "dim")
    yield _grid(overlaps, [[plain(name, "dim") for name, _ in _columns(overlaps)]])
    for (task, left, right), group in groupby(ordered_comparisons(results), key=lambda c: (c.task, c.left, c.right)):
        rows = list(group)
        sizes = {c.pair.n for c in rows}
        yield Text.assemble(
            plain(f"{task}: {left} against {right}", "bold"),
            ("  ceiling" if rows[0].ceiling else "", "cyan"),
            (f"  n {rows[0].pair.n}" if len(sizes) == 1 else "", "dim"),
        )
        yield _grid(overlaps, [_comparison_row(results, c, overlaps, len(sizes) > 1) for c in rows])


def _columns(overlaps: bool) -> list[tuple[str, int]]:
    overlap = [("error overlap", 18)] if overlaps else []
    return [("", 14), ("kappa", 18), ("difference", 22), ("McNemar", 7), *overlap, ("verdict", 24)]


def _grid(overlaps: bool, rows: Sequence[Sequence[Text]]) -> Table:
    """Rows without lines; fixed widths, so that the grids of all comparisons stand under each other."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    for _, width in _columns(overlaps):
        grid.add_column(width=width, overflow="fold")
    for row in rows:
        grid.add_row(*row)
    return grid


def _comparison_row(results: Results, comparison: Comparison, overlaps: bool, with_n: bool) -> list[Text]:
    pair, said = comparison.pair, comparison.verdict
    difference = pair.accuracy.difference if pair.accuracy else None
    cells = [
        plain(f"  {comparison.condition}" + (f" (n {pair.n})" if with_n else "")),
        estimate(numbers.coefficient(pair.kappa.value), numbers.limits(pair.kappa)),
        estimate(numbers.points(difference.value), numbers.limits(difference, "points"))
        if difference
        else plain(numbers.UNDEFINED),
        plain(numbers.p_value(pair.mcnemar.p if pair.mcnemar else None)),
    ]
    if overlaps:
        overlap = overlap_of(results, comparison).found
        if overlap is None:
            cells.append(plain(numbers.UNDEFINED))
        else:
            text = estimate(numbers.coefficient(overlap.value), numbers.limits(overlap))
            cells.append(Text.assemble(text, (f" /{overlap.joint_errors}", "dim")))
    if said is None:
        return [*cells, plain("")]
    needed = f" +{numbers.rough(said.items_needed)}" if said.items_needed else ""
    more = " *" if said.unadjusted else needed
    return [*cells, Text.assemble((title(said), _VERDICT_STYLE.get(said.name or "", "dim")), (more, "dim"))]


def _word_errors(results: Results) -> Iterator[Table | Text]:
    if not results.word_errors:
        return
    yield heading("word error rate, %", "95 % bootstrap interval, n utterances")
    found = {(w.asr, w.task, w.condition): w for w in results.word_errors}
    tasks, asrs = [w.task for w in results.word_errors], [w.asr for w in results.word_errors]
    for conditions in chunks(results.conditions, tasks, asrs):
        made = table("task", "asr", "n", *conditions)
        for (asr, task), _ in groupby(results.word_errors, key=lambda w: (w.asr, w.task)):
            cells = [found.get((asr, task, condition)) for condition in conditions]
            if not any(cells):
                continue
            sizes = list(dict.fromkeys(str(cell.n) for cell in cells if cell))
            made.add_row(
                plain(task),
                plain(asr),
                plain("/".join(sizes)),
                *(
                    estimate(numbers.percent(cell.rate.value), numbers.limits(cell.rate, "percent"))
                    if cell
                    else plain(numbers.UNDEFINED)
                    for cell in cells
                ),
            )
        yield made


def _inside(results: Results) -> Iterator[Table | Text]:
    found = insides(results)
    if not found:
        return
    yield heading("inside the speech llms", "tables and pictures are in the HTML report")
    for inside in found:
        yield plain(inside.arm, "bold")
        if inside.nature:
            yield plain(f"  {inside.nature}", "dim")
        yield from (plain(f"  {line}") for line in inside.lines)


def _beside(results: Results) -> Iterator[Table | Text]:
    found = beside.groups(results)
    if not found:
        return
    yield heading("beside the paper", "ours with 95 % intervals; where models and data are the paper's")
    for group in found:
        yield plain(group.title, "bold")
        if group.rows:
            made = table(*beside.COLUMNS)
            for row in group.rows:
                made.add_row(*map(plain, row))
            yield made
        yield from (plain(f"  {line}", "dim") for line in group.absent)
