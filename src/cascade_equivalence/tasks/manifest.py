"""The manifest door: every task, shipped or the user's own, is a JSONL file read here."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cascade_equivalence.errors import UsageError
from cascade_equivalence.reading.json_text import json_lines
from cascade_equivalence.reading.terminal import plain, short
from cascade_equivalence.reading.text import opened
from cascade_equivalence.reading.values import label as as_label
from cascade_equivalence.reading.values import text_label
from cascade_equivalence.tasks.item import Choice, Item
from cascade_equivalence.tasks.parsing import INVALID

SPLITS = ("test", "dev", "shot")
MOST_ITEMS = 1_000_000
_NAMED = ("id", "text", "audio", "question", "choices", "label", "speaker", "group", "split", "meta")
_MEANT = {
    "answer": "label", "target": "label", "gold": "label", "gold_label": "label", "reference": "label",
    "options": "choices",
}  # fmt: skip
"""Keys of other tools, and the key that is meant where a row lacks it."""
_KNOWN = {"id", "text", "audio", "path", "question", "choices", "label", "speaker", "group", "split", "meta"}


def read_manifest(path: Path, where: Mapping[str, Any] | None = None) -> tuple[Item, ...]:
    """Read a JSONL manifest.

    Numbers and booleans are ids and labels as `ceq agree` reads them; labels that differ in space, case or Unicode form
    alone are errors, as are keys that look like a known one and splits of other names.

    Keys: `id` (required, unique), `text` (what is spoken) and/or `audio` (alias `path`; relative to the manifest),
    `question`, `choices` (strings or `{label, text}`; default: the sorted labels of the file), `label` (a string, or
    a list of accepted answers), `speaker`, `group`, `split` (`shot` rows are shown as examples, `dev` rows give
    calibration, all others are evaluated), `meta`; other keys are kept. `where` keeps rows whose field (top level, then
    `meta`; dots reach deeper) equals the given value or is among the given values.

    Raises `UsageError` naming file, line and field.
    """
    rows = [
        (number, row)
        for number, row in _rows(path)
        if all(_matches(_field(row, key), wanted) for key, wanted in (where or {}).items())
    ]
    if not rows:
        raise UsageError(f"{path}: no items" + (f" where {dict(where)}" if where else ""))
    given = [(number, _one_label(path, number, row)) for number, row in rows]
    _alike(path, given)
    labels = sorted({label for _, label in given if label is not None})
    default = tuple(Choice(label, label) for label in labels) if _is_closed(rows) else ()
    items = tuple(_item(path, number, row, default) for number, row in rows)
    _near(path, rows)
    seen: dict[str, tuple[int, str]] = {}
    for (number, _), item in zip(rows, items, strict=True):
        # As `ceq agree` reads it: 1 and "1.0" are one id, and so are two Unicode forms of a name.
        line, other = seen.setdefault(as_label(item.id, "") or item.id, (number, item.id))
        if line != number:
            form = "" if other == item.id else f", written '{short(other)}'"
            raise UsageError(
                f"{path}, line {number}: id '{short(item.id)}' is there twice (first on line {line}{form})"
            )
    return items


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        with opened(path) as stream:
            for count, (number, row) in enumerate(json_lines(stream, str(path))):
                if isinstance(row, ValueError):
                    raise UsageError(f"{path}, line {number}: not JSON ({row}); {_JSONL}")
                if count >= MOST_ITEMS:
                    raise UsageError(f"{path}: more than {MOST_ITEMS} items")
                yield number, row
    except (OSError, ValueError) as error:
        hint = "; ~ and $NAME are not put in, write the path out" if any(c in str(path) for c in "~$") else ""
        raise UsageError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}){hint}") from None


_JSONL = "a manifest is JSONL, one object a line"


def _one_label(path: Path, number: int, row: Mapping[str, Any]) -> str | None:
    """A row's label where it is one value and no list of accepted answers."""
    value = row.get("label")
    return None if value is None or isinstance(value, list | dict) else _value(path, number, row, "label")


def _value(path: Path, number: int, row: Mapping[str, Any], key: str, value: Any = None) -> str:
    """An id or a label as text; numbers and booleans as `ceq agree` reads them. A text stays as it is.

    value: one of several accepted answers, where there are several.
    """
    several = value is not None
    value = row[key] if value is None else value
    name = "" if key == "id" else f" (id {short(row.get('id'))!r})"
    where = f"{path}, line {number}{name}: '{key}'"
    if isinstance(value, str) and value.strip():
        if value != value.strip():
            raise UsageError(f"{where} is '{short(value)}', with space around it; take it away")
        if key in ("id", "label") and (value == INVALID or (text_label(value) is None and not several)):
            raise UsageError(f"{where} is '{short(value)}', which stands for no answer; give it another name")
        return value
    found = as_label(value, where) if isinstance(value, bool | int | float) else None
    if found is None:
        what = "a list of accepted answers, or leave it out" if key == "label" else "a number"
        raise UsageError(f"{where} must be a non-empty string, {what}; it is {short(repr(value), 40)}")
    return found


def _alike(path: Path, given: list[tuple[int, str | None]]) -> None:
    """Raises where two labels differ in case or Unicode form alone."""
    first: dict[str, tuple[int, str]] = {}
    for number, label in given:
        if label is None:
            continue
        key = (as_label(label, "") or label).casefold()
        line, other = first.setdefault(key, (number, label))
        if other != label:
            raise UsageError(
                f"{path}, line {number}: label '{short(label)}' differs from '{short(other)}' (line {line}) in case or "
                "in the form of a letter alone; write one of them"
            )


def _near(path: Path, rows: list[tuple[int, dict[str, Any]]]) -> None:
    """Raises where a key that is not known looks like one that is and that its row lacks."""
    unknown = Counter(key for _, row in rows for key in row if key not in _KNOWN)
    for key in unknown:
        bare = key.lower().strip()
        meant = [bare] if bare in _KNOWN else [_MEANT[bare]] if bare in _MEANT else []
        close = meant or difflib.get_close_matches(bare, _NAMED, 1, 0.79)
        number = next(number for number, row in rows if key in row)
        if close and not any(close[0] in row for _, row in rows if key in row):
            raise UsageError(
                f"{path}, line {number}: key '{short(key)}'; you mean '{close[0]}'? Keys of your own go into 'meta'"
            )


def _item(path: Path, number: int, row: dict[str, Any], default: tuple[Choice, ...]) -> Item:
    def wrong(message: str) -> UsageError:
        name = f" (id '{short(row['id'])}')" if isinstance(row.get("id"), str | int) else ""
        return UsageError(f"{path}, line {number}{name}: {message}")

    def text_of(key: str) -> str | None:
        value = row.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip():
            raise wrong(f"'{key}' must be a non-empty string")
        return value

    def named(key: str) -> str | None:
        return None if row.get(key) is None else _value(path, number, row, key)

    identifier = named("id")
    if identifier is None:
        raise wrong("'id' is missing")
    if identifier != plain(identifier):
        raise wrong("'id' has a control character in it")
    spoken, audio = text_of("text"), text_of("audio") or text_of("path")
    if spoken is None and audio is None:
        raise wrong("needs 'text' (what is spoken), 'audio' (a file), or both")
    choices = _choices(row["choices"], wrong) if row.get("choices") else default
    accepted = _accepted(path, number, row)
    if choices and accepted and accepted[0] not in (labels := [c.label for c in choices]):
        raise wrong(f"label '{accepted[0]}' is not among the choices ({', '.join(labels)})")
    meta = row.get("meta") or {}
    if not isinstance(meta, dict):
        raise wrong("'meta' must be an object")
    return Item(
        id=identifier,
        text=spoken,
        audio=(path.parent / audio) if audio else None,
        choices=choices,
        accepted=accepted,
        question=text_of("question"),
        speaker=named("speaker") or _speaker(meta, wrong),
        group=named("group"),
        split=_split(text_of("split"), wrong),
        fields={**meta, **{k: v for k, v in row.items() if k not in _KNOWN}},
    )


def _speaker(meta: Mapping[str, Any], wrong: Any) -> str | None:
    value = meta.get("speaker")
    if value is None:
        return None
    found = as_label(value, "") if isinstance(value, str | bool | int | float) else None
    if found is None:
        raise wrong("'meta.speaker' must be a non-empty string or a number")
    return found


def _split(value: str | None, wrong: Any) -> str:
    """Every row that is neither shown as an example nor for calibration is evaluated, whatever its set is called."""
    split = value or "test"
    if split not in SPLITS:
        near = difflib.get_close_matches(split.lower().strip(), ("dev", "shot"), 1, 0.6)
        if (
            split.strip().casefold() in ("dev", "shot", "development", "validation", "val", "devel", "valid", "train")
            or near
        ):
            raise wrong(f"'split' is '{short(split)}'; it is one of {', '.join(SPLITS)} (dev rows are never evaluated)")
        raise wrong(f"'split' is '{short(split)}'; it is one of {', '.join(SPLITS)}. Put other sets into 'meta'")
    return split


def _choices(value: Any, wrong: Any) -> tuple[Choice, ...]:
    def text(entry: Any) -> str:
        if isinstance(entry, str) and entry.strip():
            return entry
        found = as_label(entry, "") if isinstance(entry, bool | int | float) else None
        if found is None:
            raise wrong("'choices' holds strings or {label, text} objects")
        return found

    def one(entry: Any) -> Choice:
        if isinstance(entry, dict):
            label = text(entry.get("label"))
            return Choice(label, text(entry.get("text", label)))
        return Choice(text(entry), text(entry))

    if not isinstance(value, list) or len(value) < 2:
        raise wrong("'choices' must be a list of at least two")
    choices = tuple(one(entry) for entry in value)
    if nothing := [c.label for c in choices if text_label(c.label) is None]:
        raise wrong(f"the choice '{short(nothing[0])}' stands for no answer; give it another name")
    if len({c.label for c in choices}) != len(choices):
        raise wrong("'choices' names a label twice")
    if len({c.label.strip().casefold() for c in choices}) != len(choices):
        raise wrong("'choices' names a label twice, with other space or case")
    return choices


def _accepted(path: Path, number: int, row: Mapping[str, Any]) -> tuple[str, ...]:
    value = row.get("label")
    if value is None:
        return ()
    if isinstance(value, list) and value:
        return tuple(_value(path, number, row, "label", one if one is not None else "") for one in value)
    return (_value(path, number, row, "label"),)


def _is_closed(rows: list[tuple[int, dict[str, Any]]]) -> bool:
    return not any(isinstance(row.get("label"), list | dict) for _, row in rows)


def _field(row: Mapping[str, Any], key: str) -> Any:
    def reach(value: Any) -> Any:
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value

    found = reach(row)
    return found if found is not None else reach(row.get("meta"))


def _matches(value: Any, wanted: Any) -> bool:
    return any(_same(value, one) for one in wanted) if isinstance(wanted, list) else _same(value, wanted)


def _same(value: Any, wanted: Any) -> bool:
    """Equality of values, and of a number with its text; true is not 1."""
    if value == wanted:
        return isinstance(value, bool) == isinstance(wanted, bool)
    scalars = str | int | float
    if value is None or wanted is None or not (isinstance(value, scalars) and isinstance(wanted, scalars)):
        return False
    return as_label(value, "") == as_label(wanted, "") is not None
