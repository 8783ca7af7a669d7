"""The kinds of task, one record each: how an answer is read, when it is right, which class it is, what chance gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cascade_equivalence.tasks.item import Choice
from cascade_equivalence.tasks.parsing import INVALID, matches_alias, parse_label, parse_open


@dataclass(frozen=True, slots=True)
class TaskKind:
    """A kind of task.

    closed: whether an answer is one of the item's choices. parse: what was said and the choices as the prompt shows
    them → label or INVALID. right: (label, accepted answers) → whether it is right.
    """

    name: str
    closed: bool
    parse: Callable[[str, Sequence[Choice]], str]
    right: Callable[[str, Sequence[str]], bool]

    def index(self, label: str, labels: Sequence[str], accepted: Sequence[str]) -> int:
        """The class of an answer in agreement: its place among the labels, −1 for INVALID; on open tasks 0 right, 1
        wrong."""
        if label == INVALID:
            return -1
        return labels.index(label) if self.closed else int(not self.right(label, accepted))

    def chance(self, choices: int) -> float | None:
        """Share right of one who picks among an item's choices at random; None on open tasks."""
        return 1 / choices if self.closed and choices else None


def _same(label: str, accepted: Sequence[str]) -> bool:
    return label in accepted


def _first_line(said: str, choices: Sequence[Choice]) -> str:
    return parse_open(said)


KINDS = {
    kind.name: kind
    for kind in (
        TaskKind("labels", True, parse_label, _same),
        TaskKind("options", True, parse_label, _same),
        TaskKind("open", False, _first_line, matches_alias),
    )
}
"""By the name that forms and journals use."""
