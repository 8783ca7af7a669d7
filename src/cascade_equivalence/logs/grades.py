"""What the files themselves say of their answers, against what comparing labels says.

A scorer may call "Yes." right where the target is "Yes". Such an answer is the gold answer, so it takes its label;
where a file contradicts the labels in another way, no accuracy is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..reading.terminal import short
from .predictions import Predictions

OTHER = "(another answer)"
"""The gold label of an item of which the files say only that both answers are wrong."""

Labels = list[str | None]
_LEFT_OUT = ("accuracy", "mcnemar", "error_overlap", "equivalence")


@dataclass
class Judged:
    """Answers and gold labels after the files' own grades were looked at; gold None: there can be no accuracy."""

    left: Labels
    right: Labels
    gold: Labels | None
    notes: dict[str, str] = field(default_factory=dict)

    def without_accuracy(self, why: str) -> None:
        """Takes the gold labels away and says why."""
        self.gold = None
        self.notes |= dict.fromkeys(_LEFT_OUT, "no accuracy") | {"accuracy": f"no accuracy: {why}"}


def command(left: Predictions, right: Predictions) -> str:
    """What to type to compare the files' own grades, or ""."""
    if left.grade is None or right.grade is None:
        return ""
    return f"--left-key {short(left.grade, 40)} --right-key {short(right.grade, 40)} --graded"


def judged(
    answers: tuple[Labels, Labels],
    gold: Labels | None,
    said: tuple[Sequence[bool | None] | None, Sequence[bool | None] | None],
    files: tuple[Predictions, Predictions],
    gold_file: bool,
) -> Judged:
    """Compares labels with the files' own grades on the common items.

    answers: the labels of both, INVALID as None. gold: as in the files or from a third one. said: the grades of both.
    gold_file: whether the user gave the gold labels; grades then change nothing, nor do they where keys were named.
    """
    out = Judged(list(answers[0]), list(answers[1]), None if gold is None else list(gold))
    if any(file.graded for file in files):
        return out
    way = command(*files)
    hint = f"; compare the files' own grades with {way}" if way else ""
    if gold_file or any(file.chosen for file in files):
        _compare_only(out, said, files, hint)
    else:
        if partial := [f"{short(f.path)} calls {f.partial}" for f in files if f.partial]:
            out.without_accuracy(f"{' and '.join(partial)} answers partly right, which is neither right nor wrong")
        _use(out, said, files, hint)
    _unless_nothing_matches(out, said, files, hint)
    return out


def _compare_only(
    out: Judged, said: tuple[Sequence[bool | None] | None, ...], files: Sequence[Predictions], hint: str
) -> None:
    if out.gold is None:
        return
    for side, labels, grades, file in zip(("left", "right"), (out.left, out.right), said, files, strict=True):
        differ = sum(
            g is not None and y is not None and g != (x == y)
            for x, y, g in zip(labels, out.gold, grades or [None] * len(labels), strict=True)
        )
        if differ:
            out.notes[f"{side}_grades"] = (
                f"{short(file.grade)} in {short(file.path)} says otherwise than these labels on {differ} items{hint}"
            )


def _use(out: Judged, said: tuple[Sequence[bool | None] | None, ...], files: Sequence[Predictions], hint: str) -> None:
    if said[0] is not None and said[1] is not None:
        _gold_from_grades(out, said[0], said[1])
    if out.gold is None:
        return
    against: list[str] = []
    gold = list(out.gold)
    for side, labels, grades, file in zip(("left", "right"), (out.left, out.right), said, files, strict=True):
        if grades is None:
            continue
        renamed = wrong = 0
        for at, (x, y, right) in enumerate(zip(list(labels), gold, grades, strict=True)):
            if right and y is not None and x != y:
                labels[at] = y
                renamed += 1
            elif right is False and x is not None and x == y:
                wrong += 1
        if renamed:
            out.notes[f"{side}_grades"] = (
                f"{renamed} answers in {short(file.path)} are spelt otherwise than the gold label, and its own "
                f"{short(file.grade)} calls them right: they count as the gold label{hint}"
            )
        if wrong:
            against.append(
                f"{short(file.grade)} in {short(file.path)} calls {wrong} answers wrong that equal the gold label"
            )
    if against:
        out.without_accuracy(f"{' and '.join(against)}{hint}")


def _gold_from_grades(out: Judged, left: Sequence[bool | None], right: Sequence[bool | None]) -> None:
    """Gold labels where the files name none but grade both answers: the right answer is the gold one."""
    gold: Labels = [None] * len(out.left) if out.gold is None else list(out.gold)
    for at, (x, y) in enumerate(zip(left, right, strict=True)):
        if gold[at] is not None or x is None or y is None or "accuracy" in out.notes:
            continue
        gold[at] = (out.left[at] if x else out.right[at] if y else None) or OTHER
    out.gold = gold if any(g is not None for g in gold) else None


def _unless_nothing_matches(
    out: Judged, said: tuple[Sequence[bool | None] | None, ...], files: Sequence[Predictions], hint: str
) -> None:
    """Where no answer of a file equals any gold label, they name their labels in different ways."""
    if out.gold is None:
        return
    golds = {g for g in out.gold if g is not None}
    given = [{x for x in labels if x is not None} for labels in (out.left, out.right)]
    if not golds:
        return
    if golds.isdisjoint(given[0] | given[1]):
        which = "no prediction equals any gold label"
        if all(grades is not None and not any(grades) for grades in said):
            out.without_accuracy(f"{which}, and the files' own grades call none right, so κ alone decides")
            return
    else:
        sides = [
            file for file, mine, other in zip(files, given, given[::-1], strict=True)
            if mine and len(golds) > 1 and golds.isdisjoint(mine) and mine.isdisjoint(other)
        ]  # fmt: skip
        if not sides:
            return
        which = f"no prediction in {short(sides[0].path)} equals any gold label"
    out.notes["labels"] = f"{which}: do the files name their labels alike?"
    out.without_accuracy(f"{which}, so κ alone decides; do the files name their labels alike?{hint}")
