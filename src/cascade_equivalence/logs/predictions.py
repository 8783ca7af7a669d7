"""What every reader returns: one system's predictions by item id."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..errors import UsageError
from ..reading.terminal import short


@dataclass(frozen=True)
class Predictions:
    """One prediction file. Lists are parallel, one entry per item, in the file's order."""

    path: str
    format: str
    """Which tool wrote it: jsonl, csv, parquet, lm-eval, lmms-eval, inspect, voicebench or opencompass."""
    ids: list[str]
    predictions: list[str | None]
    """None is INVALID."""
    gold: list[str | None] | None = None
    """Gold labels if the file has them; None for an item without one."""
    groups: list[str | None] | None = None
    """Which items belong together, if the file says so."""
    notes: tuple[str, ...] = field(default=())
    right: list[bool | None] | None = None
    """What the file itself says of each answer: right, wrong, or nothing; None where it has no such field."""
    grade: str | None = None
    """The field that `right` was read from, as `--left-key` names it."""
    partial: int = 0
    """Answers that the file itself calls partly right, which is neither."""
    chosen: bool = False
    """Whether the user named the fields: then the file's own grades are compared with, and change nothing."""
    graded: bool = False
    """Whether the predictions are "true" and "false", right and wrong."""
    scorers: tuple[str, ...] = ()
    """Names of the scorers in an inspect_ai log."""
    epochs: bool = False
    """Whether items were answered several times: ids then end in `#` and the epoch."""

    def __len__(self) -> int:
        return len(self.ids)


def checked(predictions: Predictions) -> Predictions:
    """The same predictions, unless there are none or an id occurs twice: both are errors."""
    if not predictions.ids:
        raise UsageError(f"{predictions.path}: no predictions in it")
    if len(set(predictions.ids)) < len(predictions.ids):
        seen: set[str] = set()
        twice = [i for i in predictions.ids if i in seen or seen.add(i)]  # type: ignore[func-returns-value]
        raise UsageError(
            f"{predictions.path}: {len(twice)} ids occur more than once ({named(dict.fromkeys(twice))}); "
            "each item may have one prediction per file"
        )
    return predictions


def named(ids: Iterable[str], most: int = 5) -> str:
    """A few ids for a message, and how many more there are."""
    every = list(ids)
    shown = ", ".join(short(i, 60) for i in every[:most])
    return shown if len(every) <= most else f"{shown} and {len(every) - most} more"
