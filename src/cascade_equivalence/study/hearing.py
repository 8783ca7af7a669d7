"""The hearing check: whether an arm's answers depend on the audio it was given. Pure functions on arrays.

The rule, on n trials with the real audio (twice, in different batches), another item's audio, digital silence, and no
audio. The arm hears if

1. it depends on *which* audio. Of an arm with label scores: let the floor be three times the largest move of any
   score between the two real-audio answers, at least 0.001, as what lies below is rounding; of the trials given another
   item's audio, the share whose scores move by more than the floor has a 95 % Wilson lower bound above 10 %. Of an arm
   that writes texts: more trials change their answer with another item's audio alone than by themselves alone, with the
   real audio given again (exact one-sided McNemar, paired by trial, p ≤ 0.01); and
2. the answers follow: the share of trials whose answer with another item's audio differs from both real-audio answers
   has a lower bound above 5 %, or fewer of them are right than with the real audio (McNemar, p ≤ 0.05).

10 %, because a deaf arm cannot come there: no score of it moves beyond the floor, and 0 of 40 has an upper bound of
9 %. An arm that hears little, two states say, moves on the trials where they differ, and may. 1 %, because a deaf arm's
texts change as often with another item's audio as by themselves, so that is how many of them pass. 5 %, because the
verdict holds two arms for equivalent where κ differs by no more: an arm whose answers change less than that when its
audio is exchanged would be called equivalent to itself without listening. Below ten trials nothing can be shown.

The gold arm is looked at first: on a task where it gives one label to all items the prompt decides nothing, so no arm
can show there that it hears, and its trials count only where there are no others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cascade_equivalence.agreement import Interval, wilson
from cascade_equivalence.reading.terminal import short
from cascade_equivalence.study.records import Answer, HearingTrials, TaskRecord, damaged

FEWEST = 10
ROUNDING = 1e-3
SCORES = 0.10
CHANGED = 0.05
ALPHA = 0.05
ALPHA_TEXTS = 0.01
FEWEST_GOLD = 10
"""Items on which a gold arm must have given one label for its prompt to be held for one that decides nothing."""

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


def hearing_of(tasks: Sequence[TaskRecord], kept: HearingTrials, one_label: Mapping[str, str] | None = None) -> Hearing:
    """The check on the trials that a run has kept. Raises `RunError` where they are not of the study's items.

    one_label: task → the label that the gold arm on the same LLM gives to every item (`one_label_of`).
    """
    items = {(task.name, item.id): (task, item) for task in tasks for item in task.items}
    trials = [items.get((trial.task, trial.item)) for trial in kept.trials]
    known = [trial for trial in trials if trial is not None]
    sizes = {len(row) for row in (*kept.labels.values(), *kept.moved.values())}
    if len(known) < len(trials) or sizes != {len(trials)} or {*Controls, "real", "again"} - set(kept.labels):
        raise damaged("the trials of a hearing check are not those of the study's items")
    undecided = one_label or {}
    telling = [i for i, (task, _) in enumerate(known) if task.name not in undecided]
    used = telling or list(range(len(known)))
    labels = {name: [row[i] for i in used] for name, row in kept.labels.items()}
    correct = None
    if all(known[i][1].accepted for i in used):
        correct = {
            name: [bool(known[i][0].right(known[i][1], label)) for i, label in zip(used, row, strict=True)]
            for name, row in labels.items()
        }
    found = hearing(labels, {name: [row[i] for i in used] for name, row in kept.moved.items()}, correct)
    if telling or not known or found.passed is not False:
        return _with_one_label(found, labels["real"])
    task, said = next((task.name, undecided[task.name]) for task, _ in known)
    return replace(
        found,
        reason=f"the prompt decides nothing: given the true text of '{task}', the LLM says '{said}' to every item, so "
        "no arm on it can show that it hears; give the manifest rows of split 'shot' (examples, a text and a label "
        "each) and of split 'dev' (calibration), or the task a form: whose labels these are",
    )


def _with_one_label(found: Hearing, said: Sequence[str]) -> Hearing:
    """The check, its reason completed where it failed because one label wins whatever is heard."""
    if found.passed is not False or len(set(said)) > 1:
        return found
    return replace(
        found,
        reason=f"{found.reason}; it says '{short(said[0])}' to every one of them: one label wins whatever is heard, as "
        "where scores are not calibrated (no rows with text) or the task is beyond the model",
    )


def one_label_of(tasks: Sequence[TaskRecord], given: Mapping[str, Sequence[Answer | None]]) -> dict[str, str]:
    """Closed tasks of two gold labels or more on which an arm that reads the true text gives one label to every item.

    given: task → its answers.
    """
    found = {}
    for task in tasks:
        said = [answer.label for answer in given[task.name] if answer]
        wanted = {item.accepted[0] for item in task.items if item.accepted}
        if not task.open and len(said) >= FEWEST_GOLD and len(set(said)) == 1 and len(wanted) > 1:
            found[task.name] = said[0]
    return found


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
    # A text has moved or not; a score that moves by exactly 1 on some trials and 0 on all others there is not.
    texts = all(bool(np.isin(values, (0.0, 1.0)).all()) for values in moves.values())
    floor = ROUNDING if texts else max(ROUNDING, 3 * float(moves["again"].max(initial=0.0)))
    shares = {name: _share(moves[name] > floor) for name in Controls}
    changed = {name: _share((said[name] != said["real"]) & (said[name] != said["again"])) for name in Controls}
    right = {name: np.asarray(values, dtype=np.bool_) for name, values in (correct or {}).items()}
    p = _drop(right["real"], right["swap"]) if right else None
    alone = _beyond(said["swap"] != said["real"], said["again"] != said["real"]) if texts else None
    passed, reason = _rule(n, shares["swap"], changed["swap"], p, alone)
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


@dataclass(frozen=True, slots=True)
class _Beyond:
    """Trials whose answer changed with another item's audio alone, by itself alone, and p of "as often"."""

    swapped: int
    by_itself: int
    p: float


def _beyond(swapped: NDArray[np.bool_], again: NDArray[np.bool_]) -> _Beyond:
    return _Beyond(int((swapped & ~again).sum()), int((again & ~swapped).sum()), _drop(swapped, again))


def _rule(
    n: int, moved: Interval, changed: Interval, p: float | None, texts: _Beyond | None
) -> tuple[bool | None, str]:
    if n < FEWEST:
        return None, f"{n} trials are too few to show whether it hears ({FEWEST} needed)"
    answers = f"its answers changed on {_percent(changed)}"
    right = "" if p is None else f"; accuracy falls with p = {p:.3f}"
    if texts is None:
        seen = f"given another item's audio, its label scores moved on {_percent(moved)} of {n} trials"
        depends = (moved.low or 0.0) > SCORES
        needed = "the lower bound must exceed 10 %, where an arm that hears nothing cannot come"
    else:
        seen = (
            f"of {n} answers {texts.swapped} changed with another item's audio alone and {texts.by_itself} by "
            f"themselves alone, the audio being given again (p = {texts.p:.2g})"
        )
        depends = texts.p <= ALPHA_TEXTS
        needed = "p must be 0.01 at most"
    if not depends:
        return False, f"{seen}, and {answers}; {needed}: they are not shown to depend on which audio it gets"
    if (changed.low or 0.0) <= CHANGED and (p is None or p > ALPHA):
        return False, (
            f"{seen}, but {answers} (the lower bound must exceed 5 %){right}: what it hears does not decide its answers"
        )
    return True, f"{seen}, and {answers}{right}"


def _percent(share: Interval) -> str:
    return f"{100 * (share.value or 0):.0f} % ({100 * (share.low or 0):.0f}–{100 * (share.high or 0):.0f})"


def _share(hits: NDArray[np.bool_]) -> Interval:
    return wilson(int(hits.sum()), len(hits)) if len(hits) else Interval(None)


def _drop(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Exact one-sided McNemar p of "the first no more often than the second"."""
    b, c = int((first & ~second).sum()), int((~first & second).sum())
    return float(sum(comb(b + c, k) for k in range(b, b + c + 1)) / 2 ** (b + c))
