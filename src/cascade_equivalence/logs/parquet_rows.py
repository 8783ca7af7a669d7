"""Rows of a Parquet file, of which a few bytes may stand for very much: each value is kept once and named by number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..reading.terminal import short
from .entry import Row

MOST_VALUES = 10_000_000
"""Values of all columns, where they are more than `VALUES_A_BYTE` times the file."""
VALUES_A_BYTE = 20
MOST_BYTES = 1 << 30
"""Bytes of all texts, where they are more than `MOST_RATIO` times the file."""
MOST_RATIO = 200
_ROWS = 10_000
_PIECE = 1 << 26


def parquet_rows(path: str) -> Iterator[tuple[int, Row]]:
    """Numbered rows. Raises UsageError on what is damaged, unpacks to very much, or has a column twice."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UsageError(
            f"{path}: Parquet needs pyarrow: pip install cascade-equivalence[parquet], or write JSON lines"
        ) from None
    try:
        number, given, size = 0, 0, Path(path).stat().st_size
        file = pyarrow.parquet.ParquetFile(path)
        names = file.schema_arrow.names
        if twice := [name for name in names if names.count(name) > 1]:
            raise UsageError(f"{path}: the column '{short(twice[0])}' is there twice; rename one of them")
        values = _values(file.metadata)
        if values > MOST_VALUES and values > VALUES_A_BYTE * size:
            raise UsageError(f"{path}: {size >> 10} kB that hold {values} values, which is not read; is it a log?")
        texts = [column.path for column in file.schema if column.physical_type == "BYTE_ARRAY"]
        for batch in pyarrow.parquet.ParquetFile(path, read_dictionary=texts).iter_batches(batch_size=_ROWS):
            bytes_of_texts = sum(_texts(column) for column in batch.columns)
            given += bytes_of_texts
            if given > MOST_BYTES and given > MOST_RATIO * size:
                raise UsageError(
                    f"{path}: {size >> 10} kB that unpack to {given >> 20} MB or more, which is not read; is it a log?"
                )
            step = max(1, len(batch) * _PIECE // max(bytes_of_texts, _PIECE))
            for start in range(0, len(batch), step):
                for row in batch.slice(start, step).to_pylist():
                    number += 1
                    yield number, row
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError, TypeError, LookupError, MemoryError) as error:
        raise UsageError(f"{path}: a damaged Parquet file ({' '.join(str(error).split())[:200]})") from None


def _values(metadata: Any) -> int:
    """How many values its columns have, those inside of lists one by one."""
    groups = (metadata.row_group(at) for at in range(metadata.num_row_groups))
    return sum(group.column(at).num_values for group in groups for at in range(group.num_columns))


def _texts(array: Any) -> int:
    """Bytes of the texts of a column, each counted as often as it is there."""
    import pyarrow
    import pyarrow.compute as compute

    if pyarrow.types.is_dictionary(array.type):
        lengths = compute.binary_length(array.dictionary)
        return int(compute.sum(compute.take(lengths, array.indices)).as_py() or 0)
    if pyarrow.types.is_struct(array.type):
        return sum(_texts(array.field(at)) for at in range(array.type.num_fields))
    if pyarrow.types.is_list(array.type) or pyarrow.types.is_large_list(array.type):
        return _texts(array.flatten())
    return 0
