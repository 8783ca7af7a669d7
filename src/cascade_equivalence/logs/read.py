"""Reads a prediction file of any known tool. The format is told by the content, never by the file's name."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .inspect_log import from_archive, from_samples, is_inspect
from .predictions import Predictions
from .rows import Row, Wanted, from_rows

_HEAD = 1 << 16


def read(
    path: str | Path,
    *,
    key: str | None = None,
    gold_key: str | None = None,
    id_key: str | None = None,
    only_gold: bool = False,
    by_condition: bool = False,
) -> Predictions:
    """The predictions in a file: JSONL, CSV, Parquet, lm-eval, lmms-eval, inspect_ai or VoiceBench.

    key, gold_key, id_key: (dotted) fields to read instead of the format's own. only_gold: a file of gold
    labels, which needs no predictions. by_condition: rows may say the same id under several tasks and conditions; ids
    become task/id/condition, of these what a row has.
    Raises UsageError if the file cannot be read, is of no known format, or holds an id twice.
    """
    wanted = Wanted(key, gold_key, id_key, only_gold, by_condition)
    name = str(path)
    try:
        with Path(path).open("rb") as stream:
            head = stream.read(_HEAD)
        if head[:4] == b"PAR1":
            return from_rows(_parquet_rows(name), name, "parquet", wanted)
        if head[:4] == b"PK\x03\x04":
            return from_archive(Path(path).read_bytes(), name, wanted)
        return _text(Path(path), head, wanted)
    except FileNotFoundError:
        raise UsageError(f"{name}: no such file") from None
    except UnicodeDecodeError:
        raise UsageError(f"{name}: neither text (UTF-8) nor a known binary format") from None
    except RecursionError:
        raise UsageError(f"{name}: nested too deeply to be a prediction file") from None
    except OSError as error:
        raise UsageError(f"{name}: cannot be read ({error.strerror or error})") from None


def _text(path: Path, head: bytes, wanted: Wanted) -> Predictions:
    name = str(path)
    if b"\x00" in head:
        raise UsageError(f"{name}: neither text (UTF-8) nor a known binary format")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start and len(head) < _HEAD:
        raise UsageError(f"{name}: the file is empty")
    if start[:1] not in (b"{", b"["):
        return from_rows(_csv_rows(path), name, "csv", wanted)
    first_line = start.split(b"\n", 1)[0]
    if start[:1] == b"{" and (b"\n" in start or len(head) < _HEAD) and _parses(first_line):
        document = json.loads(first_line)
        if is_inspect(document):
            return from_samples(iter(document["samples"] or []), name, wanted)
        return _jsonl(path, wanted)
    return _document(path, wanted)


def _parses(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _jsonl(path: Path, wanted: Wanted) -> Predictions:
    notes: list[str] = []
    predictions = from_rows(_json_lines(path, notes), str(path), "jsonl", wanted)
    if not notes:
        return predictions
    return Predictions(**{**vars(predictions), "notes": (*predictions.notes, *notes)})


def _json_lines(path: Path, notes: list[str]) -> Iterator[tuple[int, Row]]:
    """Numbered JSON objects; a last line that was cut off is left out and noted."""
    broken: tuple[int, str] | None = None
    with path.open(encoding="utf-8-sig", errors="strict") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            if broken is not None:
                raise UsageError(f"{path}, line {broken[0]}: not JSON ({broken[1]})")
            try:
                row = json.loads(line)
            except ValueError as error:
                broken = number, str(error)
                continue
            if not isinstance(row, Mapping):
                raise UsageError(f"{path}, line {number}: a JSON object is expected, not {type(row).__name__}")
            yield number, row
    if broken is not None:
        notes.append(f"{path}: the last line ({broken[0]}) was cut off and is left out")


def _document(path: Path, wanted: Wanted) -> Predictions:
    """A whole JSON document: an inspect_ai log or a list of rows."""
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        if isinstance(error, UnicodeDecodeError):
            raise
        raise UsageError(f"{path}: neither JSON lines nor a JSON document ({error})") from None
    if is_inspect(document):
        return from_samples(iter(document["samples"] or []), str(path), wanted)
    if isinstance(document, list) and all(isinstance(row, Mapping) for row in document):
        return from_rows(enumerate(document, start=1), str(path), "json", wanted)
    if isinstance(document, Mapping) and "id" in document:
        return from_rows([(1, document)], str(path), "json", wanted)
    raise UsageError(f"{path}: a JSON document of no known format; expected rows with id and prediction")


def _csv_rows(path: Path) -> Iterator[tuple[int, Row]]:
    with path.open(encoding="utf-8-sig", errors="strict", newline="") as stream:
        header = stream.readline()
        delimiter = max(",\t;", key=header.count)
        names = next(csv.reader([header], delimiter=delimiter), [])
        if len(names) < 2:
            raise UsageError(
                f"{path}: of no known format (JSON lines, CSV with a header, Parquet, inspect_ai, lm-eval)"
            )
        try:
            reader = csv.reader(stream, delimiter=delimiter, strict=True)
            for number, cells in enumerate(reader, start=2):
                if not cells:
                    continue
                if len(cells) != len(names):
                    raise UsageError(f"{path}, row {number}: {len(cells)} cells under {len(names)} headings")
                yield number, dict(zip(names, cells, strict=True))
        except csv.Error as error:
            raise UsageError(f"{path}: not readable as CSV ({error})") from None


def _parquet_rows(path: str) -> Iterator[tuple[int, Row]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UsageError(
            f"{path}: Parquet needs pyarrow: pip install cascade-equivalence[parquet], or write JSON lines"
        ) from None
    try:
        number = 0
        for batch in pyarrow.parquet.ParquetFile(path).iter_batches(batch_size=10_000):
            rows: list[dict[str, Any]] = batch.to_pylist()
            for row in rows:
                number += 1
                yield number, row
    except (pyarrow.ArrowException, OSError) as error:
        raise UsageError(f"{path}: a damaged Parquet file ({error})") from None
