"""The tables of a study, to be taken elsewhere: plain values with their intervals, nothing rounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cascade_equivalence.agreement import Interval
from cascade_equivalence.report.arms import ordered, ordered_comparisons
from cascade_equivalence.report.proofs import parts_of
from cascade_equivalence.study.beside import beside
from cascade_equivalence.study.latency import latencies
from cascade_equivalence.study.results import Comparison, Results

Kind = Literal["text", "number", "flag", "percent", "points", "coefficient", "p", "seconds"]
"""How a column's values are meant; the four in the middle are fractions, as estimates with two limits or alone."""
Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Column:
    """estimate: its values are intervals: value and 95 % limits. paper: whether it stands in a paper's table too."""

    name: str
    kind: Kind = "text"
    estimate: bool = False
    paper: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """rows: one value (of estimates: `Interval`) a column. note: what a reader must know of it."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value | Interval, ...], ...]
    note: str = ""

    def flat(self) -> tuple[list[str], list[list[Value]]]:
        """Names and rows with every estimate as three columns: `x`, `x_low`, `x_high`."""
        names = [name + end for name, parts in ((c.name, c.estimate) for c in self.columns) for end in _ends(parts)]
        return names, [[plain for value in row for plain in _plain(value)] for row in self.rows]

    def kinds(self) -> list[Kind]:
        """The kind of each column of `flat`."""
        return [column.kind for column in self.columns for _ in _ends(column.estimate)]


def _ends(estimate: bool) -> tuple[str, ...]:
    return ("", "_low", "_high") if estimate else ("",)


def _plain(value: Value | Interval) -> tuple[Value, ...]:
    return (value.value, value.low, value.high) if isinstance(value, Interval) else (value,)


def tables_of(results: Results) -> tuple[Table, ...]:
    """All tables of a study that have rows."""
    made = (
        _arms(results), _accuracies(results), _comparisons(results), _word_errors(results), _changes(results),
        _reversals(results), _crossings(results), _latency(results), _hearing(results), _retests(results),
        _orders(results), _held_words(results), _beside(results),
    )  # fmt: skip
    return tuple(table for table in made if table.rows)


_WHERE = (Column("task"), Column("condition"))
_PAIR = (*_WHERE, Column("left"), Column("right"))
_N = Column("n", "number")


def _share(name: str, paper: bool = True) -> Column:
    return Column(name, "percent", True, paper)


def _points(name: str, paper: bool = True) -> Column:
    return Column(name, "points", True, paper)


def _coefficient(name: str, paper: bool = True) -> Column:
    return Column(name, "coefficient", True, paper)


def _arms(results: Results) -> Table:
    columns = (
        Column("arm"), Column("kind"), Column("part"), Column("model"), Column("weights"),
        Column("dtype"), Column("device", paper=False), Column("batch_size", "number", paper=False),
        Column("runtime", paper=False), Column("source", paper=False), Column("planted", paper=False),
        Column("same_as", paper=False),
    )  # fmt: skip
    rows: list[tuple[Value | Interval, ...]] = []
    for arm in ordered(results):
        for part, model in parts_of(arm):
            rows.append((
                arm.name, arm.kind, part, model.name, model.weights, model.dtype, model.device, model.batch_size,
                model.runtime, model.source, arm.planted, None,
            ))  # fmt: skip
        rows += [(name, arm.kind, *[None] * 9, arm.name) for name in arm.same]
    return Table("arms", "The arms, by the content hash of their weights", columns, tuple(rows))


def _accuracies(results: Results) -> Table:
    columns = (
        *_WHERE, Column("arm"), _N, Column("planned", "number", paper=False), _share("accuracy"),
        Column("invalid", "number"), Column("ties", "number", paper=False),
    )  # fmt: skip
    place = {arm.name: i for i, arm in enumerate(ordered(results))}
    tasks = {task.name: i for i, task in enumerate(results.tasks)}
    cells = sorted(results.cells, key=lambda cell: (tasks[cell.task], place[cell.arm]))
    rows = tuple((c.task, c.condition, c.arm, c.n, c.wanted, c.accuracy, c.invalid, c.ties) for c in cells)
    note = "95 % Wilson intervals; invalid answers count as wrong. Condition “text”: the gold arm, asked once."
    return Table("accuracies", "Accuracies", columns, rows, note)


def _role(found: Comparison) -> str:
    if found.primary:
        return "primary"
    return "ceiling" if found.ceiling else "reference" if found.verdict is None else "exploratory"


def _comparisons(results: Results) -> Table:
    columns = (
        *_PAIR, Column("role"), _N, _coefficient("kappa"), Column("ceiling", "coefficient"),
        Column("ceiling_left", paper=False), Column("ceiling_right", paper=False),
        Column("agreement", "percent", paper=False), _share("accuracy_left", False), _share("accuracy_right", False),
        _points("difference"), Column("mcnemar_b", "number", paper=False), Column("mcnemar_c", "number", paper=False),
        Column("mcnemar_p", "p", paper=False), _share("error_overlap", False),
        Column("verdict"), Column("kind"), Column("better"), Column("accuracy_part", paper=False),
        Column("answers_part", paper=False), Column("margin", "points", paper=False),
        _points("one_sided_difference", False), _coefficient("one_sided_gap", False),
        Column("p", "p", paper=False), Column("p_adjusted", "p"), Column("family", "number", paper=False),
        Column("items_to_decide", "number", paper=False), Column("towards", paper=False),
        Column("opaque", "flag", paper=False), Column("interim", "flag", paper=False),
        Column("clusters", "number", paper=False), Column("why_none", paper=False), Column("reason", paper=False),
    )  # fmt: skip
    note = (
        "Difference: accuracy of left − right, 95 % score interval; kappa: 95 % bootstrap interval. Only primary "
        "verdicts are adjusted for their number (Benjamini–Hochberg); exploratory ones are not."
    )
    rows = tuple(_comparison(found) for found in ordered_comparisons(results))
    return Table("comparisons", "Comparisons", columns, rows, note)


def _comparison(found: Comparison) -> tuple[Value | Interval, ...]:
    pair, said, none = found.pair, found.verdict, Interval(None)
    accuracy, test, overlap = pair.accuracy, pair.mcnemar, pair.error_overlap
    part, answers = (said.accuracy, said.answers) if said else (None, None)
    reference = found.reference or (None, None, None)
    return (
        found.task, found.condition, found.left, found.right, _role(found), pair.n, pair.kappa, reference[2],
        reference[0], reference[1], pair.agreement, accuracy.left if accuracy else none,
        accuracy.right if accuracy else none, accuracy.difference if accuracy else none,
        test.b if test else None, test.c if test else None, test.p if test else None,
        Interval(overlap.value, overlap.low, overlap.high),
        said.name if said else None, said.kind if said else None, said.better if said else None,
        part.name if part else None, answers.name if answers else None, part.margin if part else None,
        part.difference if part else none, answers.gap if answers else none,
        said.p if said else None, said.p_adjusted if said else None, said.family if said else None,
        said.items_needed if said else None, said.towards if said else None,
        said.opaque if said else None, said.interim if said else None, pair.clusters,
        said.why_none if said else None, said.reason if said else None,
    )  # fmt: skip


def _word_errors(results: Results) -> Table:
    columns = (
        Column("asr"), *_WHERE, _N, _share("word_error_rate"), Column("mean_logprob", "number", paper=False),
        Column("incomplete", "number", paper=False),
    )  # fmt: skip
    rows = tuple((w.asr, w.task, w.condition, w.n, w.rate, w.logprob, w.incomplete) for w in results.word_errors)
    note = "After Whisper's English normaliser; 95 % percentile bootstrap over utterances."
    return Table("word_errors", "Word errors of the ASRs", columns, rows, note)


def _changes(results: Results) -> Table:
    columns = (
        *_WHERE, Column("arm"), Column("control", "flag", paper=False), _N, _share("accuracy"), _points("drop"),
        _share("unchanged", False), _coefficient("kappa_with_clean"), Column("note", paper=False),
    )  # fmt: skip
    rows = tuple(
        (c.task, c.condition, c.arm, c.control, c.n, c.accuracy, c.drop, c.unchanged, c.kappa, c.note)
        for c in results.changes
    )
    note = "Drop: accuracy on clean speech − under the condition, on the same items. Controls take the own sound away."
    return Table("noise_drops", "What noise and controls do to each arm", columns, rows, note)


def _reversals(results: Results) -> Table:
    columns = (
        *_PAIR, _N, _points("difference_clean"), _points("difference"), _points("change"), Column("reversed", "flag"),
        Column("matched", "flag", paper=False),
    )  # fmt: skip
    rows = tuple(
        (r.task, r.condition, r.left, r.right, r.found.n, r.found.clean, r.found.noisy, r.found.change,
         r.found.reversed, r.family)
        for r in results.reversals
    )  # fmt: skip
    note = "Difference: accuracy of left − right; change: clean − noisy, positive where left loses more."
    return Table("reversals", "Reversals in noise", columns, rows, note)


def _crossings(results: Results) -> Table:
    columns = (
        Column("task"), Column("noise"), Column("left"), Column("right"), _N, Column("leader"),
        Column("snr_db", "number", True), Column("above_all_levels", "flag", paper=False),
        Column("share_of_resamples", "percent", paper=False),
    )  # fmt: skip
    leaders = {1: "left", -1: "right", 0: "neither"}
    rows = tuple(
        (c.task, c.kind, c.left, c.right, c.found.n, leaders[c.found.leader], c.found.snr, c.found.above, c.found.share)
        for c in results.crossings
    )
    return Table("crossings", "The SNR at which an advantage reverses", columns, rows)


def _latency(results: Results) -> Table:
    columns = (
        Column("arm"), Column("stage"), _N, Column("median_s", "seconds", True), Column("p95_s", "seconds", True),
        Column("per_second_of_speech", "number", True, False),
    )  # fmt: skip
    rows = tuple((s.arm, s.stage, s.n, s.median, s.p95, s.per_audio) for s in latencies(ordered(results)))
    note = "Seconds of single items, one at a time; order-statistic limits (95 %), none where so few items have none."
    return Table("latency", "Latency", columns, rows, note)


def _hearing(results: Results) -> Table:
    columns = (
        Column("arm"), _N, Column("passed", "flag"), _share("moved_swap"), _share("changed_swap"),
        _share("changed_silence"), _share("changed_no_audio"), Column("reason", paper=False),
    )  # fmt: skip
    rows = tuple(
        (arm, h.n, h.passed, h.moved["swap"], *(h.changed[name] for name in ("swap", "silence", "none")), h.reason)
        for arm, h in (results.hearing or {}).items()
    )
    return Table("hearing", "The hearing check", columns, rows, "Shares of trials, 95 % Wilson intervals.")


def _retests(results: Results) -> Table:
    columns = (
        Column("arm"), Column("nuisance"), Column("condition"), _N, Column("agreement", "percent"),
        _coefficient("kappa"), Column("note", paper=False),
    )  # fmt: skip
    rows = tuple((r.arm, r.nuisance, r.condition, r.n, r.agreement, r.kappa, r.note) for r in results.retests)
    return Table("test_retest", "Test–retest agreement", columns, rows)


def _orders(results: Results) -> Table:
    columns = (*_WHERE, Column("arm"), Column("order"), _N, _share("accuracy"), _share("same_under_all"))
    rows = tuple(
        (o.task, o.condition, o.arm, order, o.n, accuracy, o.same)
        for o in results.orders
        for order, accuracy in o.accuracies.items()
    )
    return Table("option_orders", "Orders of the options", columns, rows)


def _held_words(results: Results) -> Table:
    columns = (*_WHERE, Column("arm"), _N, _share("accuracy"))
    rows = tuple((w.task, w.condition, w.arm, w.n, w.accuracy) for w in results.held_words)
    return Table("words_held", "Same words, different sound", columns, rows)


def _beside(results: Results) -> Table:
    columns = (
        Column("figure_of"), Column("quantity"), Column("task"), Column("left"), Column("right"), Column("condition"),
        Column("layer", "number"), Column("paper_low", "number"), Column("paper_high", "number"),
        Column("ours", "number", True), Column("paper_within_ours", "flag"), Column("why_not", paper=False),
    )  # fmt: skip
    rows = tuple(
        (f.where, f.quantity, f.task or None, f.left, f.right, f.condition, f.layer, f.low, f.high,
         Interval(o.value, o.low, o.high) if (o := one.ours) else Interval(None), one.inside, one.why or None)
        for one in beside(results) for f in (one.figure,)
    )  # fmt: skip
    return Table("beside_the_paper", "Figures of arXiv 2602.17598 and ours, as fractions", columns, rows)
