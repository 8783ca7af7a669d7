"""Rows of Parquet files, with the columns that must be there asserted before the first one is read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cascade_equivalence.errors import UsageError
from cascade_equivalence.public.hub import DataError
from cascade_equivalence.public.sets import Kind

_BATCH = 64
"""Rows at a time: clips are part of them."""


def count_rows(files: Sequence[Path]) -> int:
    """Rows in all files, from their footers. Raises `DataError` naming a file that is not Parquet."""
    return sum(_open(path).metadata.num_rows for path in files)


def read_rows(files: Sequence[Path], columns: Mapping[str, Kind], name: str) -> Iterator[dict[str, Any]]:
    """The rows with those columns (top level; structs and lists as Python values).

    Raises `UsageError` naming a column that is missing or of another kind, with the columns there are.
    """
    for path in files:
        check_columns(path, columns, name)
    number = 0
    for path in files:
        file = _open(path)
        wanted = list(dict.fromkeys(_parts(column, file.schema_arrow.names)[0] for column in columns))
        for batch in file.iter_batches(batch_size=_BATCH, columns=wanted):
            for row in batch.to_pylist():
                for column, kind in columns.items():
                    if kind in ("text", "integer", "boolean") and _reach(row, column) is None:
                        raise UsageError(
                            f"{name}, row {number}: column '{column}' is empty; the file is damaged ({path})"
                        )
                number += 1
                yield row


def check_columns(path: Path, columns: Mapping[str, Kind], name: str) -> None:
    """Raise `UsageError` unless the file has every column, of its kind."""
    import pyarrow

    schema = _open(path).schema_arrow
    there = ", ".join(f"{field.name} ({field.type})" for field in schema)
    for column, kind in columns.items():
        first, *inner = _parts(column, schema.names)
        found = schema.field(first).type if first in schema.names else None
        for part in inner:
            has = found is not None and pyarrow.types.is_struct(found) and found.get_field_index(part) >= 0
            found = found.field(part).type if found is not None and has else None
        if found is None:
            raise UsageError(
                f"{name}: no column '{column}' in {path.name}: the data set was changed, or it is another one; name "
                f"the revision that has it, or its columns (dataset: {{hub: …, columns: …}}); there are: {there}"
            )
        if not _is(found, kind):
            raise UsageError(f"{name}: column '{column}' of {path.name} is {found}, not {kind}; there are: {there}")


def recorded_labels(files: Sequence[Path], column: str) -> tuple[str, ...]:
    """The names that the file itself records for an integer label column (hub metadata); empty if it records none."""
    metadata = _open(files[0]).schema_arrow.metadata or {}
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        names = features[column]["names"]
    except (KeyError, ValueError, TypeError):
        return ()
    return tuple(str(name) for name in names)


def _open(path: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DataError(
            f"{path}: Parquet needs pyarrow, which is not installed: pip install 'cascade-equivalence[data]'"
        ) from None
    try:
        return pyarrow.parquet.ParquetFile(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: not readable as Parquet ({reason}); delete it and pull again") from None


def _parts(column: str, names: Sequence[str]) -> list[str]:
    """A column's name, or the way into a struct."""
    return [column] if column in names else column.split(".")


def _is(found: Any, kind: Kind) -> bool:
    from pyarrow import types

    def text(one: Any) -> bool:
        return bool(types.is_string(one) or types.is_large_string(one) or types.is_string_view(one))

    if kind == "text":
        return text(found)
    if kind == "integer":
        return bool(types.is_integer(found))
    if kind == "boolean":
        return bool(types.is_boolean(found))
    if kind == "texts":
        return bool(types.is_list(found) or types.is_large_list(found)) and text(found.value_type)
    if kind == "audio":
        return bool(types.is_struct(found)) and found.get_field_index("bytes") >= 0
    return True


def _reach(row: Any, column: str) -> Any:
    if isinstance(row, dict) and column in row:
        return row[column]
    for part in column.split("."):
        row = row.get(part) if isinstance(row, dict) else None
    return row
