"""Comparisons: two arms on a task and condition, with the ceiling they are held against and the verdict."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cascade_equivalence.agreement import (
    GoldArm,
    PairAgreement,
    Resamples,
    Verdict,
    compare,
    family,
    verdict,
)
from cascade_equivalence.run.layout import GOLD_CONDITION
from cascade_equivalence.study.arms import Arm, matched, pairs_of
from cascade_equivalence.study.cells import MISSING, Cell, Labels, gold_of

POOLED = "pooled"
"""Name of the union of the closed text-sufficient tasks, stratified by task."""

Group = list[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two arms on one task (or POOLED) and condition.

    ceiling: two cascades on one LLM. family: a speech LLM against a cascade on its own language model; the verdicts of
    these are adjusted for their number. reference: the ceiling it was held against, (left, right, κ).
    """

    task: str
    condition: str
    left: str
    right: str
    ceiling: bool
    pair: PairAgreement
    verdict: Verdict
    closed: bool
    family: bool = False
    reference: tuple[str, str, float] | None = None


def compare_arms(
    study: Mapping[str, Any],
    tasks: Group,
    arms: tuple[Arm, ...],
    cells: tuple[Cell, ...],
    withheld: Container[str] = (),
) -> tuple[Comparison, ...]:
    """All comparisons of a study but those with an arm that is `withheld`."""
    by_key = {(c.task, c.condition, c.arm): c for c in cells}
    golds = [arm.name for arm in arms if arm.kind == "gold"]
    pooled = [t for t in tasks if t["kind"] == "labels" and t["sufficient"]]
    groups = [*(([t], t["name"]) for t in tasks), *([(pooled, POOLED)] if len(pooled) > 1 else [])]
    heard = [arm for arm in arms if arm.name not in withheld]

    def pair_of(group: Group, condition: str, left: Arm, right: Arm) -> PairAgreement | None:
        sides = [
            [by_key[t["name"], c if (t["name"], c, arm.name) in by_key else GOLD_CONDITION, arm.name] for t in group]
            for arm, c in ((left, condition), (right, condition))
        ]
        return _pair(study, group, *sides)

    made: list[Comparison] = []
    for left, right in pairs_of(study["comparisons"], arms):
        if left not in heard or right not in heard:
            continue
        for condition in study["conditions"]:
            for group, name in groups:
                pair = pair_of(group, condition, left, right)
                if pair is None:
                    continue
                read = [by_key[t["name"], GOLD_CONDITION, golds[0]] for t in group] if golds else []
                gold_arm = _gold_arm(group, read) if read else None
                held = "speech" in (left.kind, right.kind) and "gold" not in (left.kind, right.kind)
                top = _ceiling(left, right, heard) if held else None
                roof = pair_of(group, condition, *top) if top else None
                made.append(
                    Comparison(
                        task=name,
                        condition=condition,
                        left=left.name,
                        right=right.name,
                        ceiling=left.kind == right.kind == "cascade" and matched(left, right),
                        pair=pair,
                        verdict=verdict(pair, _held_against(pair, roof), gold_arm=gold_arm),
                        closed=all(t["kind"] != "open" for t in group),
                        family=(left.kind, right.kind) == ("speech", "cascade") and matched(left, right),
                        reference=_reference(top, roof),
                    )
                )
    return _adjusted(made)


def _ceiling(left: Arm, right: Arm, arms: Sequence[Arm]) -> tuple[Arm, Arm] | None:
    """The first two cascades on the language model of the speech LLM of a pair."""
    speech = left if left.kind == "speech" else right
    cascades = [arm for arm in arms if arm.kind == "cascade" and matched(arm, speech)]
    return (cascades[0], cascades[1]) if len(cascades) > 1 else None


def _held_against(pair: PairAgreement, ceiling: PairAgreement | None) -> PairAgreement | float | None:
    """The ceiling as the rule takes it: paired on the same items; in an unfinished run, on others, a number."""
    if ceiling is None or ceiling.kappa.value is None:
        return None
    return ceiling if ceiling.replicates.token == pair.replicates.token else ceiling.kappa.value


def _reference(top: tuple[Arm, Arm] | None, roof: PairAgreement | None) -> tuple[str, str, float] | None:
    if top is None or roof is None or roof.kappa.value is None:
        return None
    return top[0].name, top[1].name, roof.kappa.value


def _adjusted(made: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """The comparisons with the verdicts of the family adjusted for their number (Benjamini–Hochberg)."""
    adjusted = iter(family([c.verdict for c in made if c.family]))
    return tuple(replace(c, verdict=next(adjusted)) if c.family else c for c in made)


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
        gold = gold_of(task)
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
    golds = [gold_of(task) for task in group]
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
