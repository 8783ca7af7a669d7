"""Two prediction files (and gold labels) on their common items, as the arrays that `agreement` takes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..errors import UsageError
from .grades import OTHER, command, judged
from .predictions import Predictions, named

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Joined:
    """n common items. Codes number `labels`; −1 is INVALID in predictions and "none" in gold."""

    ids: list[str]
    labels: tuple[str, ...]
    left: NDArray[np.int64] = field(repr=False)
    right: NDArray[np.int64] = field(repr=False)
    gold: NDArray[np.int64] | None = field(repr=False)
    clusters: NDArray[np.int64] | None = field(repr=False)
    unmatched: dict[str, list[str]]
    """Per file (left, right, gold) the ids that the other files lack."""
    notes: dict[str, str]
    free_texts: bool = False
    """Whether the answers are texts of their own, of which two that say the same are still not equal."""
    other: NDArray[np.int64] | None = field(default=None, repr=False)
    """The answers of another cascade (see `with_other`)."""


_MOST_ALIKE = 0.1
_FEWEST_FREE = 10


def join(left: Predictions, right: Predictions, gold: Predictions | None = None) -> Joined:
    """Joins by id, in the left file's order.

    gold: a file of gold labels; without it the gold labels in the two files are used.
    Raises UsageError if no id is common or the two files contradict each other on a label.
    """
    import numpy as np

    left, right, epochs = _same_epochs(left, right)
    place = {i: n for n, i in enumerate(right.ids)}
    rows = [(n, place[i]) for n, i in enumerate(left.ids) if i in place]
    if not rows:
        raise UsageError(
            f"no common ids: {left.path} has {named(left.ids, 3)}; {right.path} has {named(right.ids, 3)}. "
            "--id-key names another field; '#' takes the row's number, where both hold the same items in the same order"
        )
    ids = [left.ids[n] for n, _ in rows]
    unmatched = {
        "left": [i for i in left.ids if i not in place],
        "right": _without(right.ids, left.ids, len(rows)),
    }
    golds = _gold(ids, rows, left, right, gold, unmatched)
    overruled = {} if gold is None else _overruled(ids, rows, left, right, golds, gold.path)
    a = [left.predictions[n] for n, _ in rows]
    b = [right.predictions[n] for _, n in rows]
    free = _free_texts(a, b)
    grades = tuple(
        None if file.right is None else [file.right[pair[side]] for pair in rows]
        for side, file in enumerate((left, right))
    )
    found = judged((a, b), golds, (grades[0], grades[1]), (left, right), gold is not None)
    a, b, golds = found.left, found.right, found.gold
    seen: set[str | None] = {*a, *b, *(golds or ())}
    labels = tuple(sorted(x for x in seen if x is not None))
    code: dict[str | None, int] = {x: n for n, x in enumerate(labels)} | {None: -1}
    notes = {
        f"unmatched_{k}": f"{len(v)} id{'' if len(v) == 1 else 's'} not compared: {named(v)}"
        for k, v in unmatched.items()
        if v
    }
    for side, file in (("left", left), ("right", right), ("gold_file", gold)):
        if file is not None and file.notes:
            notes[side] = "; ".join(file.notes)
    notes |= found.notes | epochs | overruled
    if free:
        way = command(left, right)
        notes["free_texts"] = (
            f"the answers are free texts ({len({x for x in (*a, *b) if x is not None})} labels on {len(ids)} items): "
            "whether two of them say the same does not show in their letters"
            + (f"; compare right and wrong with {way}" if way else "; compare graded answers (--graded)")
        )
    folded = Counter(x.casefold() for x in labels if x != OTHER)
    if len(folded) < len(labels):
        alike = [x for x in labels if folded[x.casefold()] > 1]
        notes["case"] = f"labels that differ in case only count as different: {named(alike)}"

    def coded(values: list[str | None]) -> NDArray[np.int64]:
        return np.fromiter((code[x] for x in values), dtype=np.int64, count=len(values))

    return Joined(
        ids=ids,
        labels=labels,
        left=coded(a),
        right=coded(b),
        gold=None if golds is None else coded(golds),
        clusters=_clusters(rows, left, right),
        unmatched=unmatched,
        notes=notes,
        free_texts=free,
    )


def _same_epochs(left: Predictions, right: Predictions) -> tuple[Predictions, Predictions, dict[str, str]]:
    """Where one log has several epochs and the other one, the other's is the first."""
    if left.epochs == right.epochs or {left.format, right.format} != {"inspect"}:
        return left, right, {}
    once = [f"{i}#1" for i in (right if left.epochs else left).ids]
    several = left if left.epochs else right
    note = {"epochs": f"{several.path} has several epochs and the other file one: the first epoch is compared"}
    kept = replace(several, groups=None)
    return (kept, replace(right, ids=once), note) if left.epochs else (replace(left, ids=once), kept, note)


def _free_texts(left: list[str | None], right: list[str | None]) -> bool:
    """Whether most answers are there once only, and hardly ever the same in both files."""
    given = [x for x in (*left, *right) if x is not None]
    both = [(x, y) for x, y in zip(left, right, strict=True) if x is not None and y is not None]
    return (
        len(both) >= _FEWEST_FREE
        and len(set(given)) > len(given) / 2
        and sum(x == y for x, y in both) <= _MOST_ALIKE * len(both)
    )


def with_other(joined: Joined, ceiling: Joined, path: str) -> Joined:
    """joined: left and right; ceiling: right and another cascade, from `path`. The items common to all three.

    Raises UsageError if there is none.
    """
    import numpy as np

    place = {i: n for n, i in enumerate(ceiling.ids)}
    rows = [(n, place[i]) for n, i in enumerate(joined.ids) if i in place]
    if not rows:
        raise UsageError(f"no ids in common with {path}, which has {named(ceiling.ids, 3)}")
    ours, theirs = (np.array(side, dtype=np.int64) for side in zip(*rows, strict=True))
    more = [x for x in ceiling.labels if x not in set(joined.labels)]
    code = {x: n for n, x in enumerate((*joined.labels, *more))}
    # The last entry is met by code −1: INVALID stays INVALID.
    recoded = np.array([*(code[x] for x in ceiling.labels), -1], dtype=np.int64)
    notes = dict(joined.notes)
    if len(rows) < len(joined.ids):
        notes["unmatched_other"] = f"{len(joined.ids) - len(rows)} items not compared: {path} lacks them"
    kept = set(ceiling.ids)
    return replace(
        joined,
        ids=[joined.ids[n] for n in ours],
        labels=(*joined.labels, *more),
        left=joined.left[ours],
        right=joined.right[ours],
        gold=None if joined.gold is None else joined.gold[ours],
        clusters=None if joined.clusters is None else joined.clusters[ours],
        unmatched=joined.unmatched | {"other": [i for i in joined.ids if i not in kept]},
        notes=notes,
        other=recoded[ceiling.right[theirs]],
    )


def _without(ids: list[str], others: list[str], common: int) -> list[str]:
    if common == len(ids):
        return []
    known = set(others)
    return [i for i in ids if i not in known]


def _gold(
    ids: list[str],
    rows: list[tuple[int, int]],
    left: Predictions,
    right: Predictions,
    gold: Predictions | None,
    unmatched: dict[str, list[str]],
) -> list[str | None] | None:
    if gold is not None:
        if gold.gold is None:
            raise UsageError(f"{gold.path}: no gold labels in it")
        by_id = dict(zip(gold.ids, gold.gold, strict=True))
        unmatched["gold"] = [i for i in ids if i not in by_id]
        if len(unmatched["gold"]) == len(ids):
            raise UsageError(f"{gold.path}: no gold label for any compared id; it has {named(gold.ids, 3)}")
        return [by_id.get(i) for i in ids]
    ours = None if left.gold is None else [left.gold[n] for n, _ in rows]
    theirs = None if right.gold is None else [right.gold[n] for _, n in rows]
    if ours is None or theirs is None:
        return ours or theirs
    differ = [i for i, x, y in zip(ids, ours, theirs, strict=True) if None not in (x, y) and x != y]
    if differ:
        raise UsageError(
            f"the two files have different gold labels for {len(differ)} ids ({named(differ)}); are they the "
            "same items? --gold FILE decides"
        )
    return [x if x is not None else y for x, y in zip(ours, theirs, strict=True)]


def _overruled(
    ids: list[str],
    rows: list[tuple[int, int]],
    left: Predictions,
    right: Predictions,
    golds: list[str | None] | None,
    path: str,
) -> dict[str, str]:
    """A note on gold labels of the two files that differ from the gold file's: their ids may be other items'."""
    own = [
        {
            file.gold[pair[side]] if file.gold is not None else None
            for side, file in enumerate((left, right))
        } - {None, gold}
        for pair, gold in zip(rows, golds or (), strict=False)
    ]  # fmt: skip
    differ = [i for i, others, gold in zip(ids, own, golds or (), strict=False) if others and gold is not None]
    if not differ:
        return {}
    return {
        "gold": f"the files have other gold labels than {path} for {len(differ)} of {len(ids)} items "
        f"({named(differ)}); those of {path} count; are they the same items?"
    }


def _clusters(rows: list[tuple[int, int]], left: Predictions, right: Predictions) -> NDArray[np.int64] | None:
    import numpy as np

    if left.groups is not None:
        groups = [left.groups[n] for n, _ in rows]
    elif right.groups is not None:
        groups = [right.groups[n] for _, n in rows]
    else:
        return None
    number: dict[object, int] = {}
    # An item of no group is a cluster of its own.
    keys = (g if g is not None else n for n, g in enumerate(groups))
    return np.fromiter((number.setdefault(k, len(number)) for k in keys), dtype=np.int64, count=len(groups))
