"""Whole JSON documents that hold a table: lists of rows, columns as pandas writes them, numbered objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]


def rows_of(document: Any) -> tuple[str, list[Row]] | None:
    """The format's name and its rows, or None if the document holds no table."""
    if isinstance(document, list):
        return ("json", document) if document and all(isinstance(row, Mapping) for row in document) else None
    if not isinstance(document, Mapping):
        return None
    if "id" in document and not isinstance(document["id"], Mapping | list):
        return "json", [document]
    if isinstance(document.get("columns"), list) and isinstance(document.get("data"), list):
        return _split(document["columns"], document["data"])
    if set(document) == {"schema", "data"}:
        return rows_of(document["data"])
    inside = list(document.values())
    if not inside or not all(isinstance(value, Mapping) for value in inside):
        return None
    if all(key.isascii() and key.isdecimal() for key in document):
        return "opencompass", [{"id": key, **row} for key, row in document.items()]
    return _columns(document)


def _split(names: list[Any], data: list[Any]) -> tuple[str, list[Row]] | None:
    """DataFrame.to_json(orient="split")."""
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        return None
    if not all(isinstance(row, list) and len(row) == len(names) for row in data):
        return None
    return "json", [dict(zip(names, row, strict=True)) for row in data]


def _columns(document: Mapping[str, Mapping[str, Any]]) -> tuple[str, list[Row]] | None:
    """DataFrame.to_json(): one object per column, all with the same row names."""
    rows = list(next(iter(document.values())))
    if not rows or any(list(column) != rows for column in document.values()):
        return None
    return "json", [{name: column[row] for name, column in document.items()} for row in rows]
