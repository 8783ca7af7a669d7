"""The summary a run ends with: identities, then numbers, each with its interval and n."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cascade_equivalence.agreement import Interval
from cascade_equivalence.report import numbers
from cascade_equivalence.report.arms import ordered, ordered_comparisons
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
from cascade_equivalence.run.layout import GOLD_CONDITION
from cascade_equivalence.study.results import Arm, Cell, Comparison, Results

_WIDTH = 100
"""Columns that the tables are made for."""
_ESTIMATE = 16
"""Width of `75.0 58.9–86.2` with the gap after it."""

_VERDICT_STYLE = {"equivalent": "green", "different": "magenta", "undecided": "yellow"}


def print_summary(results: Results, console: Console) -> None:
    """Print the results, compact and without markup from any name."""
    width = console.width
    if not console.is_terminal:
        # A file or pipe has no width of its own; the one assumed for it would break the tables.
        console.width = max(width, _WIDTH)
    try:
        parts = (_identities, _matches, _hearing, _self_agreement, _accuracies, _comparisons, _word_errors, _inside)
        for number, lines in enumerate(filter(None, (list(part(results)) for part in parts))):
            if number:
                console.print()
            for line in lines:
                console.print(line, highlight=False, markup=False)
    finally:
        console.width = width


def _identities(results: Results) -> Iterator[Table | Text]:
    yield _heading("arms")
    table = _table("arm", "part", "model", "weights", "dtype", "device", "batch")
    for arm in ordered(results):
        for row, (name, model) in enumerate(parts_of(arm)):
            table.add_row(
                *map(
                    _plain,
                    (
                        "" if row else arm.name,
                        name,
                        model["name"],
                        numbers.fingerprint(model["weights"]),
                        model["dtype"],
                        model["device"],
                        model["batch_size"],
                    ),
                )
            )
        for name in arm.same:
            table.add_row(_plain(name), *[_plain("")], _plain(f"same as {arm.name}", "dim"), *[_plain("")] * 4)
    yield table


def _matches(results: Results) -> Iterator[Table | Text]:
    if not results.matches:
        return
    yield _heading("language models", "how the LLM of each speech LLM relates to that of the other arms")
    table = _table("arm", "against", "match", "equal weights, %", "note")
    for row in matches(results):
        found, share = row.found, numbers.percent(row.found.equal_share)
        table.add_row(*map(_plain, (row.arm, ", ".join(row.others), found.grade, share, found.note)))
    yield table


def _hearing(results: Results) -> Iterator[Table | Text]:
    yield _heading("proof of hearing", "share of trials, %, 95 % Wilson interval")
    if results.hearing is None:
        yield _plain(NO_GATE, "dim")
        return
    table = _table("arm", "n", "scores moved: swap", "answers changed: swap", "silence", "no audio", "")
    reasons = []
    for proof in proofs(results):
        found = proof.found
        if found is None:
            table.add_row(_plain(proof.arm), *[_plain(numbers.UNDEFINED)] * 5, _plain(proof.word, "yellow"))
            continue
        shares = [found.moved["swap"], *(found.changed[name] for name in ("swap", "silence", "none"))]
        cells = [_estimate(numbers.percent(s.value, 0), numbers.limits(s, "percent")) for s in shares]
        style = {True: "green", False: "bold red", None: "yellow"}[found.passed]
        table.add_row(_plain(proof.arm), _plain(found.n), *cells, _plain(proof.word, style))
        if found.passed is not True:
            reasons.append(_plain(f"{proof.arm}: {found.reason}", "red" if found.passed is False else "yellow"))
    yield table
    yield from reasons


def _self_agreement(results: Results) -> Iterator[Table | Text]:
    rows = self_agreements(results)
    if not rows and not ceilings(results):
        return
    yield _heading("noise floor and ceiling", "kappa, 95 % interval /n")
    if rows:
        table = _table("test–retest", *nuisances().values())
        for row in rows:
            table.add_row(_plain(row.arm), *(_kappa(r.kappa, r.n) if r else _plain("") for r in row.by_nuisance))
        yield table
    for top in ceilings(results):
        yield Text.assemble(
            _plain(f"ceiling, {top.task}, {top.condition}: {top.left} against {top.right}  "),
            _kappa(top.pair.kappa, top.pair.n),
        )


def _kappa(kappa: Interval, n: int) -> Text:
    return Text.assemble(_estimate(numbers.coefficient(kappa.value), numbers.limits(kappa)), (f" /{n}", "dim"))


def _accuracies(results: Results) -> Iterator[Table | Text]:
    yield _heading("accuracy, %", "95 % Wilson interval, n items")
    tasks, arms = [task["name"] for task in results.tasks], [arm.name for arm in results.arms]
    for conditions in _chunks(results.conditions, tasks, arms):
        table = _table("task", "arm", "n", *conditions)
        for task in results.tasks:
            for row, arm in enumerate(ordered(results)):
                first = _plain("" if row else task["name"])
                table.add_row(first, *_accuracy_row(results, task["name"], arm, conditions))
        yield table


def _accuracy_row(results: Results, task: str, arm: Arm, conditions: Sequence[str]) -> list[Text]:
    cells = [results.cell(task, condition, arm.name) for condition in conditions]
    sizes = list(dict.fromkeys(numbers.count(cell.n, cell.wanted) for cell in cells if cell))
    shown = [_accuracy(cell, len(sizes) > 1) for cell in cells]
    if cells[0] is not None and cells[0].condition == GOLD_CONDITION:
        shown[1:] = [_plain("same", "dim") for _ in shown[1:]]
    return [_plain(arm.name), _plain(sizes[0] if len(sizes) == 1 else ""), *shown]


def _accuracy(cell: Cell | None, with_n: bool) -> Text:
    if cell is None:
        return _plain(numbers.UNDEFINED)
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
    yield _heading("agreement", "kappa of labels; difference = left − right, points; 95 % intervals")
    yield _plain("undecided +n: about n more items would decide it, if what was seen is true", "dim")
    if any(c.family for c in results.comparisons):
        yield _plain(
            "speech LLMs are held against the ceiling; their verdicts are adjusted for their number (BH)", "dim"
        )
    for sentence in flattery(results):
        yield _plain(sentence, "dim")
    if overlaps:
        yield _plain("error overlap: share of same mistakes /joint errors (no interval below 20)", "dim")
    yield _grid(overlaps, [[_plain(name, "dim") for name, _ in _columns(overlaps)]])
    for (task, left, right), group in groupby(ordered_comparisons(results), key=lambda c: (c.task, c.left, c.right)):
        rows = list(group)
        sizes = {c.pair.n for c in rows}
        yield Text.assemble(
            _plain(f"{task}: {left} against {right}", "bold"),
            ("  ceiling" if rows[0].ceiling else "", "cyan"),
            (f"  n {rows[0].pair.n}" if len(sizes) == 1 else "", "dim"),
        )
        yield _grid(overlaps, [_comparison_row(results, c, overlaps, len(sizes) > 1) for c in rows])


def _columns(overlaps: bool) -> list[tuple[str, int]]:
    overlap = [("error overlap", 18)] if overlaps else []
    return [("", 14), ("kappa", 18), ("difference", 22), ("McNemar", 7), *overlap, ("verdict", 15)]


def _grid(overlaps: bool, rows: Sequence[Sequence[Text]]) -> Table:
    """Rows without lines; fixed widths, so that the grids of all comparisons stand under each other."""
    table = Table.grid(padding=(0, 1, 0, 0))
    for _, width in _columns(overlaps):
        table.add_column(width=width, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _comparison_row(results: Results, comparison: Comparison, overlaps: bool, with_n: bool) -> list[Text]:
    pair, said = comparison.pair, comparison.verdict
    difference = pair.accuracy.difference if pair.accuracy else None
    cells = [
        _plain(f"  {comparison.condition}" + (f" (n {pair.n})" if with_n else "")),
        _estimate(numbers.coefficient(pair.kappa.value), numbers.limits(pair.kappa)),
        _estimate(numbers.points(difference.value), numbers.limits(difference, "points"))
        if difference
        else _plain(numbers.UNDEFINED),
        _plain(numbers.p_value(pair.mcnemar.p if pair.mcnemar else None)),
    ]
    if overlaps:
        overlap = overlap_of(results, comparison).found
        if overlap is None:
            cells.append(_plain(numbers.UNDEFINED))
        else:
            text = _estimate(numbers.coefficient(overlap.value), numbers.limits(overlap))
            cells.append(Text.assemble(text, (f" /{overlap.joint_errors}", "dim")))
    name = said.name or "no verdict"
    more = f" +{numbers.rough(said.items_needed)}" if said.items_needed else ""
    return [*cells, Text.assemble((name, _VERDICT_STYLE.get(name, "dim")), (more, "dim"))]


def _word_errors(results: Results) -> Iterator[Table | Text]:
    if not results.word_errors:
        return
    yield _heading("word error rate, %", "95 % bootstrap interval, n utterances")
    found = {(w.asr, w.task, w.condition): w for w in results.word_errors}
    tasks, asrs = [w.task for w in results.word_errors], [w.asr for w in results.word_errors]
    for conditions in _chunks(results.conditions, tasks, asrs):
        table = _table("task", "asr", "n", *conditions)
        for (asr, task), _ in groupby(results.word_errors, key=lambda w: (w.asr, w.task)):
            cells = [found.get((asr, task, condition)) for condition in conditions]
            sizes = list(dict.fromkeys(str(cell.n) for cell in cells if cell))
            table.add_row(
                _plain(task),
                _plain(asr),
                _plain("/".join(sizes)),
                *(
                    _estimate(numbers.percent(cell.rate.value), numbers.limits(cell.rate, "percent"))
                    if cell
                    else _plain(numbers.UNDEFINED)
                    for cell in cells
                ),
            )
        yield table


def _inside(results: Results) -> Iterator[Table | Text]:
    found = insides(results)
    if not found:
        return
    yield _heading("inside the speech llms", "tables and pictures are in the HTML report")
    for inside in found:
        yield _plain(inside.arm, "bold")
        if inside.nature:
            yield _plain(f"  {inside.nature}", "dim")
        yield from (_plain(f"  {line}") for line in inside.lines)


def _chunks(conditions: Sequence[str], *first: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many conditions a table as fit beside the first columns, evenly divided."""
    taken = sum(max(map(len, column), default=0) + 2 for column in first) + len("n of m  ")
    fit = max(1, (_WIDTH - taken) // max(_ESTIMATE, *(len(c) + 2 for c in conditions)))
    tables = -(-len(conditions) // fit)
    for start in range(0, len(conditions), -(-len(conditions) // tables)):
        yield conditions[start : start + -(-len(conditions) // tables)]


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(_plain(column), overflow="fold", justify="right" if column in {"n", "batch"} else "left")
    return table


def _heading(title: str, note: str = "") -> Text:
    return Text.assemble((title.upper(), "bold cyan"), (f"  {note}" if note else "", "dim"))


def _estimate(value: str, interval: str) -> Text:
    if interval == numbers.UNDEFINED:
        return Text(value)
    return Text.assemble(value, (f" {interval}", "dim"))


def _plain(value: object, style: str = "") -> Text:
    """Text as it is: no markup, and no control characters that could move the cursor."""
    return Text("".join(c if c.isprintable() else "?" for c in str(value)), style)
