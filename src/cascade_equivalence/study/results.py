"""From the journal to results: accuracies, comparisons, word error rates, disagreements. Needs no models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade_equivalence.agreement import GoldArm, Interval, PairAgreement, Resamples, Verdict, compare, verdict, wilson
from cascade_equivalence.errors import RunError
from cascade_equivalence.run.journal import AnswerRow, ClipRow, Journal, ReplyRow, TranscriptRow
from cascade_equivalence.run.layout import GOLD_CONDITION, JOURNAL
from cascade_equivalence.study.word_errors import WordErrors, word_errors
from cascade_equivalence.tasks.parsing import INVALID, matches_alias

Labels = NDArray[np.int64]

POOLED = "pooled"
"""Name of the union of the closed text-sufficient tasks, stratified by task."""


@dataclass(frozen=True, slots=True)
class ArmInfo:
    """One arm as it was run. `latency`: seconds of single items by stage."""

    name: str
    kind: str
    asr: Mapping[str, Any] | None
    llm: Mapping[str, Any]
    latency: tuple[Mapping[str, float], ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """One arm on one task and condition. `labels`: index of the label given, −1 INVALID, shape (n,)."""

    task: str
    condition: str
    arm: str
    n: int
    wanted: int
    accuracy: Interval
    invalid: int
    ties: int
    labels: Labels = field(repr=False)
    correct: NDArray[np.bool_] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two arms on one task (or POOLED) and condition. `ceiling`: two cascades on one LLM."""

    task: str
    condition: str
    left: str
    right: str
    ceiling: bool
    pair: PairAgreement
    verdict: Verdict
    closed: bool


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A trial on which two compared arms answered differently."""

    task: str
    condition: str
    item: str
    spoken: str | None
    gold: tuple[str, ...]
    arms: Mapping[str, tuple[str, str]]
    """Arm → (label, what its LLM read or said)."""
    clip: str | None


@dataclass(frozen=True, slots=True)
class Results:
    """All that a report shows."""

    study: Mapping[str, Any]
    tasks: tuple[Mapping[str, Any], ...]
    conditions: tuple[str, ...]
    arms: tuple[ArmInfo, ...]
    environment: Mapping[str, str]
    cells: tuple[Cell, ...]
    comparisons: tuple[Comparison, ...]
    word_errors: tuple[WordErrors, ...]
    disagreements: tuple[Disagreement, ...]
    snr: Mapping[str, tuple[float, float, int]]
    """Condition → smallest and largest SNR reached (dB), and how many clips were scaled against clipping."""
    compute_s: Mapping[str, float]
    """Arm → model seconds of all its answers, as if it had run alone (shared work counted for each)."""
    failures: tuple[str, ...]

    def cell(self, task: str, condition: str, arm: str) -> Cell | None:
        """The cell; the gold arm's is the same under every condition."""
        for cell in self.cells:
            if (cell.task, cell.arm) == (task, arm) and cell.condition in {condition, GOLD_CONDITION}:
                return cell
        return None


def analyse(directory: Path) -> Results:
    """Analyse the journal of a run. Raises `RunError` if there is none, or no answers in it."""
    journal = Journal(directory / JOURNAL, create=False)
    try:
        study = journal.fact("study")
        if study is None:
            raise RunError(f"{directory}: the run has not recorded its study yet; run it first")
        tasks, wanted = journal.fact("tasks"), journal.fact("wanted")
        identities = journal.fact("identities")
        answers = journal.rows(AnswerRow)
        transcripts = journal.rows(TranscriptRow)
        replies = journal.rows(ReplyRow)
        clips = journal.rows(ClipRow)
        latencies = journal.facts("latency:")
        environment = journal.fact("environment", {})
    finally:
        journal.close()
    given = {arm: {task: [answers.get(k) for k in keys] for task, keys in per.items()} for arm, per in wanted.items()}
    if not any(row for per in given.values() for rows in per.values() for row in rows):
        raise RunError(f"{directory}: no answers in the journal yet; run the study again to go on")
    cells = tuple(
        cell for task in tasks for arm in study["arms"] for cell in _cells(task, arm, given[arm][task["name"]], study)
    )
    conditions = tuple(study["conditions"])
    comparisons = _comparisons(study, tasks, conditions, cells)
    used = {row.clip for per in given.values() for rows in per.values() for row in rows if row and row.clip}
    return Results(
        study=study,
        tasks=tuple(tasks),
        conditions=conditions,
        arms=tuple(_arm(name, spec, identities, latencies) for name, spec in study["arms"].items()),
        environment=environment,
        cells=cells,
        comparisons=comparisons,
        word_errors=word_errors(study, tasks, given, transcripts),
        disagreements=_disagreements(tasks, study, given, replies, comparisons),
        snr=_snr([row for row in clips.values() if row.sha256 in used]),
        compute_s={arm: _seconds(per, replies, transcripts) for arm, per in given.items()},
        failures=_failures(study, cells),
    )


def _cells(task: Mapping[str, Any], arm: str, rows: list[AnswerRow | None], study: Mapping[str, Any]) -> list[Cell]:
    """Cells of one arm on one task, condition by condition. An unfinished cell holds the items answered so far."""
    items = {item["id"]: item for item in task["items"]}
    gold = study["arms"][arm]["transcript"] == "gold"
    cells = []
    for condition in [GOLD_CONDITION] if gold else study["conditions"]:
        found = {row.item: row for row in rows if row and row.condition == condition}
        labels, correct = [], []
        for identifier, item in items.items():
            row = found.get(identifier)
            label, right = (None, False) if row is None else _judge(task, item, row.label)
            labels.append(MISSING if label is None else label)
            correct.append(right)
        there = np.array(labels) != MISSING
        n, hits = int(there.sum()), int(np.array(correct)[there].sum())
        has_gold = any(items[i]["accepted"] for i in found)
        cells.append(
            Cell(
                task=task["name"],
                condition=condition,
                arm=arm,
                n=n,
                wanted=len(items),
                accuracy=wilson(hits, n) if n and has_gold else Interval(None),
                invalid=sum(row.label == INVALID for row in found.values()),
                ties=sum(row.tie for row in found.values()),
                labels=np.array(labels, dtype=np.int64),
                correct=np.array(correct, dtype=np.bool_),
            )
        )
    return cells


MISSING = -2
"""In `Cell.labels`: not answered yet."""


def _judge(task: Mapping[str, Any], item: Mapping[str, Any], label: str) -> tuple[int, bool]:
    """Label index (open tasks: 0 right, 1 wrong) and correctness."""
    if task["kind"] == "open":
        right = label != INVALID and matches_alias(label, item["accepted"])
        return (-1 if label == INVALID else int(not right)), right
    index = -1 if label == INVALID else _index(task, label)
    return index, bool(item["accepted"]) and label == item["accepted"][0]


def _index(task: Mapping[str, Any], label: str) -> int:
    return int(task["labels"].index(label))


def _gold(task: Mapping[str, Any]) -> Labels | None:
    if not all(item["accepted"] for item in task["items"]):
        return None
    if task["kind"] == "open":
        return np.zeros(len(task["items"]), dtype=np.int64)
    return np.array([_index(task, item["accepted"][0]) for item in task["items"]], dtype=np.int64)


def pairs_of(study: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The comparisons of a study: as written, or every two arms on the same backbone (gold on the right)."""
    if study["comparisons"] != "matched":
        return [(left, right) for left, right in study["comparisons"]["pairs"]]
    arms = study["arms"]
    by_llm = [(a, b) for a, b in combinations(arms, 2) if arms[a]["llm"] == arms[b]["llm"]]
    return [(b, a) if arms[a]["transcript"] == "gold" else (a, b) for a, b in by_llm]


def _comparisons(
    study: Mapping[str, Any], tasks: list[Mapping[str, Any]], conditions: tuple[str, ...], cells: tuple[Cell, ...]
) -> tuple[Comparison, ...]:
    by_key = {(c.task, c.condition, c.arm): c for c in cells}
    golds = [arm for arm, spec in study["arms"].items() if spec["transcript"] == "gold"]
    pooled = [t for t in tasks if t["kind"] == "labels" and t["sufficient"]]
    made = []
    for left, right in pairs_of(study):
        for condition in conditions:
            for group, name in [*(([t], t["name"]) for t in tasks), *([(pooled, POOLED)] if len(pooled) > 1 else [])]:
                sides = [
                    [by_key[t["name"], c if (t["name"], c, arm) in by_key else GOLD_CONDITION, arm] for t in group]
                    for arm, c in ((left, condition), (right, condition))
                ]
                pair = _pair(study, group, *sides)
                if pair is None:
                    continue
                read = [by_key[t["name"], GOLD_CONDITION, golds[0]] for t in group] if golds else []
                gold_arm = _gold_arm(group, read) if read else None
                both_hear = all(study["arms"][arm]["asr"] for arm in (left, right))
                same = study["arms"][left]["llm"] == study["arms"][right]["llm"]
                made.append(
                    Comparison(
                        task=name,
                        condition=condition,
                        left=left,
                        right=right,
                        ceiling=both_hear and same,
                        pair=pair,
                        verdict=verdict(pair, gold_arm=gold_arm),
                        closed=all(t["kind"] != "open" for t in group),
                    )
                )
    return tuple(made)


def _pair(
    study: Mapping[str, Any], group: list[Mapping[str, Any]], left: list[Cell], right: list[Cell]
) -> PairAgreement | None:
    """The pair on the items both have answered; labels of different tasks are compared within their task only.

    The bootstrap weights depend on the items alone, so all pairs on the same items share them and are paired.
    """
    rows: list[tuple[Labels, Labels, Labels | None, list[str]]] = []
    for task, a, b in zip(group, left, right, strict=True):
        both = (a.labels != MISSING) & (b.labels != MISSING)
        if not both.any():
            return None
        gold = _gold(task)
        units = [i["group"] or i["id"] for i, keep in zip(task["items"], both, strict=True) if keep]
        rows.append((a.labels[both], b.labels[both], None if gold is None else gold[both], units))
    classes = max(2 if task["kind"] == "open" else len(task["labels"]) for task in group)
    strata = np.concatenate([np.full(len(r[0]), i) for i, r in enumerate(rows)])
    units = [f"{i}/{unit}" for i, r in enumerate(rows) for unit in r[3]]
    clustered = len(set(units)) < len(units)
    codes = np.unique(units, return_inverse=True)[1] if clustered else None
    gold = None if any(r[2] is None for r in rows) else np.concatenate([r[2] for r in rows if r[2] is not None])
    layers = strata if len(group) > 1 else None
    weights = Resamples.draw(
        len(strata), resamples=study["resamples"], seed=study["seed"], clusters=codes, strata=layers
    )
    pair = compare(
        np.concatenate([r[0] for r in rows]),
        np.concatenate([r[1] for r in rows]),
        gold,
        classes=classes,
        clusters=codes,
        strata=layers,
        weights=weights,
        margin=study["margin"],
    )
    if classes > 2 and any(len(task["labels"]) < 3 for task in group):
        note = "not defined: with two labels, two wrong answers are always the same one"
        pair = replace(
            pair,
            error_overlap=replace(pair.error_overlap, value=None, low=None, high=None, chance=None),
            notes={**pair.notes, "error_overlap": note},
        )
    return pair


def _gold_arm(group: list[Mapping[str, Any]], cells: list[Cell]) -> GoldArm | None:
    golds = [_gold(task) for task in group]
    n = sum(cell.n for cell in cells)
    if not n or any(gold is None for gold in golds):
        return None
    closed = [(t, g) for t, g in zip(group, golds, strict=True) if t["kind"] != "open" and g is not None]
    sizes = [len(g) for _, g in closed]

    def weigh(values: list[float]) -> float:
        return float(np.average(values, weights=sizes)) if values else 0.0

    return GoldArm(
        correct=sum(int(cell.correct.sum()) for cell in cells),
        n=n,
        chance=weigh([1 / max(2, len(t["items"][0]["choices"])) for t, _ in closed]),
        majority=weigh([np.bincount(g).max() / len(g) if t["kind"] == "labels" else 0.0 for t, g in closed]),
    )


def _arm(
    name: str, spec: Mapping[str, Any], identities: Mapping[str, Any], latencies: list[Mapping[str, Any]]
) -> ArmInfo:
    found = [fact["stages"] for fact in latencies if fact["arm"] == name]
    return ArmInfo(
        name=name,
        kind="gold" if spec["transcript"] == "gold" else "cascade",
        asr=identities.get(spec["asr"]) if spec["asr"] else None,
        llm=identities[spec["llm"]],
        latency=tuple(found[-1]) if found else (),
    )


def _disagreements(
    tasks: list[Mapping[str, Any]],
    study: Mapping[str, Any],
    given: Mapping[str, Mapping[str, list[AnswerRow | None]]],
    replies: Mapping[str, ReplyRow],
    comparisons: tuple[Comparison, ...],
) -> tuple[Disagreement, ...]:
    """Trials on which any two compared arms differ, the mildest condition first."""
    pairs = {(c.left, c.right) for c in comparisons}
    found = []
    for task in tasks:
        rows: dict[tuple[str, str], dict[str, AnswerRow]] = {}
        for arm, per in given.items():
            for row in per[task["name"]]:
                if row:
                    rows.setdefault((row.item, row.condition), {})[arm] = row
        for condition in study["conditions"]:
            for item in task["items"]:
                here = rows.get((item["id"], GOLD_CONDITION), {}) | rows.get((item["id"], condition), {})
                if not any(a in here and b in here and here[a].label != here[b].label for a, b in pairs):
                    continue
                found.append(
                    Disagreement(
                        task=task["name"],
                        condition=condition,
                        item=item["id"],
                        spoken=item["text"],
                        gold=tuple(item["accepted"]),
                        arms={arm: (row.label, replies[row.reply].content) for arm, row in here.items()},
                        clip=next((row.clip for row in here.values() if row.clip), None),
                    )
                )
    return tuple(found)


def _snr(clips: list[ClipRow]) -> dict[str, tuple[float, float, int]]:
    by_condition: dict[str, list[ClipRow]] = {}
    for row in clips:
        if row.snr_db is not None:
            by_condition.setdefault(row.condition, []).append(row)
    return {
        condition: (
            min(r.snr_db for r in rows if r.snr_db is not None),
            max(r.snr_db for r in rows if r.snr_db is not None),
            sum(r.scale != 1.0 for r in rows),
        )
        for condition, rows in by_condition.items()
    }


def _seconds(
    per: Mapping[str, list[AnswerRow | None]],
    replies: Mapping[str, ReplyRow],
    transcripts: Mapping[str, TranscriptRow],
) -> float:
    rows = [row for found in per.values() for row in found if row]
    return sum(replies[row.reply].compute_s for row in rows) + sum(
        transcripts[row.transcript].compute_s for row in rows if row.transcript
    )


def _failures(study: Mapping[str, Any], cells: tuple[Cell, ...]) -> tuple[str, ...]:
    """Cells with more invalid answers than the study allows."""
    limit = study["invalid_limit"]
    return tuple(
        f"arm '{c.arm}' on {c.task}, {c.condition}: {c.invalid} of {c.n} answers are invalid "
        f"(more than invalid_limit {limit:g}); look at its answers, its prompt, or answer: labels"
        for c in cells
        if c.n and c.invalid / c.n > limit
    )
