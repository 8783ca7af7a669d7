"""More trouble in other tools' files: logs that say they are not whole, archives that lie, marks in the wrong place."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
from pathlib import Path

import pytest
import zstandard

from cascade_equivalence.errors import UsageError
from cascade_equivalence.logs import join, read
from cascade_equivalence.reading import json_text

from .test_kinds import accuracy, inspect, lines, sample, write

PADDED = b'{"id": %d, "prediction": "a", "pad": "%s"}\n'
ROW = b'{"id":"i1","epoch":1,"target":"a","scores":{"m":{"value":"C","answer":"a"}}}'


def test_samples_that_a_limit_or_an_error_ended_are_said_and_count(tmp_path: Path) -> None:
    """inspect_ai scores them, so its accuracy has them in it."""
    samples = [
        sample(1, "yes", "I", "", limit={"type": "token", "limit": 8}),
        sample(2, "yes", "I", "", limit={"type": "token"}),
        sample(3, "yes", "C", "yes", error={"message": "429"}), sample(4, "yes", "C", "yes"),
    ]  # fmt: skip
    log = read(inspect(tmp_path, *samples))
    assert accuracy(join(log, log)) == 0.5
    said = "; ".join(log.notes)
    assert "2 of 4 samples were stopped by a limit (token)" in said
    assert "1 of 4 samples ended in an error and were scored all the same" in said


def test_a_log_that_counts_more_samples_than_are_in_it(tmp_path: Path) -> None:
    document = {"status": "success", "eval": {}, "samples": [sample(1, "a", "C", "a")], "results": {"total_samples": 9}}
    assert "count 9 samples, and 1 are in it" in read(write(tmp_path, json.dumps(document))).notes[0]
    document["results"] = {"total_samples": 1}
    assert not read(write(tmp_path, json.dumps(document))).notes


def test_two_logs_in_one_file_are_refused(tmp_path: Path) -> None:
    one = {"status": "success", "eval": {}, "samples": [sample(1, "a", "C", "a")]}
    assert len(read(write(tmp_path, lines(one)))) == 1
    with pytest.raises(UsageError, match="more than one inspect_ai log"):
        read(write(tmp_path, lines(one, one)))


def choice(number: int, scores: list[object], **more: object) -> dict[str, object]:
    texts = ["cat", "dog", "cow"]
    return {
        "doc_id": number, "doc": {}, "target": 0, "arguments": [["q", text] for text in texts],
        "filtered_resps": [[score, False] for score in scores], "acc": 1.0,
    } | more  # fmt: skip


@pytest.mark.parametrize("scores", [["nan", -1, -2], [None, -1, -2], ["-inf", "-inf", "-inf"], ["inf", -1, -2]])
def test_likelihoods_that_choose_nothing_are_invalid_whatever_the_tool_made_of_them(
    tmp_path: Path, scores: list[object]
) -> None:
    log = read(write(tmp_path, lines(choice(0, scores), choice(1, [-1, -2, -3]))))
    assert log.predictions == [None, "cat"]
    assert "1 items have a log-likelihood" in "; ".join(log.notes)
    assert accuracy(join(log, log)) == 0.5


def test_an_answer_that_a_filter_did_not_find_is_invalid(tmp_path: Path) -> None:
    rows = [
        {"doc_id": n, "doc": {}, "target": "7", "arguments": [], "filtered_resps": [said], "exact_match": float(not n)}
        for n, said in enumerate(["7", "[invalid]", "8"])
    ]
    log = read(write(tmp_path, lines(*rows)))
    assert log.predictions == ["7", None, "8"] and accuracy(join(log, log)) == pytest.approx(1 / 3)


def test_rows_with_an_error_and_no_prediction_are_failed_samples(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "prediction": None, "label": "a", "error": "429 Too Many Requests"},
        {"id": 2, "prediction": "a", "label": "a", "error": None},
        {"id": 3, "prediction": "a", "label": "a", "error": ""},
        {"id": 4, "prediction": "b", "label": "a", "error": "a warning, with an answer"},
        {"id": 5, "prediction": "", "label": "a"},
    ]  # fmt: skip
    path = write(tmp_path, lines(*rows))
    assert read(path).ids == ["2", "3", "4", "5"] and "1 rows have an error" in read(path).notes[0]
    assert read(path, failed="invalid").predictions == [None, "a", "a", "b", None]
    with pytest.raises(UsageError, match="no row has a prediction"):
        read(write(tmp_path, lines(rows[0])))


def zipped(entries: list[tuple[str, bytes, int]], shared: bool = False) -> bytes:
    """A zip archive by hand: name, Zstandard data, the size that its directory claims; `shared` ones are one."""
    out, directory, first = io.BytesIO(), b"", None
    for name, data, claimed in entries:
        start = first if shared and first is not None else out.tell()
        if start == out.tell():
            out.write(struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 20, 0, 93, 0, 0, 0, len(data), claimed, len(name), 0))
            out.write(name.encode() + data)
        first = start if first is None else first
        head = (b"PK\1\2", 20, 20, 0, 93, 0, 0, 0, len(data), claimed, len(name), 0, 0, 0, 0, 0, start)
        directory += struct.pack("<4sHHHHHHIIIHHHHHII", *head) + name.encode()
    end = (b"PK\5\6", 0, 0, len(entries), len(entries), len(directory), out.tell(), 0)
    return out.getvalue() + directory + struct.pack("<4sHHHHIIH", *end)


def blank(megabytes: int) -> bytes:
    """Zstandard of so much space, then a sample; its frame says its size."""
    return zstandard.ZstdCompressor().compress(b" " * (megabytes << 20) + ROW)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (zipped([("samples/1.json", blank(70), 60)]), "samples/1.json cannot be read .*64 MB"),
        # Under the bound each, the same bytes two hundred times, and not a word of it in the directory.
        (zipped([(f"samples/{n}.json", blank(40), 60) for n in range(200)], shared=True), "MB or more, which"),
        (zipped([(f"samples/{n}.json", b"", 1 << 24) for n in range(60)]), "MB or more, which"),
        (gzip.compress(b" " * (80 << 20)), "unpacks to more than 64 MB"),
        (gzip.compress(b"".join(PADDED % (n, b"x" * 1_000_000) for n in range(80))), "more than 64 MB"),
    ],
    ids=["one member", "shared bytes", "by the directory", "gzip of space", "gzip of rows"],
)  # fmt: skip
def test_what_unpacks_to_very_much_is_refused(tmp_path: Path, data: bytes, words: str) -> None:
    assert len(data) < 1 << 20
    with pytest.raises(UsageError, match=words):
        read(write(tmp_path, data))


def test_objects_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three bytes of text are seventy of memory."""
    monkeypatch.setattr(json_text, "_LONG", 100)
    monkeypatch.setattr(json_text, "MOST_CONTAINERS", 1000)
    monkeypatch.setattr(json_text, "MOST_VALUES", 5000)
    assert len(json_text.parse(f"[{'{},' * 500}0]")) == 501
    for many in (f"[{'{},' * 1500}0]", f"[{'[],' * 1500}0]", f"[{'1,' * 6000}0]"):
        with pytest.raises(ValueError, match="million objects and lists"):
            json_text.parse(many)


def test_marks_in_the_middle_and_in_other_widths(tmp_path: Path) -> None:
    row = '{"id": %d, "prediction": "a"}\n'
    joined = "".join(f"\ufeff{row % n}" for n in range(3))
    assert read(write(tmp_path, joined)).ids == ["0", "1", "2"]
    for encoding in ("utf-32", "utf-32-be"):
        mark = "" if encoding == "utf-32" else "\ufeff"
        with pytest.raises(UsageError, match="UTF-32; save it as UTF-8"):
            read(write(tmp_path, (mark + row % 1).encode(encoding)))


def test_a_legal_log_of_many_members_is_read(tmp_path: Path) -> None:
    """The bounds are far from what a log needs."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for n in range(300):
            file.writestr(f"samples/{n}_epoch_1.json", json.dumps(sample(n, "a", "C", "a", text="lorem ipsum " * 500)))
    assert len(read(write(tmp_path, out.getvalue()))) == 300


def test_where_all_are_wrong_by_the_logs_own_grade_too_that_is_said(tmp_path: Path) -> None:
    log = read(inspect(tmp_path, *(sample(n, f"target {n}", "I", f"answer {n}") for n in range(4))))
    joined = join(log, log)
    assert joined.gold is None
    assert "the files' own grades call none right" in joined.notes["accuracy"] and "labels" not in joined.notes


def test_parquet_that_unpacks_to_very_much_is_refused(tmp_path: Path) -> None:
    """One text many times over, a text in lists, and rows without end, in a few kilobytes each."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "file.parquet"
    once = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 300, pyarrow.int32()), ["x" * 5_000_000])
    ids = [str(n) for n in range(300)]
    parquet.write_table(pyarrow.table({"id": ids, "prediction": once}), path, compression="zstd")
    assert path.stat().st_size < 1 << 16
    with pytest.raises(UsageError, match=r"unpack to 14.. MB or more, which is not read"):
        read(path)
    lists = pyarrow.ListArray.from_arrays(list(range(301)), once)
    parquet.write_table(pyarrow.table({"id": ids, "prediction": lists}), path, compression="zstd")
    with pytest.raises(UsageError, match=r"unpack to 14.. MB or more, which is not read"):
        read(path)
    zeros = pyarrow.nulls(6_000_000, pyarrow.int8())
    parquet.write_table(pyarrow.table({"id": zeros, "prediction": zeros}), path, compression="zstd")
    with pytest.raises(UsageError, match="12000000 values, which is not read"):
        read(path)


def test_long_texts_in_parquet_are_read(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    long = "long " * 20_000
    rows = [{"id": n, "prediction": "ab"[n % 2], "prompt": long, "more": {"texts": [f"{n}", None]}} for n in range(900)]
    path = tmp_path / "file.parquet"
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    log = read(path)
    assert len(log) == 900 and log.predictions[:2] == ["a", "b"]
    assert read(path, key="more.texts.0").predictions[7] == "7"


def test_a_pointer_of_git_lfs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a pointer of Git LFS, not the file it stands for"):
        read(write(tmp_path, "version https://git-lfs.github.com/spec/v1\noid sha256:be29\nsize 514557\n", "log.eval"))
