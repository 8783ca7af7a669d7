"""Reads a prediction file of any known tool. The format is told by the content, never by the file's name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import UsageError
from ..reading import json_text
from ..reading.terminal import short
from ..reading.text import LFS_POINTER, bounded, decoded, opened
from .csv_table import csv_rows
from .entry import Row
from .inspect_log import from_archive, from_document, is_inspect
from .json_tables import rows_of
from .parquet_rows import parquet_rows
from .predictions import Predictions
from .rows import Failed, Wanted, from_rows

MOST_DOCUMENT = 1 << 28
"""Bytes of one JSON document."""
MOST_ARCHIVE = 1 << 30
"""Bytes of one archive."""
_HEAD = 1 << 16


def read(
    path: str | Path,
    *,
    key: str | None = None,
    gold_key: str | None = None,
    id_key: str | None = None,
    only_gold: bool = False,
    scorer: str | None = None,
    failed: Failed = "out",
    by_condition: bool = False,
) -> Predictions:
    """The predictions in a file: JSONL, CSV, Parquet, lm-eval, lmms-eval, inspect_ai or VoiceBench; text also gzipped.

    key, gold_key, id_key: (dotted) fields to read instead of the format's own; the id `#` is the row's number.
    only_gold: a file of gold labels, which needs no predictions. scorer: the one to read of an inspect_ai log.
    by_condition: rows may say an id under several tasks and conditions; ids become task/id/condition, of these what
    a row has. failed: what to do with samples that ended in an error: leave them out, or count them as INVALID.
    Raises UsageError if the file cannot be read, is of no known format, or holds an id twice.
    """
    wanted = Wanted(key, gold_key, id_key, only_gold, scorer, failed, by_condition)
    name = str(path)
    try:
        with opened(Path(path)) as stream:
            head = stream.peek(_HEAD)[:_HEAD]
            if head[:4] == b"PAR1":
                return from_rows(parquet_rows(name), name, "parquet", wanted)
            if head[:4] == b"PK\x03\x04":
                return from_archive(bounded(stream, name, MOST_ARCHIVE), name, wanted)
            return _text(stream, head, name, wanted)
    except FileNotFoundError:
        raise UsageError(f"{name}: no such file") from None
    except RecursionError:
        raise UsageError(f"{name}: nested too deeply to be a prediction file") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{name}: cannot be read ({getattr(error, 'strerror', None) or error})") from None


def read_pair(
    left: str | Path, right: str | Path, *, left_key: str | None = None, right_key: str | None = None, **options: Any
) -> tuple[Predictions, Predictions]:
    """Two prediction files. Of two inspect_ai logs the same scorer is read, by name, where they have one in common."""
    a, b = read(left, key=left_key, **options), read(right, key=right_key, **options)
    if not (a.scorers and b.scorers) or a.scorers[0] == b.scorers[0] or left_key or right_key:
        return a, b
    common = [name for name in a.scorers if name in b.scorers]
    if not common:
        words = f"the two logs have no scorer in common ({short(a.scorers[0])}, {short(b.scorers[0])})"
        return replace(a, notes=(*a.notes, words)), b
    return read(left, scorer=common[0], **options), read(right, scorer=common[0], **options)


def _text(stream: BinaryIO, head: bytes, name: str, wanted: Wanted) -> Predictions:
    utf16 = head[:2] in (b"\xff\xfe", b"\xfe\xff")
    if b"\x00" in head and not utf16:
        raise UsageError(f"{name}: neither text (UTF-8) nor a known binary format")
    start = (head[2:].replace(b"\x00", b"") if utf16 else head.removeprefix(b"\xef\xbb\xbf")).lstrip()
    if not start and len(head) < _HEAD:
        raise UsageError(f"{name}: the file is empty")
    if start.startswith(LFS_POINTER):
        raise UsageError(f"{name}: a pointer of Git LFS, not the file it stands for; `git lfs pull` fetches that")
    if start[:1] not in (b"{", b"["):
        return from_rows(csv_rows(stream, name), name, "csv", wanted)
    # JSON lines are told from one document by the first line, which is an object of its own.
    if start[:1] == b"{" and b"\n" in start and _is_object(start.split(b"\n", 1)[0]):
        return _jsonl(stream, name, wanted)
    if start[:1] == b"{" and b"\n" not in start and len(head) == _HEAD and not utf16:
        return _long_first_line(stream, name, wanted)
    return _document(bounded(stream, name, MOST_DOCUMENT), name, wanted)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json_text.parse(line.decode("utf-8", "replace")), dict)
    except ValueError as error:
        # A lone surrogate or a key named twice is an object all the same, and its line is to be named.
        return "surrogate" in str(error) or "is there twice" in str(error)


def _long_first_line(stream: BinaryIO, name: str, wanted: Wanted) -> Predictions:
    first = stream.readline(MOST_DOCUMENT + 1)
    rest = stream.readline(1 << 20)
    if rest.strip() and _is_object(first):
        return _jsonl(_Chained(first + rest, stream), name, wanted)  # type: ignore[arg-type]
    return _document(first + rest + bounded(stream, name, MOST_DOCUMENT - min(len(first), MOST_DOCUMENT)), name, wanted)


class _Chained:
    """Lines that were read already, then the stream's."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head, self._stream = head, stream

    def readline(self, most: int) -> bytes:
        if not self._head:
            return self._stream.readline(most)
        end = self._head.find(b"\n") + 1
        if not end:
            line, self._head = self._head + self._stream.readline(most), b""
            return line
        line, self._head = self._head[:end], self._head[end:]
        return line


def _jsonl(stream: BinaryIO, name: str, wanted: Wanted) -> Predictions:
    lines = json_text.json_lines(stream, name)
    first = next(lines)
    if isinstance(first[1], dict) and is_inspect(first[1]):
        if next(lines, None) is not None:
            raise UsageError(f"{name}: more than one inspect_ai log in a file; give each a file of its own")
        return from_document(first[1], name, wanted)
    notes: list[str] = []

    def rows() -> Iterator[tuple[int, Row]]:
        """Numbered objects; a last line that was cut off is left out and noted."""
        broken: tuple[int, ValueError] | None = None
        for number, row in (item for part in ([first], lines) for item in part):
            if broken is not None:
                raise _not_json(name, *broken)
            if isinstance(row, ValueError):
                if "surrogate" in str(row) or "twice" in str(row) or "deeply" in str(row):
                    raise _not_json(name, number, row)
                broken = number, row
                continue
            yield number, row
        if broken is not None:
            notes.append(f"{name}: the last line ({broken[0]}) was cut off and is left out")

    predictions = from_rows(rows(), name, "jsonl", wanted)
    return replace(predictions, notes=(*predictions.notes, *notes)) if notes else predictions


def _not_json(name: str, number: int, error: ValueError) -> UsageError:
    return UsageError(f"{name}, line {number}: not JSON ({error})")


def _document(data: bytes, name: str, wanted: Wanted) -> Predictions:
    """A whole JSON document: an inspect_ai log or a table; or several objects one after the other."""
    text = decoded(data, name)
    try:
        documents = list(json_text.parse_several(text))
    except ValueError as error:
        raise UsageError(f"{name}: neither JSON lines nor a JSON document ({error})") from None
    document = documents[0] if len(documents) == 1 else documents
    if isinstance(document, dict) and is_inspect(document):
        return from_document(document, name, wanted)
    table = rows_of(document)
    if table is None and document == []:
        raise UsageError(f"{name}: no predictions in it")
    if table is None:
        raise UsageError(
            f"{name}: a JSON document of no known format ({_shape(document)}); expected rows with id and prediction"
        )
    format, rows = table
    return from_rows(enumerate(rows, start=1), name, format, wanted)


def _shape(document: Any) -> str:
    if isinstance(document, dict):
        lists = [short(k, 40) for k, v in document.items() if isinstance(v, list)]
        return f"an object with {', '.join(short(k, 40) for k in list(document)[:8])}" + (
            f"; if the rows are in '{lists[0]}', save that list alone" if lists else ""
        )
    return "a list that holds other things than objects" if isinstance(document, list) else type(document).__name__
