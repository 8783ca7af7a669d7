"""Rows of a table (JSONL, CSV, Parquet, or a list in a JSON file) turned into predictions.

Which tool wrote them shows in their fields; what each tool means by its fields is in one function per tool.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

from ..errors import UsageError
from ..reading.terminal import short
from ..reading.values import MISSING, field, grade, keys, label, text_label
from .entry import ROW_NUMBER, Entry, Reader, Row, id_of
from .harness import harness
from .predictions import Predictions, checked
from .voicebench import is_voicebench, voicebench

Failed = Literal["out", "invalid"]

GOLD_FIELDS = ("label", "gold", "target", "reference")
"""Where a gold label is looked for unless a key names it."""
GRADE_FIELDS = ("acc", "exact_match", "correct", "is_correct")
"""Where a plain row says whether its answer is right."""


@dataclass(frozen=True)
class Wanted:
    """Which fields the user named; None leaves the choice to the format."""

    prediction: str | None = None
    gold: str | None = None
    id: str | None = None
    only_gold: bool = False
    """A file of gold labels: it needs no predictions."""
    scorer: str | None = None
    """The scorer to read of an inspect_ai log."""
    failed: Failed = "out"
    """What to do with samples that are no answers: leave them out, or count them as INVALID."""
    by_condition: bool = False
    """Ids become task/id/condition, of these what a row has."""


def from_rows(rows: Iterable[tuple[int, Row]], path: str, format: str, wanted: Wanted) -> Predictions:
    """Numbered rows → predictions. Raises UsageError on rows without id or prediction and on repeated ids."""
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        raise UsageError(f"{path}: no predictions in it")
    notes: list[str] = []
    rows = chain([first], rows)
    graded_by = None
    if _has(first[1], "doc_id", "filtered_resps") and wanted.prediction is None:
        format = "lm-eval" if "arguments" in first[1] else "lmms-eval"
        entry, rows, graded_by = harness(rows, path, notes, wanted.id)
    elif is_voicebench(first[1]) and not wanted.only_gold:
        format = "voicebench"
        entry, rows = voicebench(rows, wanted.prediction, wanted.gold, wanted.id, notes)
    else:
        graded_by = next((name for name in GRADE_FIELDS if _is_grade(first[1].get(name, MISSING))), None)
        entry = _named_fields(first[1], path, wanted, graded_by)
    return _collect(rows, entry, path, format, wanted, notes, graded_by)


def _has(row: Row, *names: str) -> bool:
    return all(name in row for name in names)


def _is_grade(value: Any) -> bool:
    if value is MISSING or isinstance(value, Mapping | list):
        return False
    try:
        return grade(value) is not None
    except ValueError:
        return False


def _collect(
    rows: Iterable[tuple[int, Row]],
    entry: Reader,
    path: str,
    format: str,
    wanted: Wanted,
    notes: list[str],
    graded_by: str | None,
) -> Predictions:
    ids: list[str] = []
    predictions: list[str | None] = []
    golds: list[str | list[str] | None] = []
    groups: list[str | None] = []
    right: list[bool | None] = []
    failed = 0
    # The row's number as an id counts rows alone: a heading or an empty line in one of two files would shift it.
    for place, (number, row) in enumerate(rows, start=1):
        e = entry(place, row)
        name = None if isinstance(e.id, (dict, list)) else _label(e.id, path, number, "id")
        if name is None:
            raise UsageError(_no_id(path, number, row))
        if e.prediction is MISSING:
            raise UsageError(
                f"{path}, row {number} (id {short(name)}): no field {short(wanted.prediction or 'prediction')!r}; "
                f"there are: {', '.join(keys(row))}. Name the field to compare with --left-key / --right-key"
            )
        prediction = _label(e.prediction, path, number, "prediction")
        if prediction is None and not wanted.only_gold and (error := row.get("error")) and _is_error(error):
            failed += 1
            if wanted.failed == "out":
                continue
        ids.append(name)
        predictions.append(prediction)
        golds.append(_gold(e.gold, path, number, wanted))
        groups.append(_label(e.group, path, number, "group"))
        if graded_by is not None:
            try:
                right.append(None if e.right is MISSING else grade(e.right))
            except ValueError as error:
                notes.append(f"{graded_by} is a score ({short(error, 20)}), not right or wrong: it is not compared")
                graded_by = None
    if failed:
        how = "counted as INVALID" if wanted.failed == "invalid" else "left out (--failed invalid counts them)"
        notes.append(f"{path}: {failed} rows have an error and no prediction: {how}")
        if not ids:
            raise UsageError(f"{path}: no row has a prediction ({failed} have an error); --failed invalid counts them")
    predictions, gold, several = any_of(predictions, golds)
    if several:
        notes.append(f"{several} items have several accepted answers: any of them counts, as the first one")
    return checked(
        Predictions(
            path=path,
            format=format,
            ids=ids,
            predictions=predictions,
            gold=gold if any(g is not None for g in gold) else None,
            groups=groups if any(g is not None for g in groups) else None,
            notes=tuple(notes),
            right=right if graded_by is not None and any(r is not None for r in right) else None,
            grade=graded_by,
            chosen=wanted.prediction is not None or wanted.gold is not None,
        )
    )


def _is_error(value: Any) -> bool:
    """Whether a row's field `error` says that there was one: a text or an object, as clients write it."""
    return isinstance(value, Mapping) or (isinstance(value, str) and text_label(value) not in (None, "None", "null"))


def _no_id(path: str, number: int, row: Row) -> str:
    return (
        f"{path}, row {number}: no id (fields: {', '.join(keys(row))}); name the field with --id-key, which counts for "
        "every file, or give each row an id. Where both files hold the same items in the same order, "
        f"--id-key '{ROW_NUMBER}' takes the row's number"
    )


def any_of(
    predictions: Sequence[str | None], golds: Sequence[str | list[str] | None]
) -> tuple[list[str | None], list[str | None], int]:
    """Where a gold is a list any of which will do, the first stands for all of them, in gold and prediction.

    Returns both, and how many such lists there were.
    """
    answers, first, several = list(predictions), [], 0
    for at, gold in enumerate(golds):
        if isinstance(gold, list):
            several += 1
            if answers[at] in gold:
                answers[at] = gold[0]
            gold = gold[0]
        first.append(gold)
    return answers, first, several


def _gold(value: Any, path: str, number: int, wanted: Wanted) -> str | list[str] | None:
    if isinstance(value, list) and len(value) != 1 and wanted.gold is None:
        words = [_label(one, path, number, "gold label") for one in value]
        return [word for word in words if word is not None] or None
    return _label(value, path, number, "gold label")


def _label(value: Any, path: str, number: int, what: str) -> str | None:
    """`label`, short for text, with nothing to say of a missing field; a million rows share few labels."""
    if value is MISSING:
        return None
    found = text_label(value) if type(value) is str else label(value, f"{path}, row {number}: the {what}")
    return found if found is None or what == "id" else sys.intern(found)


def _named_fields(first: Row, path: str, wanted: Wanted, graded_by: str | None) -> Reader:
    """Fields by name: `id`, `prediction`, and `label`, `group` where there are any."""
    id_key = wanted.id or next((k for k in ("id", "doc_id") if k in first), "id")
    gold_key = wanted.gold or next((k for k in GOLD_FIELDS if k in first), None)
    if wanted.gold is not None and field(first, wanted.gold) is MISSING:
        raise UsageError(f"{path}: no field {short(wanted.gold)!r}; there are: {', '.join(keys(first))}")
    prediction_key = wanted.prediction or "prediction"
    if wanted.only_gold:
        prediction_key = gold_key = gold_key or prediction_key
        if field(first, gold_key) is MISSING:
            raise UsageError(f"{path}: no gold labels; there are the fields {', '.join(keys(first))}")
        return lambda n, row: Entry(id_of(n, row, id_key), None, field(row, gold_key))

    def entry(number: int, row: Row) -> Entry:
        return Entry(
            _trial(row, id_of(number, row, id_key)) if wanted.by_condition else id_of(number, row, id_key),
            field(row, prediction_key),
            MISSING if gold_key is None else field(row, gold_key),
            row.get("group", MISSING),
            MISSING if graded_by is None else row.get(graded_by, MISSING),
        )

    return entry


def _trial(row: Row, item: Any) -> Any:
    """The id of a row together with its task and condition, unless it has them in it."""
    if item is MISSING or isinstance(item, dict | list) or item is None:
        return item
    name = str(item)
    task, condition = row.get("task"), row.get("condition")
    if isinstance(task, str) and task and not name.startswith(f"{task}/"):
        name = f"{task}/{name}"
    if isinstance(condition, str) and condition and not name.endswith(f"/{condition}"):
        name = f"{name}/{condition}"
    return name
