"""`ceq init` on shipped clips written as WAV: what it writes is a study whose plan can be built."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
import soundfile

from cascade_equivalence.study.build import build_tasks
from cascade_equivalence.study.spec import load_study
from cascade_equivalence.tasks.task import corpus_dir

from .harness import run

Row = dict[str, str]


def shipped(folder: Path, count: int) -> list[Row]:
    """Topic's first recordings in a folder, and the rows of their table."""
    folder.mkdir()
    with (corpus_dir() / "topic.jsonl").open(encoding="utf-8") as lines:
        items = [json.loads(next(lines)) for _ in range(count)]
    rows = []
    for item in items:
        samples, rate = soundfile.read(corpus_dir() / item["audio"])
        soundfile.write(folder / f"{item['id']}.wav", samples, rate)
        rows.append({"file": f"{item['id']}.wav", "label": item["label"], "text": item["text"]})
    return rows


def table(path: Path, rows: list[Row]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def manifest(out: Path) -> list[Row]:
    return [json.loads(line) for line in (out / "items.jsonl").read_text(encoding="utf-8").splitlines()]


def test_what_it_writes_is_a_study_with_its_recordings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = shipped(tmp_path / "calls", 8)
    path = table(tmp_path / "labels.csv", rows)
    out = tmp_path / "studies" / "first"
    assert run("init", tmp_path / "calls", "--csv", path, "--out", out, "--question", "What is it about?") == 0
    assert "8 recordings" in capsys.readouterr().out
    study, base = load_study(out / "study.yaml")
    (task,) = build_tasks(study, base, print)
    assert [item.label for item in task.items] == [row["label"] for row in rows]
    assert [item.text for item in task.items] == [row["text"] for row in rows]
    assert all(item.audio is not None and Path(item.audio).is_file() for item in task.items)
    assert task.form.instruction == "What is it about?"
    assert set(study.arms) == {"gold", "cascade-s", "cascade-w", "speech"}


def test_without_texts_there_is_no_gold_arm(tmp_path: Path) -> None:
    rows = [{"path": row["file"], "label": row["label"]} for row in shipped(tmp_path / "calls", 4)]
    assert run("init", tmp_path / "calls", "--csv", table(tmp_path / "l.csv", rows), "--out", tmp_path) == 0
    study, base = load_study(tmp_path / "study.yaml")
    assert "gold" not in study.arms
    assert len(build_tasks(study, base, print)[0].items) == 4


def test_texts_of_development_rows_alone_calibrate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    splits = ("shot", "shot", "dev", "dev")
    rows = [
        row | {"split": split}
        for row, split in zip(shipped(tmp_path / "calls", 8), (*splits, *["test"] * 4), strict=True)
    ]
    rows = [row if row["split"] != "test" else row | {"text": ""} for row in rows]
    path = table(tmp_path / "l.csv", rows)
    assert run("init", tmp_path / "calls", "--csv", path, "--out", tmp_path) == 0
    assert "no gold arm and no word errors" in capsys.readouterr().out
    study, base = load_study(tmp_path / "study.yaml")
    assert "gold" not in study.arms
    (task,) = build_tasks(study, base, print)
    assert [len(part) for part in (task.items, task.shots, task.calibration)] == [4, 2, 2]


def test_one_in_ten_of_a_label_is_kept_out_whatever_the_order(tmp_path: Path) -> None:
    rows = shipped(tmp_path / "calls", 2)
    many = [rows[k % 2] | {"id": f"item {k}"} for k in range(62)]  # 31 of each label
    splits = []
    for place, order in enumerate((many, many[::-1])):
        out = tmp_path / str(place)
        assert run("init", tmp_path / "calls", "--csv", table(tmp_path / "l.csv", order), "--out", out) == 0
        splits.append({row["id"]: row.get("split", "test") for row in manifest(out)})
    assert splits[0] == splits[1]
    assert sorted(splits[0].values()) == ["dev"] * 4 + ["shot"] * 2 + ["test"] * 56
    study, base = load_study(tmp_path / "0" / "study.yaml")
    (task,) = build_tasks(study, base, print)
    assert {item.label for item in task.shots} == {rows[0]["label"], rows[1]["label"]}
    assert len(task.calibration) == 4


def test_labels_of_few_recordings_have_an_example_and_a_calibration_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seven of one label and nine of another; with three of one nothing is kept out, and that is said."""
    rows = shipped(tmp_path / "calls", 2)
    for place, counts in enumerate(((7, 9), (3, 9))):
        many = [row | {"id": f"{row['label']} {k}"} for row, n in zip(rows, counts, strict=True) for k in range(n)]
        out = tmp_path / str(place)
        assert run("init", tmp_path / "calls", "--csv", table(tmp_path / "l.csv", many), "--out", out) == 0
        held = [(row["label"], row["split"]) for row in manifest(out) if row.get("split")]
        assert sorted(held) == (sorted((r["label"], s) for r in rows for s in ("dev", "shot")) if place == 0 else [])
        assert ("no calibration" in capsys.readouterr().out) == (place == 1)


def test_each_way_to_name_a_speech_llm_is_a_model(tmp_path: Path) -> None:
    """The comments of the study, taken at their word."""
    rows = shipped(tmp_path / "calls", 4)
    assert run("init", tmp_path / "calls", "--csv", table(tmp_path / "l.csv", rows), "--out", tmp_path) == 0
    text = (tmp_path / "study.yaml").read_text(encoding="utf-8")
    ways = re.findall(r"^  # (speech: \{.*\})", text, re.M)
    assert len(ways) == 4
    for way in ways:
        (tmp_path / "other.yaml").write_text(re.sub(r"^  speech: \{id.*$", f"  {way}", text, flags=re.M))
        assert load_study(tmp_path / "other.yaml")[0].models["speech"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [row | {"mood": "x"} for row in rows], "unknown column 'mood'; columns are file"),
        (lambda rows: [{"text": r["text"], "label": r["label"]} for r in rows], "no column of files"),
        (lambda rows: [{"file": r["file"], "text": r["text"]} for r in rows], "no column 'label'"),
        (lambda rows: [row | {"label": "one"} for row in rows], "every label is 'one'"),
        (lambda rows: [*rows, rows[0] | {"label": ""}], "row 6: 'label' is empty"),
        (lambda rows: [*rows, rows[0]], "row 6: id 'topic-001' is row 2's too"),
        (lambda rows: [*rows, rows[0] | {"file": "gone.wav"}], "1 of 5 recordings are not in"),
        (lambda rows: [*rows[1:], rows[0] | {"text": ""}], "fill all of them"),
        (lambda rows: [*rows[1:], rows[0] | {"label": "sports"}], "differs from 'Sports' in case alone"),
    ],
)
def test_a_wrong_table_is_named_and_nothing_written(change, message, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    path = table(tmp_path / "labels.csv", change(shipped(tmp_path / "calls", 4)))
    assert run("init", tmp_path / "calls", "--csv", path, "--out", tmp_path / "out") == 2
    assert message in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = table(tmp_path / "labels.csv", shipped(tmp_path / "calls", 4))
    (tmp_path / "study.yaml").write_text("mine", encoding="utf-8")
    assert run("init", tmp_path / "calls", "--csv", path, "--out", tmp_path) == 2
    assert "study.yaml exists already" in capsys.readouterr().out
    assert (tmp_path / "study.yaml").read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "items.jsonl").exists()
