"""Manifests as other tools and hands write them: read as meant, or one error that names line and cure."""

from __future__ import annotations

import gzip
import json
from functools import partial
from pathlib import Path

import pytest

from cascade_equivalence.errors import UsageError
from cascade_equivalence.tasks.manifest import read_manifest

gzipped = partial(gzip.compress, mtime=0)
"""The same bytes in every process: tests are named by their data."""


def write(tmp_path: Path, *rows: object, data: bytes | None = None) -> Path:
    path = tmp_path / "m.jsonl"
    path.write_bytes(data or "".join(json.dumps(row) + "\n" for row in rows).encode())
    return path


def items(tmp_path: Path, *changes: dict[str, object]) -> Path:
    return write(tmp_path, *({"id": f"i{n}", "text": "x y", "label": "ab"[n % 2]} | c for n, c in enumerate(changes)))


def test_numbers_and_booleans_are_ids_and_labels(tmp_path: Path) -> None:
    found = read_manifest(
        items(tmp_path, {"id": 1, "label": 0, "speaker": 7}, {"id": 2.0, "label": 1, "meta": {"speaker": 8}})
    )
    assert [(i.id, i.label, i.speaker) for i in found] == [("1", "0", "7"), ("2", "1", "8")]
    assert [c.label for c in found[0].choices] == ["0", "1"]
    assert [i.label for i in read_manifest(items(tmp_path, {"label": True}, {"label": False}))] == ["true", "false"]
    assert read_manifest(items(tmp_path, {"choices": [1, 2], "label": 2}))[0].label == "2"
    assert len(read_manifest(items(tmp_path, {"n": 1}, {"n": "1"}, {"n": True}), {"n": 1})) == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([{}, {"label": "a "}], "line 2 (id 'i1'): 'label' is 'a ', with space around it"),
        ([{}, {"label": "A"}], "line 2: label 'A' differs from 'a' (line 1)"),
        ([{"label": "caf\u00e9"}, {"label": "cafe\u0301"}], "in the form of a letter alone"),
        ([{"lable": "a", "label": None}], None),
        ([{"label": float("nan")}], "or leave it out; it is nan"),
        ([{"label": {"a": 1}}], "'label' must be a non-empty string"),
        ([{"label": ["a", None]}], "'label' must be"),
        ([{"id": True and [1]}], "'id' must be"),
        ([{"id": "a\x1bb"}], "control character"),
        ([{"id": " a"}], "with space around it"),
        ([{"split": "Dev"}], "'split' is 'Dev'; it is one of test, dev, shot"),
        ([{"split": "validation"}], "it is one of test, dev, shot"),
        ([{"split": "train2"}], "Put other sets into 'meta'"),
        ([{"meta": {"speaker": ["x"]}}], "'meta.speaker' must be"),
        ([{"speaker": {"x": 1}}], "'speaker' must be"),
        ([{"choices": ["a", "A"], "label": "a"}], "with other space or case"),
        ([{"choices": [{"label": "a", "text": ["x"]}, "b"], "label": "a"}], "strings or {label, text}"),
        ([{"id": 1}, {"id": "1"}], "is there twice"),
        ([{"id": 1}, {"id": "1.0"}], "id '1.0' is there twice (first on line 1, written '1')"),
        ([{"id": "caf\u00e9"}, {"id": "cafe\u0301"}], "is there twice (first on line 1, written"),
        ([{"label": "INVALID"}], "'label' is 'INVALID', which stands for no answer"),
        ([{"label": "nan"}], "'label' is 'nan', which stands for no answer"),
        ([{"id": "NaN"}], "'id' is 'NaN', which stands for no answer"),
        ([{"label": ["Paris", "INVALID"]}], "which stands for no answer"),
        ([{"label": ["Nan", "NaN"]}], None),
        ([{"choices": ["a", "INVALID"], "label": "a"}], "the choice 'INVALID' stands for no answer"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, changes: list[dict[str, object]], words: str | None) -> None:
    path = items(tmp_path, *changes)
    if words is None:
        read_manifest(path)
        return
    with pytest.raises(UsageError) as caught:
        read_manifest(path)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "key",
    [
        "lable", "Label", "labels", "txt", "Text", "quesiton", "choises", "speakr", "gruop", "splits", "answer",
        "target", "gold_label", "options", "LABEL",
    ],
)  # fmt: skip
def test_a_misspelt_key_is_named(tmp_path: Path, key: str) -> None:
    with pytest.raises(UsageError, match=f"key '{key}'; you mean"):
        read_manifest(write(tmp_path, {"id": "a", "audio": "x.wav", key: "a"}))


def test_keys_of_ones_own_are_kept(tmp_path: Path) -> None:
    found = read_manifest(items(tmp_path, {"emotion": "joy", "source": "web", "labels": ["a"], "set": "x"}))
    assert set(found[0].fields) == {"emotion", "source", "labels", "set"}


ROW = '{"id": "a", "text": "x%sy"}\n'


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + (ROW % "").encode(), (ROW % "\u2028").encode(), (ROW % "\u0085").encode(), (ROW % "\x7f").encode(),  # noqa: E501
        (ROW % "").replace("\n", "\r\n").encode(), (ROW % "").encode("utf-16"), gzipped((ROW % "").encode()),
    ],
)  # fmt: skip
def test_one_reader_of_lines(tmp_path: Path, data: bytes) -> None:
    assert len(read_manifest(write(tmp_path, data=data))) == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"id": "a", "id": "b", "text": "x"}\n', "line 1: not JSON (the key 'id' is there twice"),
        (b'{"id": "a", "text": "\\ud83d"}\n', "lone surrogate"),
        (b'{"id": "\\udc00", "text": "x"}\n', "lone surrogate"),
        (b'{"id": ' + b"[" * 100_000 + b"\n", "line 1: not JSON (nested too deeply)"),
        (b'\n\n{"id": "a"\n', "line 3: not JSON"),
        (b"[1]\n", "a JSON object is expected"),
        (b'{"id": "a", "text": "\xe9"}\n', "neither text (UTF-8)"),
        (b"\n", "no items"),
    ],
)
def test_one_clear_error(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_manifest(write(tmp_path, data=data))
    assert words in str(caught.value)


def test_endless_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="longer than 64 MB"):
        read_manifest(Path("/dev/zero"))
    with pytest.raises(UsageError, match="write the path out"):
        read_manifest(tmp_path / "$DATA" / "m.jsonl")
    with pytest.raises(UsageError, match="cannot be read"):
        read_manifest(Path("a\0b"))
