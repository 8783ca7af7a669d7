"""The manifest door: every task, shipped or the user's own, is a JSONL file read here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cascade_equivalence.errors import UsageError
from cascade_equivalence.tasks.item import Choice, Item

_KNOWN = {"id", "text", "audio", "path", "question", "choices", "label", "speaker", "group", "split", "meta"}


def read_manifest(path: Path, where: Mapping[str, Any] | None = None) -> tuple[Item, ...]:
    """Read a JSONL manifest.

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
    labels = sorted({row["label"] for _, row in rows if isinstance(row.get("label"), str)})
    default = tuple(Choice(label, label) for label in labels) if _is_closed(rows) else ()
    items = tuple(_item(path, number, row, default) for number, row in rows)
    seen: dict[str, int] = {}
    for (number, _), item in zip(rows, items, strict=True):
        if item.id in seen:
            raise UsageError(f"{path}, line {number}: id '{item.id}' is there twice (first on line {seen[item.id]})")
        seen[item.id] = number
    return items


def _rows(path: Path) -> Iterable[tuple[int, dict[str, Any]]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is not UTF-8 text; a manifest is JSONL") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UsageError(f"{path}, line {number}: not JSON ({error})") from None
        if not isinstance(row, dict):
            raise UsageError(f"{path}, line {number}: an item is a JSON object")
        yield number, row


def _item(path: Path, number: int, row: dict[str, Any], default: tuple[Choice, ...]) -> Item:
    def wrong(message: str) -> UsageError:
        name = f" (id '{row['id']}')" if isinstance(row.get("id"), str) else ""
        return UsageError(f"{path}, line {number}{name}: {message}")

    def text_of(key: str) -> str | None:
        value = row.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip():
            raise wrong(f"'{key}' must be a non-empty string")
        return value

    identifier = text_of("id")
    if identifier is None:
        raise wrong("'id' is missing")
    spoken, audio = text_of("text"), text_of("audio") or text_of("path")
    if spoken is None and audio is None:
        raise wrong("needs 'text' (what is spoken), 'audio' (a file), or both")
    choices = _choices(row["choices"], wrong) if row.get("choices") else default
    accepted = _accepted(row.get("label"), wrong)
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
        speaker=text_of("speaker") or meta.get("speaker"),
        group=text_of("group"),
        split=text_of("split") or "test",
        fields={**meta, **{k: v for k, v in row.items() if k not in _KNOWN}},
    )


def _choices(value: Any, wrong: Any) -> tuple[Choice, ...]:
    def one(entry: Any) -> Choice:
        if isinstance(entry, str) and entry.strip():
            return Choice(entry, entry)
        if isinstance(entry, dict) and isinstance(entry.get("label"), str):
            return Choice(entry["label"], str(entry.get("text", entry["label"])))
        raise wrong("'choices' holds strings or {label, text} objects")

    if not isinstance(value, list) or len(value) < 2:
        raise wrong("'choices' must be a list of at least two")
    choices = tuple(one(entry) for entry in value)
    if len({c.label for c in choices}) != len(choices):
        raise wrong("'choices' names a label twice")
    return choices


def _accepted(value: Any, wrong: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str) and value.strip():
        return (value,)
    if isinstance(value, list) and value and all(isinstance(v, str) and v.strip() for v in value):
        return tuple(value)
    raise wrong("'label' must be a string, or a list of accepted answers")


def _is_closed(rows: list[tuple[int, dict[str, Any]]]) -> bool:
    return all(isinstance(row.get("label"), str | None) for _, row in rows)


def _field(row: Mapping[str, Any], key: str) -> Any:
    def reach(value: Any) -> Any:
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value

    found = reach(row)
    return found if found is not None else reach(row.get("meta"))


def _matches(value: Any, wanted: Any) -> bool:
    return value in wanted if isinstance(wanted, list) else value == wanted
