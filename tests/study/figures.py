"""The figures of a study's results as plain rows, so that two states of the code can be held against each other."""

from __future__ import annotations

from typing import Any

from cascade_equivalence.agreement import Interval
from cascade_equivalence.study.latency import latencies
from cascade_equivalence.study.results import Results


def figures(results: Results) -> dict[str, Any]:
    """Name of the figure → value, rounded; the verdicts are left out: they follow from these by a rule of their own."""
    found: dict[str, Any] = {}
    for c in results.cells:
        found[f"accuracy {c.task} {c.condition} {c.arm}"] = [c.n, c.wanted, *of(c.accuracy), c.invalid, c.ties]
    for c in results.comparisons:
        pair = c.pair
        gold = pair.accuracy, pair.mcnemar
        found[f"pair {c.task} {c.condition} {c.left} {c.right}"] = [
            pair.n, *of(pair.kappa), *(of(gold[0].difference) if gold[0] else []),
            *([gold[1].b, gold[1].c] if gold[1] else []), rounded(pair.error_overlap.value),
        ]  # fmt: skip
    for w in results.word_errors:
        found[f"wer {w.asr} {w.task} {w.condition}"] = [w.n, *of(w.rate), rounded(w.logprob), w.incomplete]
    for name, h in (results.hearing or {}).items():
        found[f"hearing {name}"] = [h.n, *of(h.moved["swap"]), *of(h.changed["swap"]), h.passed]
    for r in results.retests:
        found[f"retest {r.arm} {r.nuisance}"] = [r.n, rounded(r.agreement), *of(r.kappa)]
    for change in results.changes:
        found[f"change {change.task} {change.condition} {change.arm}"] = [
            change.n, *of(change.accuracy), *of(change.unchanged), *of(change.kappa), *of(change.drop),
        ]  # fmt: skip
    for v in results.reversals:
        found[f"reversal {v.task} {v.condition} {v.left} {v.right}"] = [v.found.n, *of(v.found.change)]
    for row in latencies(results.arms):
        found[f"latency {row.arm} {row.stage}"] = [row.n, *of(row.median), *of(row.p95)]
    for arm, seconds in results.compute_s.items():
        found[f"seconds {arm}"] = rounded(seconds)
    found["disagreements"] = len(results.disagreements)
    found["snr"] = {name: [rounded(low), rounded(high), n] for name, (low, high, n) in results.snr.items()}
    found["matches"] = [[m.left, m.right, m.grade, m.equal_share] for m in results.matches]
    return found


def of(interval: Interval) -> list[float | None]:
    """Value, low, high."""
    return [rounded(interval.value), rounded(interval.low), rounded(interval.high)]


def rounded(value: float | None) -> float | None:
    """Six digits: less than that is the order in which sums are taken."""
    return None if value is None else round(float(value), 6)
