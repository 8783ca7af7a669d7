"""The manifest door: what it reads, and the one clear error for what it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cascade_equivalence.errors import UsageError
from cascade_equivalence.tasks.item import Choice
from cascade_equivalence.tasks.manifest import read_manifest
from cascade_equivalence.tasks.task import load_task


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


ROW = {"id": "a", "text": "Hello there.", "choices": ["yes", "no"], "label": "yes"}


def test_reads_every_key(tmp_path: Path) -> None:
    row = ROW | {
        "path": "x.wav", "question": "Really?", "speaker": "s1", "group": "g", "meta": {"gender": "f"}, "set": "mine",
        "choices": [{"label": "A", "text": "bank"}, "B"], "label": ["A"],
    }  # fmt: skip
    (item,) = read_manifest(write(tmp_path / "m.jsonl", row))
    assert item.audio == tmp_path / "x.wav"
    assert item.choices == (Choice("A", "bank"), Choice("B", "B"))
    assert (item.label, item.speaker, item.group, item.question) == ("A", "s1", "g", "Really?")
    assert item.fields == {"gender": "f", "set": "mine"}


def test_choices_default_to_the_sorted_labels(tmp_path: Path) -> None:
    rows = [{"id": str(i), "text": "x", "label": label} for i, label in enumerate(["b", "a", "b"])]
    items = read_manifest(write(tmp_path / "m.jsonl", *rows))
    assert [c.label for c in items[0].choices] == ["a", "b"]


def test_open_answers_have_no_choices(tmp_path: Path) -> None:
    (item,) = read_manifest(write(tmp_path / "m.jsonl", {"id": "1", "text": "Capital?", "label": ["Rome", "Roma"]}))
    assert item.choices == ()
    assert item.accepted == ("Rome", "Roma")


def test_where_filters_top_level_meta_and_nested(tmp_path: Path) -> None:
    rows = [
        ROW | {"id": "a", "set": "x", "meta": {"take": {"n": 1}}},
        ROW | {"id": "b", "set": "y", "meta": {"take": {"n": 2}}},
    ]
    path = write(tmp_path / "m.jsonl", *rows)
    assert [i.id for i in read_manifest(path, {"set": "x"})] == ["a"]
    assert [i.id for i in read_manifest(path, {"set": ["x", "y"]})] == ["a", "b"]
    assert [i.id for i in read_manifest(path, {"take.n": 2})] == ["b"]
    with pytest.raises(UsageError, match="no items where"):
        read_manifest(path, {"set": "z"})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "x"}, r"line 2: 'id' is missing"),
        (ROW | {"id": "a"}, r"line 2: id 'a' is there twice \(first on line 1\)"),
        (ROW | {"id": "b", "label": "maybe"}, r"id 'b'\): label 'maybe' is not among the choices \(yes, no\)"),
        ({"id": "b", "label": "yes"}, r"id 'b'\): needs 'text'"),
        (ROW | {"id": "b", "choices": ["yes"]}, r"id 'b'\): 'choices' must be a list of at least two"),
        (ROW | {"id": "b", "choices": ["yes", "yes"]}, r"names a label twice"),
        (ROW | {"id": "b", "text": "  "}, r"'text' must be a non-empty string"),
        (ROW | {"id": "b", "label": {"x": 3}}, r"'label' must be a non-empty string, a list"),
        ([1], r"line 2: a JSON object is expected"),
    ],
)
def test_bad_rows_name_line_and_field(tmp_path: Path, row: object, message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        read_manifest(write(tmp_path / "m.jsonl", ROW, row))
    assert "m.jsonl" in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b'{"id": "a", ', "line 1: not JSON"), (b"\xff\xfe\x00", "neither text .UTF-8."), (b"\n\n", "no items")],
)
def test_bad_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        read_manifest(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.jsonl: cannot be read"):
        read_manifest(tmp_path / "nowhere.jsonl")


def test_limit_is_balanced_and_keeps_manifest_order(tmp_path: Path) -> None:
    rows = [ROW | {"id": f"{label}{i}", "label": label} for label in ("yes", "no") for i in range(10)]
    task = load_task("mine", write(tmp_path / "m.jsonl", *rows), limit=6)
    assert [i.id for i in task.items] == ["yes0", "yes1", "yes2", "no0", "no1", "no2"]


def test_examples_of_ones_own_are_shown_and_not_evaluated(tmp_path: Path) -> None:
    rows = [
        ROW,
        ROW | {"id": "s1", "text": "It rains.", "label": "no", "split": "shot"},
        ROW | {"id": "s2", "text": "It shines.", "split": "shot"},
        ROW | {"id": "d", "split": "dev"},
    ]
    for name in ("mine", "topic"):
        # A name decides nothing: neither of a task nor of a file.
        task = load_task(name, write(tmp_path / "m.jsonl", *rows))
        assert [i.id for i in task.items] == ["a"]
        assert [i.id for i in task.shots] == ["s1", "s2"]
        assert [i.id for i in task.calibration] == ["d"]
        before = task.form.plain(task.items[0], task.shots).before
        assert before.index("It rains.") < before.index("no") < before.index("It shines.") < before.index("yes")


@pytest.mark.parametrize("lacks", ["label", "text"])
def test_an_example_needs_a_text_and_a_label(tmp_path: Path, lacks: str) -> None:
    shot = {k: v for k, v in (ROW | {"id": "s", "split": "shot", "audio": "x.wav"}).items() if k != lacks}
    with pytest.raises(UsageError, match="item 's' is to be shown as an example"):
        load_task("mine", write(tmp_path / "m.jsonl", ROW, shot))


def test_development_rows_are_never_evaluated(tmp_path: Path) -> None:
    rows = [ROW, ROW | {"id": "d", "split": "dev"}]
    task = load_task("mine", write(tmp_path / "m.jsonl", *rows))
    assert [i.id for i in task.items] == ["a"]
    assert [i.id for i in task.calibration] == ["d"]


@pytest.mark.parametrize(
    ("name", "items", "kind"),
    [
        ("ag_news", 3671, "labels"), ("sst2", 1373, "labels"), ("commonsenseqa", 595, "options"),
        ("triviaqa", 999, "open"), ("meld", 1245, "labels"), ("mustard", 334, "labels"),
    ],
)  # fmt: skip
def test_real_task_files_load(shared_data: Path, name: str, items: int, kind: str) -> None:
    task = load_task(name, shared_data / "tasks" / f"{name}.jsonl", {"part": "dev"})
    assert len(task.items) == items
    assert task.form.kind == kind
    prompt = task.form.plain(task.items[0], ())
    assert bool(prompt.continuations) == (kind != "open")


def test_real_speech_manifest_loads(shared_data: Path) -> None:
    task = load_task("emotion", shared_data / "speech" / "manifest.jsonl", {"set": "ravdess"})
    assert len(task.items) == 720
    assert len(task.labels) == 8
    assert all(item.audio and item.audio.is_file() and item.speaker for item in task.items)
