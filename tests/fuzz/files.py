"""Prediction files and logs, their archives, and predictions as a study reads them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from cascade_equivalence.errors import CeqError
from tests.fuzz import damage
from tests.fuzz.damage import as_json, changed, harmed
from tests.fuzz.door import Door
from tests.fuzz.room import called, inside, told

FIXTURES = Path(__file__).parents[1] / "logs" / "fixtures"


def _rows(name: str, most: int = 8) -> list[Any]:
    return [json.loads(line) for line in (FIXTURES / name).read_text().splitlines()[:most]]


def _plain_rows(shift: int = 0) -> list[dict[str, Any]]:
    labels = ("a", "b", "c")
    return [{"id": f"i{n}", "prediction": labels[(n + shift) % 3], "label": labels[n % 3]} for n in range(9)]


@cache
def _inspect() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FIXTURES / "inspect_epochs.json").read_text())
    kept = {key: document[key] for key in ("version", "status", "eval", "samples") if key in document}
    kept["eval"] = {key: kept["eval"][key] for key in ("task", "dataset", "config") if key in kept["eval"]}
    wanted = ("id", "epoch", "input", "target", "choices", "scores", "error")
    kept["samples"] = [{key: one[key] for key in wanted if key in one} for one in kept["samples"]]
    return kept


LOGS: dict[str, Callable[[], Any]] = {
    "rows": _plain_rows,
    "other rows": lambda: _plain_rows(1),
    "lm-eval": lambda: _rows("lm_eval_left_choice.jsonl"),
    "lm-eval words": lambda: _rows("lm_eval_words.jsonl"),
    "lmms-eval": lambda: _rows("lmms_eval.jsonl"),
    "voicebench": lambda: _rows("voicebench.jsonl"),
    "inspect": _inspect,
    "by number": lambda: {str(n): row for n, row in enumerate(_plain_rows())},
}
_WRITTEN = (
    "json lines",
    "json lines",
    "json",
    "pretty",
    "csv",
    "tsv",
    "gzip",
    "eval",
    "eval zstd",
    "eval stored",
    "utf-16",
    "parquet",
)


def written(document: Any, how: str) -> tuple[str, bytes]:
    """A document's bytes in one of the ways that tools write, and the suffix of its name."""
    rows = document if isinstance(document, list) else [document]
    lines = b"".join(as_json(row) + b"\n" for row in rows)
    if how == "json lines":
        return ".jsonl", lines
    if how in ("json", "pretty"):
        return ".json", as_json(document, 1 if how == "pretty" else None)
    if how == "gzip":
        return ".jsonl.gz", gzip.compress(lines, 1)
    if how == "utf-16":
        return ".jsonl", lines.decode("utf-8", "replace").encode("utf-16")
    if how in ("csv", "tsv"):
        text = io.StringIO()
        cells = [row for row in rows if isinstance(row, dict)]
        heads = list(dict.fromkeys(str(key) for row in cells for key in row))
        writer = csv.writer(text, delimiter="," if how == "csv" else "\t")
        writer.writerow([head.replace(damage.TWICE, "") for head in heads])
        writer.writerows([[row.get(head) for head in heads] for row in cells])
        return f".{how}", text.getvalue().encode("utf-8", "replace")
    if how == "parquet":
        return ".parquet", _parquet(rows)
    return ".eval", _archive(document, how)


def _parquet(rows: list[Any]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    out = io.BytesIO()
    try:
        table = pyarrow.Table.from_pylist([row for row in rows if isinstance(row, dict)])
        pyarrow.parquet.write_table(table, out)
    except (pyarrow.ArrowException, OverflowError, UnicodeError, TypeError, ValueError, RecursionError):
        out = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(_plain_rows()), out)
    return out.getvalue()


def _archive(document: Any, how: str) -> bytes:
    samples = document.get("samples") if isinstance(document, dict) else document
    head = {k: v for k, v in document.items() if k != "samples"} if isinstance(document, dict) else {}
    members = {"header.json": as_json(head)}
    for number, one in enumerate(samples if isinstance(samples, list) else [samples]):
        members[f"samples/{number}_epoch_1.json"] = as_json(one)
    out = io.BytesIO()
    method = {"eval": zipfile.ZIP_DEFLATED, "eval lzma": zipfile.ZIP_LZMA}.get(how, zipfile.ZIP_STORED)
    with zipfile.ZipFile(out, "w", method) as file:
        for name, data in members.items():
            file.writestr(name, _zstd(data) if how == "eval zstd" else data)
    data = out.getvalue()
    if how == "eval zstd":  # as inspect_ai writes: the method's number in both headers
        data = data.replace(b"PK\x03\x04\x14\x00\x00\x00\x00\x00", b"PK\x03\x04\x14\x00\x00\x00\x5d\x00")
        data = data.replace(
            b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x5d\x00"
        )
    return data


def _zstd(data: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor().compress(data)


_OPTIONS: tuple[tuple[str, ...], ...] = (
    (), ("--json",), ("--json",), ("--json", "--graded", "--left-key", "exact_match", "--right-key", "exact_match"),
    ("--json", "--left-key", "filtered_resps.0.0"), ("--id-key", "#", "--json"), ("--failed", "invalid", "--json"),
    ("--left-key", "scores.x.value", "--graded"), ("--json", "--ceiling", "0.9"), ("--gold-key", "target", "--json"),
)  # fmt: skip

_file = st.tuples(
    st.sampled_from(sorted(LOGS)), damage.changes(), st.sampled_from(_WRITTEN), damage.harms()
)  # fmt: skip


def _saved(case: tuple[str, Any, str, Any], stem: Path) -> Path:
    kind, done, how, harm = case
    suffix, data = written(changed(LOGS[kind](), done), how)
    path = stem.with_name(stem.name + suffix)
    path.write_bytes(harmed(data, harm))
    return path


def _agree(case: Any, room: Path) -> None:
    file, same, other, options = case
    with inside(room) as given:
        left = _saved(file, given / "left")
        right = (
            left
            if same == "same"
            else _saved((file[0], [], "json lines", []) if same == "good" else other, given / "right")
        )
        more = ("--gold", right) if same == "gold" else ("--other-cascade", right) if same == "cascade" else ()
        told("agree", left, right, *more, *options, "--resamples", "20")


def _predict(case: Any, room: Path) -> None:
    from cascade_equivalence.systems.remote.predictions import match_trials, read_predictions

    file, key = case
    with inside(room) as given:
        path = _saved(file, given / "said")
        found = called(lambda: read_predictions(path, key, None))
        if not isinstance(found, CeqError):
            trials = [("t", f"i{n}", condition) for n in range(9) for condition in ("clean", "babble@0dB")]
            called(lambda: match_trials(found, trials).words())
            found.identity().digest()


# Archives: what the headers say is not what is there


def _eval(case: Any, room: Path) -> None:
    how, harm, lies = case
    data = bytearray(written(_inspect(), how)[1])
    for place, offset, value in lies:  # sizes, checksums, methods and offsets of local headers and of the directory
        marks = [
            at for at in range(len(data) - 4) if data[at : at + 4] in (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06")
        ]
        if marks:
            at = marks[place % len(marks)] + offset
            data[at : at + len(value)] = value
    with inside(room) as given:
        (given / "log.eval").write_bytes(harmed(bytes(data), harm))
        told("agree", given / "log.eval", given / "log.eval", "--json", "--resamples", "20")


_number = st.sampled_from(
    [
        b"\x00",
        b"\xff",
        b"\x08",
        b"\x0e",
        b"\x5d\x00",
        b"\x00" * 4,
        b"\xff" * 4,
        b"\xff\xff\xff\x7f",
        b"\x01\x00\x00\x00",
    ]
)


_sides = st.sampled_from(["same", "good", "good", "other", "gold", "cascade"])
_packed = st.sampled_from(["eval", "eval zstd", "eval stored", "eval lzma"])
_lies = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 46), _number), max_size=3)
_keys = st.sampled_from([None, None, "prediction", "filtered_resps.0", "a.b"])

LOGS_DOOR = Door("logs", st.tuples(_file, _sides, _file, st.sampled_from(_OPTIONS)), _agree)
ARCHIVES = Door("archives", st.tuples(_packed, damage.harms(), _lies), _eval)
PREDICTIONS = Door("predictions", st.tuples(_file, _keys), _predict)
