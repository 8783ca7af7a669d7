"""Text items of one's own: spoken by the offline engine, once, like any other clip."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cascade_equivalence.cli import main
from tests.run.small import contents

ROWS = [
    {"id": "a", "text": "The train to the coast leaves at noon.", "label": "yes", "choices": ["yes", "no"]},
    {"id": "b", "text": "Nobody has seen the cat since yesterday.", "label": "no", "choices": ["yes", "no"]},
]


def study(tmp_path: Path, **task: object) -> str:
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    path = tmp_path / "study.yaml"
    keys = {"extends": "pocket", "tasks": [{"manifest": "items.jsonl", **task}], "conditions": ["clean"]}
    path.write_text(json.dumps(keys), encoding="utf-8")
    return str(path)


def test_without_a_voice_the_item_and_the_cure_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", study(tmp_path), "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert "item 'a' has text but no audio" in error
    assert "voice: af_heart" in error


def test_the_gold_arm_needs_no_audio(tmp_path: Path) -> None:
    assert main(["run", study(tmp_path), "--out", str(tmp_path / "out"), "--arms", "gold"]) == 0
    assert len(contents(tmp_path / "out")["answers"]) == 2


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("npm"), reason="the voices come from an npm package")
def test_spoken_items_are_heard(tmp_path: Path) -> None:
    arguments = ["run", study(tmp_path, voice="af_heart"), "--out", str(tmp_path / "out"), "--arms", "cascade-w"]
    assert main(arguments) == 0
    rows = contents(tmp_path / "out")
    said = " ".join(row[3].lower() for row in rows["transcripts"])
    assert "train to the coast" in said
    assert "seen the cat" in said
    assert main(arguments) == 0
    assert contents(tmp_path / "out") == rows
