"""lm-evaluation-harness and lmms-eval sample logs: `doc_id`, `target`, `filtered_resps`.

Multiple choice: one (log-likelihood, is-greedy) per choice; the first largest is the answer, as in the tool's own
`acc`. The choice's text is the label where all items have the same choices, else its position.
"""

from __future__ import annotations

import math
import string
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import UsageError
from ..reading.terminal import short
from ..reading.values import MISSING, grade, text_label
from .entry import Entry, Reader, Row, id_of

_GENERATED = ("exact_match", "acc", "em", "correct", "is_correct")
"""Metrics that say of one generated answer whether it is right."""
_NOT_FOUND = "[invalid]"
"""What the tool's filters give where they find no answer."""


def harness(
    rows: Iterable[tuple[int, Row]], path: str, notes: list[str], id_key: str | None = None
) -> tuple[Reader, Iterable[tuple[int, Row]], str | None]:
    """How to read the rows, the rows to read, and the metric that says right or wrong of each, if there is one.

    id_key: the field with the id, instead of `doc_id`.
    """
    kept = list(rows)
    for number, row in kept:
        if "doc_id" not in row or "filtered_resps" not in row:
            raise UsageError(f"{path}, row {number}: no doc_id or no filtered_resps, unlike the rows before")
    kept = _one_filter(kept, path, notes)
    scored = [is_scored(row) for _, row in kept]
    texts = {_choices(row) for _, row in kept}
    same = texts.pop() if len(texts) == 1 else None
    if same is not None and len(set(same)) < len(same):
        same = None
    if same is None and any(scored):
        notes.append("the items have different choices: labels are the choices' positions")
    metric = _metric(kept, scored)
    blind = [row["doc_id"] for (_, row), is_one in zip(kept, scored, strict=True) if is_one and _best(row) is None]
    if blind:
        notes.append(f"{len(blind)} items have a log-likelihood that is not a number, or none that is finite: INVALID")

    def entry(number: int, row: Row) -> Entry:
        item = id_of(number, row, id_key or "doc_id")
        responses, target = row["filtered_resps"], row.get("target", MISSING)
        right = MISSING if metric is None else _reach(row, metric)
        if not is_scored(row):
            said = responses[0] if isinstance(responses, list) and len(responses) == 1 else responses
            return Entry(item, None if said == _NOT_FOUND else responses, target, right=right)
        best = _best(row)
        if best is None:  # what the tool's own grade says of it is that of its first choice
            right = MISSING
        gold = _place(target, row, best, right)
        name: Callable[[Any], Any] = (lambda at: at) if same is None else same.__getitem__
        found = [name(at) for at in gold] if isinstance(gold, list) else gold if gold is None else name(gold)
        return Entry(item, None if best is None else name(best), found, right=right)

    return entry, kept, metric


def _one_filter(kept: list[tuple[int, Row]], path: str, notes: list[str]) -> list[tuple[int, Row]]:
    """The rows of the first filter; old logs have one row per document and filter, and do not name it."""
    names = [row.get("filter") for _, row in kept]
    if strange := [name for name in names if name is not None and not isinstance(name, str)]:
        raise UsageError(f"{path}: 'filter' is {type(strange[0]).__name__}, not a name; is it a sample log?")
    filters = list(dict.fromkeys(names))
    if len(filters) > 1:
        notes.append(
            f"several filters in the log ({', '.join(short(f, 40) for f in filters)}): read {short(filters[0])!r}"
        )
        return [(n, row) for n, row in kept if row.get("filter") == filters[0]]
    ids = [str(row["doc_id"]) for _, row in kept]
    times = set(Counter(ids).values())
    if filters == [None] and len(times) == 1 and times != {1}:
        first: dict[str, Any] = {}
        for row_id, (_, row) in zip(ids, kept, strict=True):
            if first.setdefault(row_id, row.get("doc")) != row.get("doc"):
                return kept
        notes.append(
            f"each document is there {times.pop()} times and no filter is named (lm-evaluation-harness before November "
            "2024 writes one row per filter): the first row of each is read"
        )
        seen: set[str] = set()
        return [pair for row_id, pair in zip(ids, kept, strict=True) if not (row_id in seen or seen.add(row_id))]  # type: ignore[func-returns-value]
    return kept


def is_scored(row: Row) -> bool:
    """Whether the responses are (log-likelihood, is-greedy) pairs, one per choice."""
    responses = row["filtered_resps"]
    return (
        isinstance(responses, list)
        and len(responses) > 1
        and all(isinstance(r, list) and len(r) == 2 and _number(r[0]) is not None for r in responses)
        and all(str(r[1]) in ("True", "False", "0", "1") for r in responses)
    )


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if value is None:  # as JSON writers put NaN
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _best(row: Row) -> int | None:
    """The first largest log-likelihood; None where one is not a number, or none is finite."""
    scores = [math.nan if (found := _number(r[0])) is None else found for r in row["filtered_resps"]]
    if any(math.isnan(score) for score in scores) or not math.isfinite(max(scores)):
        return None
    return max(range(len(scores)), key=scores.__getitem__)


def _place(target: Any, row: Row, best: int | None, right: Any) -> int | list[int] | None:
    """The position of the right choice: the target is a position, a choice's text, its letter, or a list of these.

    Where the choices differ in their contexts alone (Winogrande), no text tells them apart: then the log's own grade
    does, of two choices.
    """
    many = len(row["filtered_resps"])
    if isinstance(target, list):
        places = [place for one in target if isinstance(place := _place(one, row, None, MISSING), int)]
        return (places if len(places) > 1 else places[0]) if places else None
    texts = _texts(row)
    if isinstance(target, str):
        word = target.strip()
        if word and texts.count(word) == 1:
            return texts.index(word)
        if not (word and texts.count(word) > 1):
            if word.isascii() and word.isdecimal() and len(word) < 5 and int(word) < many:
                return int(word)
            if len(word) == 1 and word in string.ascii_uppercase[:many]:
                return string.ascii_uppercase.index(word)
    elif isinstance(target, int) and not isinstance(target, bool) and 0 <= target < many:
        return target
    try:
        said = None if right is MISSING else grade(right)
    except ValueError:
        said = None
    if said is None or best is None:
        return None
    return best if said else 1 - best if many == 2 else None


def _texts(row: Row) -> list[str]:
    arguments = row.get("arguments")
    found = (
        list(arguments.values()) if isinstance(arguments, Mapping) else arguments if isinstance(arguments, list) else []
    )
    texts = []
    for one in found:
        text = (
            one.get("arg_1") if isinstance(one, Mapping) else one[1] if isinstance(one, list) and len(one) > 1 else None
        )
        texts.append(text.strip() if isinstance(text, str) else "")
    return texts


def _choices(row: Row) -> tuple[str, ...] | None:
    if not is_scored(row):
        return None
    texts = [text_label(text) or "" for text in _texts(row)]
    return tuple(texts) if len(texts) == len(row["filtered_resps"]) and all(texts) else None


def _metric(kept: list[tuple[int, Row]], scored: list[bool]) -> str | None:
    """The metric that says of each answer whether it is right: 0 or 1 in every row."""
    first = kept[0][1]
    nested = [f"{name}.score" for name, value in first.items() if isinstance(value, Mapping) and "score" in value]
    names = ("acc",) if all(scored) else (*_GENERATED, *nested)
    for name in names:
        values = [_reach(row, name) for _, row in kept]
        if all(isinstance(v, bool | int | float) and v in (0, 1) for v in values):
            return name
    return None


def _reach(row: Row, name: str) -> Any:
    if name in row:
        return row[name]
    outer, _, inner = name.rpartition(".")
    value = row.get(outer) if outer else None
    return value.get(inner, MISSING) if isinstance(value, Mapping) else MISSING
