"""Rows of a table (JSONL, CSV, Parquet, or a list in a JSON file) turned into predictions.

Which tool wrote them shows in their fields; what each tool means by its fields is in one function per tool.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from ..errors import UsageError
from .predictions import Predictions, checked
from .values import INVALID_WORDS, MISSING, field, keys, label

Row = Mapping[str, Any]

# Where a gold label is looked for unless a key names it.
GOLD_FIELDS = ("label", "gold", "target", "reference")
_LETTERS = re.compile(r"[A-J]")


@dataclass(frozen=True)
class Wanted:
    """Which fields the user named; None leaves the choice to the format."""

    prediction: str | None = None
    gold: str | None = None
    id: str | None = None
    only_gold: bool = False
    """A file of gold labels: it needs no predictions."""
    by_condition: bool = False
    """Ids become task/id/condition, of these what a row has."""


@dataclass(slots=True)
class _Entry:
    id: Any
    prediction: Any
    gold: Any = MISSING
    group: Any = MISSING


def from_rows(rows: Iterable[tuple[int, Row]], path: str, format: str, wanted: Wanted) -> Predictions:
    """Numbered rows → predictions. Raises UsageError on rows without id or prediction and on repeated ids."""
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        raise UsageError(f"{path}: no predictions in it")
    notes: list[str] = []
    rows = chain([first], rows)
    if _has(first[1], "doc_id", "filtered_resps") and wanted.prediction is None:
        format = "lm-eval" if "arguments" in first[1] else "lmms-eval"
        entry, rows = _harness(rows, format, notes)
    elif _has(first[1], "prompt", "response") and "id" not in first[1] and wanted.id is None:
        format = "voicebench"
        entry, rows = _voicebench(rows, wanted, notes)
    else:
        entry = _named_fields(first[1], path, wanted)
    return _collect(rows, entry, path, format, wanted, notes)


def _has(row: Row, *names: str) -> bool:
    return all(name in row for name in names)


def _collect(
    rows: Iterable[tuple[int, Row]],
    entry: Callable[[int, Row], _Entry],
    path: str,
    format: str,
    wanted: Wanted,
    notes: list[str],
) -> Predictions:
    ids: list[str] = []
    predictions: list[str | None] = []
    gold: list[str | None] = []
    groups: list[str | None] = []
    several = 0
    for number, row in rows:
        e = entry(number, row)
        name = None if isinstance(e.id, (dict, list)) else _label(e.id, path, number, "id")
        if name is None:
            raise UsageError(
                f"{path}, row {number}: no id (fields: {', '.join(keys(row))}); name the field with --id-key"
            )
        if e.prediction is MISSING:
            raise UsageError(
                f"{path}, row {number} (id {name}): no field {wanted.prediction or 'prediction'!r}; there are: "
                f"{', '.join(keys(row))}. Name the field to compare with --left-key / --right-key"
            )
        ids.append(name)
        predictions.append(_label(e.prediction, path, number, "prediction"))
        if isinstance(e.gold, list) and len(e.gold) != 1 and wanted.gold is None:
            several += 1
            gold.append(None)
        else:
            gold.append(_label(e.gold, path, number, "gold label"))
        groups.append(_label(e.group, path, number, "group"))
    if several:
        notes.append(
            f"{path}: {several} items have a list of accepted answers instead of one gold label; compare "
            "graded answers (--graded) or name a gold field (--gold-key)"
        )
    return checked(
        Predictions(
            path=path,
            format=format,
            ids=ids,
            predictions=predictions,
            gold=gold if any(g is not None for g in gold) else None,
            groups=groups if any(g is not None for g in groups) else None,
            notes=tuple(notes),
        )
    )


def _label(value: Any, path: str, number: int, what: str) -> str | None:
    """`label`, short for text, with nothing to say of a missing field; a million rows share few labels."""
    if value is MISSING:
        return None
    if type(value) is not str:
        value = label(value, f"{path}, row {number}: the {what}")
        return None if value is None else sys.intern(value)
    text = value.strip()
    if text in INVALID_WORDS:
        return None
    return text if what == "id" else sys.intern(text)


def _named_fields(first: Row, path: str, wanted: Wanted) -> Callable[[int, Row], _Entry]:
    """Fields by name: `id`, `prediction`, and `label`, `group` where there are any."""
    id_key = wanted.id or next((k for k in ("id", "doc_id") if k in first), "id")
    gold_key = wanted.gold or next((k for k in GOLD_FIELDS if k in first), None)
    if wanted.gold is not None and field(first, wanted.gold) is MISSING:
        raise UsageError(f"{path}: no field {wanted.gold!r}; there are: {', '.join(keys(first))}")
    prediction_key = wanted.prediction or "prediction"
    if wanted.only_gold:
        prediction_key = gold_key = gold_key or prediction_key
        if field(first, gold_key) is MISSING:
            raise UsageError(f"{path}: no gold labels; there are the fields {', '.join(keys(first))}")
        return lambda _, row: _Entry(field(row, id_key), None, field(row, gold_key))

    def entry(_: int, row: Row) -> _Entry:
        return _Entry(
            _trial(row, field(row, id_key)) if wanted.by_condition else field(row, id_key),
            field(row, prediction_key),
            MISSING if gold_key is None else field(row, gold_key),
            row.get("group", MISSING),
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


def _harness(
    rows: Iterable[tuple[int, Row]], format: str, notes: list[str]
) -> tuple[Callable[[int, Row], _Entry], Iterable[tuple[int, Row]]]:
    """lm-evaluation-harness and lmms-eval sample logs: `doc_id`, `target`, `filtered_resps`.

    Multiple choice: one (log-likelihood, is-greedy) per choice, the first largest is the answer, as in the
    tool's own `acc`. The choice's text is the label where all items have the same choices, else its position.
    """
    kept = list(rows)
    filters = list(dict.fromkeys(row.get("filter") for _, row in kept))
    if len(filters) > 1:
        kept = [(n, row) for n, row in kept if row.get("filter") == filters[0]]
        notes.append(f"several filters in the log ({', '.join(map(str, filters))}): read {filters[0]!r}")
    texts = {_choices(row) for _, row in kept}
    same = texts.pop() if len(texts) == 1 else None
    if same is None and any(_is_scored(row) for _, row in kept):
        notes.append("the items have different choices: labels are the choices' positions")

    def entry(_: int, row: Row) -> _Entry:
        responses, target = row["filtered_resps"], row.get("target", MISSING)
        if not _is_scored(row):
            return _Entry(row["doc_id"], responses, target)
        scores = [float(response[0]) for response in responses]
        best = max(range(len(scores)), key=scores.__getitem__)
        place = int(target) if isinstance(target, (int, str)) and str(target).isdigit() else None
        if same is None:
            return _Entry(row["doc_id"], best, target)
        gold = same[place] if place is not None and place < len(same) else target
        return _Entry(row["doc_id"], same[best], gold)

    return entry, kept


def _is_scored(row: Row) -> bool:
    responses = row["filtered_resps"]
    return (
        isinstance(responses, list)
        and len(responses) > 1
        and all(isinstance(r, list) and len(r) == 2 and _is_number(r[0]) for r in responses)
    )


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _choices(row: Row) -> tuple[str, ...] | None:
    arguments = row.get("arguments")
    if not _is_scored(row) or not isinstance(arguments, Mapping):
        return None
    texts = [str(a.get("arg_1", "")).strip() for a in arguments.values() if isinstance(a, Mapping)]
    return tuple(texts) if len(texts) == len(row["filtered_resps"]) and all(texts) else None


def _voicebench(
    rows: Iterable[tuple[int, Row]], wanted: Wanted, notes: list[str]
) -> tuple[Callable[[int, Row], _Entry], Iterable[tuple[int, Row]]]:
    """VoiceBench responses: `prompt`, `response`, `reference`, no id, so row number and prompt are the id.

    Where every reference is a letter, the letter is read from the response; a response without one is INVALID
    (the tool itself puts a random letter there).
    """
    kept = list(rows)
    references = [row.get("reference") for _, row in kept]
    letters = all(isinstance(r, str) and _LETTERS.fullmatch(r.strip()) for r in references)
    if letters:
        notes.append("responses to multiple choice: the first stated letter is the label, else INVALID")

    def entry(number: int, row: Row) -> _Entry:
        chosen = row["response"] if wanted.prediction is None else field(row, wanted.prediction)
        if letters and isinstance(chosen, str):
            chosen = letter(chosen)
        gold = row.get("reference", MISSING) if wanted.gold is None else field(row, wanted.gold)
        return _Entry(f"{number}: {row['prompt']}", chosen, gold)

    return entry, kept


_STATED = (
    re.compile(r"^\W*([A-J])\W*$", re.IGNORECASE),
    re.compile(r"(?i:answer|option|choice)(?i:\s+is|\s+would be)?\s*:?\s*[\"'(\[*]*([A-J])\b"),
    re.compile(r"^\W*([A-J])[.,:)\]]", re.IGNORECASE),
    re.compile(r"[(\[]([A-J])[)\]]"),
)


def letter(response: str) -> str | None:
    """The letter A … J that a free response states as its answer, or None; never a guess."""
    for pattern in _STATED:
        found = pattern.search(response)
        if found:
            return found.group(1).upper()
    return None
