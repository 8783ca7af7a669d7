"""CSV and TSV as spreadsheets and data frames write them."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from typing import Any, BinaryIO

from ..errors import UsageError
from ..reading.terminal import short
from ..reading.text import lines

_DELIMITERS = ",\t;|"


def csv_rows(stream: BinaryIO, path: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Numbered rows under the headings of the first row; a line `sep=;` before it, as Excel writes it, is heeded.

    Raises UsageError on a heading named twice, rows of another length and text that is no CSV.
    """
    text = (f"{line}\n" for _, line in lines(stream, path))
    first = next(text, "")
    delimiter = None
    if first.lower().startswith("sep=") and len(first.rstrip("\r\n")) == 5:
        delimiter, first = first[4], next(text, "")
    delimiter = delimiter or max(_DELIMITERS, key=_unquoted(first).count)
    reader = csv.reader(itertools.chain([first], text), delimiter=delimiter, strict=True)
    try:
        names = [" ".join(name.split()) for name in next(reader, [])]
        if len(names) < 2:
            raise UsageError(
                f"{path}: of no known format (JSON lines, CSV with a header, Parquet, inspect_ai, lm-eval)"
            )
        if twice := [name for name in names if names.count(name) > 1]:
            raise UsageError(f"{path}: the heading '{short(twice[0])}' is there twice; rename one of the columns")
        for number, cells in enumerate(reader, start=2):
            if not cells:
                continue
            if len(cells) != len(names):
                raise UsageError(f"{path}, row {number}: {len(cells)} cells under {len(names)} headings")
            yield number, dict(zip(names, cells, strict=True))
    except csv.Error as error:
        raise UsageError(f"{path}: not readable as CSV ({error})") from None


def _unquoted(line: str) -> str:
    return "".join(line.split('"')[::2])
