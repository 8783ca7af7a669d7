"""The answers of a run as one file, one row an answer: CSV or Parquet. A name in it is text wherever it is opened."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from cascade_equivalence.reading.terminal import plain_lines
from cascade_equivalence.report.table_files import arrow, csv_cell, parquet_column
from cascade_equivalence.report.tables import Kind, Value
from cascade_equivalence.study.answers import COLUMNS, AnswerRow
from cascade_equivalence.whole import whole

Format = Literal["parquet", "csv"]
FORMATS: tuple[Format, ...] = ("parquet", "csv")

_KINDS: dict[str, Kind] = {
    "right": "flag", "tie": "flag", "wer": "seconds", "seconds": "seconds", "clip_seconds": "seconds"
}  # fmt: skip
"""Columns that are not text; `scores` is a list of (label, score)."""


def write_items(answers: Sequence[AnswerRow], form: Format, out: Path) -> Path:
    """Write `items.csv` or `items.parquet` into the folder `out`; its columns are those of `AnswerRow`.

    `scores` are a list of structs `label`, `score` in Parquet, and a JSON object in CSV. Raises `UsageError` for
    Parquet without pyarrow.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"items.{form}"
    with whole(path) as part:
        if form == "csv":
            with part.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(COLUMNS)
                writer.writerows([csv_cell(_cell(row, name)) for name in COLUMNS] for row in answers)
        else:
            _write_parquet(answers, part)
    return path


def _write_parquet(answers: Sequence[AnswerRow], path: Path) -> None:
    pa, pq = arrow()
    columns = {
        name: _scores(pa, answers)
        if name == "scores"
        else parquet_column([_cell(row, name) for row in answers], _KINDS.get(name, "text"))
        for name in COLUMNS
    }
    pq.write_table(pa.table(columns), path)


def _cell(row: AnswerRow, name: str) -> Value:
    value = getattr(row, name)
    if name == "scores":
        return None if value is None else json.dumps(dict(value), ensure_ascii=False)
    return value if value is None or name in _KINDS else str(value)


def _scores(pa: Any, answers: Sequence[AnswerRow]) -> Any:
    kind = pa.list_(pa.struct([("label", pa.string()), ("score", pa.float64())]))
    rows = [
        None
        if row.scores is None
        else [{"label": plain_lines(label), "score": score} for label, score in row.scores.items()]
        for row in answers
    ]
    return pa.array(rows, kind)
