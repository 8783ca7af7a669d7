"""The hearing check: whether an arm's answers depend on the audio it was given. Pure functions on arrays.

The rule, on n trials with the real audio (twice, in different batches), another item's audio, digital silence, and no
audio. Let the floor be three times the largest move of any label score between the two real-audio answers, at least
0.001: what lies below is rounding. The arm hears if

1. the scores depend on *which* audio: of the trials given another item's audio, the share whose label scores move by
   more than the floor has a 95 % Wilson lower bound above one half; and
2. the answers follow: the share of those trials whose answer differs from both real-audio answers has a lower bound
   above 5 %, or fewer of them are right than with the real audio (exact one-sided McNemar, p ≤ 0.05).

One half, because an arm whose scores stay as they were on most trials does not listen to most of what it is given: an
arm that hears moves on practically every trial (lower bound 0.91 at 40 of 40), a deaf one on none (upper bound 0.09),
so the threshold decides between two clusters and its exact place matters little. 5 %, because the verdict holds two
arms for equivalent where κ differs by no more: an arm whose answers change less than that when its audio is exchanged
would be called equivalent to itself without listening. Below ten trials nothing can be shown either way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cascade_equivalence.agreement import Interval, wilson
from cascade_equivalence.study.records import HearingTrials, TaskRecord, damaged

FEWEST = 10
ROUNDING = 1e-3
HALF = 0.5
CHANGED = 0.05
ALPHA = 0.05

Controls = ("swap", "silence", "none")


@dataclass(frozen=True, slots=True)
class Hearing:
    """What the trials of one arm show.

    moved, changed: control → share of trials whose scores moved, whose answer changed; accuracy: stimulus → share
    right, undefined without gold labels. passed: None where there were too few trials.
    """

    n: int
    floor: float
    moved: Mapping[str, Interval]
    changed: Mapping[str, Interval]
    accuracy: Mapping[str, Interval]
    p_accuracy: float | None
    passed: bool | None
    reason: str


def hearing_of(tasks: Sequence[TaskRecord], kept: HearingTrials) -> Hearing:
    """The check on the trials that a run has kept. Raises `RunError` where they are not of the study's items."""
    items = {(task.name, item.id): (task, item) for task in tasks for item in task.items}
    trials = [items.get((trial.task, trial.item)) for trial in kept.trials]
    known = [trial for trial in trials if trial is not None]
    sizes = {len(row) for row in (*kept.labels.values(), *kept.moved.values())}
    if len(known) < len(trials) or sizes != {len(trials)} or {*Controls, "real", "again"} - set(kept.labels):
        raise damaged("the trials of a hearing check are not those of the study's items")
    correct = None
    if all(item.accepted for _, item in known):
        correct = {
            name: [bool(task.right(item, label)) for (task, item), label in zip(known, labels, strict=True)]
            for name, labels in kept.labels.items()
        }
    return hearing(kept.labels, kept.moved, correct)


def hearing(
    labels: Mapping[str, ArrayLike],
    moved: Mapping[str, ArrayLike],
    correct: Mapping[str, Sequence[bool]] | None = None,
) -> Hearing:
    """Apply the rule.

    labels: stimulus (`real`, `again`, `swap`, `silence`, `none`) → answers, shape (n,). moved: stimulus but `real` →
    largest difference of label scores from the real audio's, shape (n,), at least 0. correct: stimulus → whether the
    answer is right, where labels are known. Raises ValueError where shapes differ.
    """
    said = {name: np.asarray(values) for name, values in labels.items()}
    moves = {name: np.asarray(values, dtype=np.float64) for name, values in moved.items()}
    n = len(said["real"])
    if any(len(values) != n for values in (*said.values(), *moves.values())):
        raise ValueError("every stimulus needs one answer a trial")
    floor = max(ROUNDING, 3 * float(moves["again"].max(initial=0.0)))
    shares = {name: _share(moves[name] > floor) for name in Controls}
    changed = {name: _share((said[name] != said["real"]) & (said[name] != said["again"])) for name in Controls}
    right = {name: np.asarray(values, dtype=np.bool_) for name, values in (correct or {}).items()}
    p = _drop(right["real"], right["swap"]) if right else None
    passed, reason = _rule(n, shares["swap"], changed["swap"], p)
    return Hearing(
        n=n,
        floor=floor,
        moved=shares,
        changed=changed,
        accuracy={name: _share(values) for name, values in right.items()},
        p_accuracy=p,
        passed=passed,
        reason=reason,
    )


def _rule(n: int, moved: Interval, changed: Interval, p: float | None) -> tuple[bool | None, str]:
    if n < FEWEST:
        return None, f"{n} trials are too few to show whether it hears ({FEWEST} needed)"
    scores = f"given another item's audio, its label scores moved on {_percent(moved)} of {n} trials"
    answers = f"its answers changed on {_percent(changed)}"
    right = "" if p is None else f"; accuracy falls with p = {p:.3f}"
    if (moved.low or 0.0) <= HALF:
        return False, f"{scores}; the lower bound must exceed 50 %: the answers do not depend on which audio it gets"
    if (changed.low or 0.0) <= CHANGED and (p is None or p > ALPHA):
        return False, f"{scores}, but {answers}{right}; the lower bound must exceed 5 %: what it hears decides nothing"
    return True, f"{scores}, and {answers}{right}"


def _percent(share: Interval) -> str:
    return f"{100 * (share.value or 0):.0f} % ({100 * (share.low or 0):.0f}–{100 * (share.high or 0):.0f})"


def _share(hits: NDArray[np.bool_]) -> Interval:
    return wilson(int(hits.sum()), len(hits)) if len(hits) else Interval(None)


def _drop(real: NDArray[np.bool_], swapped: NDArray[np.bool_]) -> float:
    """Exact one-sided McNemar p of "not more right with the real audio"."""
    b, c = int((real & ~swapped).sum()), int((~real & swapped).sum())
    return float(sum(comb(b + c, k) for k in range(b, b + c + 1)) / 2 ** (b + c))
