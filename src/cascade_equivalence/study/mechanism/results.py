"""From the facts of the analyses to estimates with intervals. Needs no models and no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cascade_equivalence.agreement import Interval, compare, wilson
from cascade_equivalence.study.mechanism.facts import ErasedCondition, ErasureFact, ImplicitFact, PatchingFact
from cascade_equivalence.tasks.parsing import INVALID

_RESAMPLES = 1000
CONTROLS = ("random", "variance-matched", "permuted")


@dataclass(frozen=True, slots=True)
class Erased:
    """Answers under one condition. kept: share of answers as without erasure; generated, parsed: shares of the trials
    answered by generation; perplexity: of plain text, as a multiple of that without erasure. seeds: accuracy of each
    random subspace; the accuracy is then their mean, with Wilson's interval at the number of trials.
    """

    name: str
    scope: str
    n: int
    accuracy: Interval
    kept: Interval
    generated: Interval
    parsed: Interval
    perplexity: Interval
    rank: int | None
    removed: float | None
    seeds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Implicit:
    """κ of the answers to what a layer's lens reads with the arm's own answers, and of the two nulls."""

    reader: str
    layer: int
    kappa: Interval
    shuffled: Interval
    wrong: Interval
    empty: int


@dataclass(frozen=True, slots=True)
class Patched:
    """Share of answers that follow the other clip whose states stand at the audio positions of one layer."""

    layer: int
    n: int
    follows: Interval
    stays: Interval


@dataclass(frozen=True, slots=True)
class HandOff:
    """The first layer at which less than half of the answers follow the patch; None if all layers or none do.

    low, high: 95 % percentile bootstrap over trials. before: no layer's answers follow.
    """

    layer: int | None
    low: int | None
    high: int | None
    before: bool


def erased(fact: ErasureFact) -> list[Erased]:
    """Conditions in the order they were run, random subspaces of one scope together."""
    plain = next(c for c in fact.conditions if c.name == "none")
    golds = [trial.gold for trial in fact.trials]
    groups: dict[tuple[str, str], list[ErasedCondition]] = {}
    for condition in fact.conditions:
        groups.setdefault((_family(condition.name), condition.scope), []).append(condition)
    rows = []
    for (name, scope), runs in groups.items():
        right = [_share(run.labels, golds) for run in runs]
        kept = [_share(run.labels, plain.labels) for run in runs]
        written = next((run for run in runs if run.generated), runs[0])
        said, wanted = written.generated, written.generated_golds
        first = runs[0].name
        rows.append(
            Erased(
                name,
                scope,
                len(golds),
                _mean(right, golds),
                _mean(kept, golds),
                _wilson(said, wanted),
                wilson(sum(s != INVALID for s in said), len(said)),
                _perplexity(fact.damage["none"], [fact.damage[run.name] for run in runs]),
                fact.ranks.get(first),
                fact.removed.get(first),
                tuple(r for r in right if r is not None) if name == "random" else (),
            )
        )
    return rows


@dataclass(frozen=True, slots=True)
class Contrast:
    """Accuracy under one condition minus that under a control, on the same trials; 95 % paired bootstrap of trials."""

    name: str
    scope: str
    control: str
    difference: Interval

    @property
    def worse(self) -> bool:
        """Whether the whole interval lies below 0: the control explains less than the condition broke."""
        return self.difference.high is not None and self.difference.high < 0


def contrasts(fact: ErasureFact) -> list[Contrast]:
    """Every concept against every control of its scope; the random subspaces' mean is one control."""
    golds = [trial.gold for trial in fact.trials]
    known = [i for i, gold in enumerate(golds) if gold is not None]
    if not known:
        return []
    right: dict[tuple[str, str], list[Any]] = {}
    for condition in fact.conditions:
        hits = np.array([condition.labels[i] == golds[i] for i in known], dtype=float)
        right.setdefault((_family(condition.name), condition.scope), []).append(hits)
    n = len(known)
    drawn = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=_RESAMPLES) / n
    found = []
    for (name, scope), runs in right.items():
        for control in CONTROLS if name not in ("none", *CONTROLS) else ():
            if (other := right.get((control, scope))) is not None:
                apart = np.mean(runs, axis=0) - np.mean(other, axis=0)
                low, high = np.percentile(drawn @ apart, [2.5, 97.5])
                found.append(Contrast(name, scope, control, Interval(float(apart.mean()), float(low), float(high))))
    return found


def _family(condition: str) -> str:
    """Name of a condition, the seeds of random subspaces under one."""
    return "random" if condition.startswith("random") else condition


def _share(labels: Sequence[str], wanted: Sequence[str | None]) -> float | None:
    pairs = [(a, b) for a, b in zip(labels, wanted, strict=True) if b is not None]
    return sum(a == b for a, b in pairs) / len(pairs) if pairs else None


def _mean(shares: Sequence[float | None], wanted: Sequence[str | None]) -> Interval:
    known = [s for s in shares if s is not None]
    n = sum(w is not None for w in wanted)
    return wilson(float(np.mean(known)) * n, n) if known else Interval(None)


def _wilson(labels: Sequence[str], wanted: Sequence[str | None]) -> Interval:
    return _mean([_share(labels, wanted)], wanted) if labels else Interval(None)


def _perplexity(plain: Sequence[Sequence[float]], runs: Sequence[Sequence[Sequence[float]]]) -> Interval:
    """exp of the mean loss per token minus that without erasure; bootstrap over sentences."""
    tokens = np.array([row[1] for row in plain])
    losses = np.array([row[0] for row in plain]) - np.mean([[row[0] for row in run] for run in runs], axis=0)
    drawn = np.random.default_rng(0).multinomial(len(tokens), np.full(len(tokens), 1 / len(tokens)), size=_RESAMPLES)
    low, high = np.percentile(np.exp((drawn @ losses) / (drawn @ tokens)), [2.5, 97.5])
    return Interval(float(np.exp(losses.sum() / tokens.sum())), float(low), float(high))


def implicit(fact: ImplicitFact, seed: int = 0) -> tuple[list[Implicit], Interval | None]:
    """Rows by reader and layer, and κ of the matched cascade with the arm on the same trials."""
    tasks = [trial.task for trial in fact.trials]
    own = fact.own
    rows = [
        Implicit(
            row.reader,
            row.layer,
            kappa(own, row.labels["lens"], tasks, seed),
            kappa(own, row.labels["shuffled"], tasks, seed),
            kappa(own, row.labels["wrong clip"], tasks, seed),
            row.empty,
        )
        for row in fact.rows
    ]
    return rows, None if fact.cascade is None else kappa(own, fact.cascade, tasks, seed)


def kappa(left: Sequence[str], right: Sequence[str], tasks: Sequence[str], seed: int = 0) -> Interval:
    """κ over several tasks, labels compared within each."""
    names = sorted({*left, *right} - {INVALID})
    number = {name: i for i, name in enumerate(names)}
    strata = [sorted(set(tasks)).index(task) for task in tasks]
    pair = compare(
        np.array([number.get(label, -1) for label in left]),
        np.array([number.get(label, -1) for label in right]),
        classes=max(2, len(names)),
        strata=strata if len(set(strata)) > 1 else None,
        resamples=_RESAMPLES,
        seed=seed,
    )
    return pair.kappa


def patched(fact: PatchingFact) -> list[Patched]:
    """Rows by layer."""
    rows = []
    for row in fact.rows:
        follows = sum(a == b for a, b in zip(row.labels, fact.other, strict=True))
        stays = sum(a == b for a, b in zip(row.labels, fact.own, strict=True))
        n = len(row.labels)
        rows.append(Patched(row.layer, n, wilson(follows, n), wilson(stays, n)))
    return rows


def hand_off(fact: PatchingFact) -> HandOff | None:
    """Where the answers stop following the audio positions; None without a pair of trials."""
    if not fact.rows or not fact.other:
        return None
    layers = [row.layer for row in fact.rows]
    follows = np.array([[a == b for a, b in zip(r.labels, fact.other, strict=True)] for r in fact.rows])
    n = follows.shape[1]
    found = _first(follows.mean(1))
    drawn = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=_RESAMPLES) / n
    firsts = np.sort([_first(follows @ weights) for weights in drawn])
    low, high = (int(firsts[int(q * (_RESAMPLES - 1))]) for q in (0.025, 0.975))

    def named(place: int) -> int | None:
        return layers[place] if place < len(layers) else None

    return HandOff(named(found), named(low), named(high), found == 0)


def _first(shares: Any) -> int:
    below = np.flatnonzero(np.asarray(shares) < 0.5)
    return int(below[0]) if len(below) else len(shares)
