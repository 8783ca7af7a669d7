"""The command line: light, helpful, and one clear error for what is wrong."""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cascade_equivalence import commands
from cascade_equivalence.cli import main, parser
from tests.run.small import command, contents, run


def test_help_imports_nothing_heavy() -> None:
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "cascade_equivalence", "--help"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    for package in ("torch", "numpy", "transformers", "pydantic", "rich", "scipy", "yaml"):
        assert f"| {package}\n" not in ran.stderr and f" {package}\n" not in ran.stderr, package


@pytest.mark.parametrize("name", commands.NAMES)
def test_every_command_has_help_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    assert "examples:" in capsys.readouterr().out


@pytest.mark.parametrize("columns", [80, 120])
def test_help_fits_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line of any help is wider than the terminal, and no word of it is lost where lines are broken."""
    monkeypatch.setenv("COLUMNS", str(columns))
    top = parser()
    helps = {"ceq": (top, top.epilog)} | {
        name: (one, one.epilog)
        for action in top._actions if isinstance(action, argparse._SubParsersAction)
        for name, one in action.choices.items()
    }  # fmt: skip
    assert set(helps) == {"ceq", *commands.NAMES}
    for name, (one, epilog) in helps.items():
        text = one.format_help()
        assert not [line for line in text.splitlines() if len(line) > columns], name
        assert " ".join(text.split()).endswith(" ".join(str(epilog).split())), name


def test_wrong_use_is_2() -> None:
    with pytest.raises(SystemExit) as stop:
        main(["fly"])
    assert stop.value.code == 2


def study(tmp_path: Path, **keys: object) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(json.dumps({"extends": "pocket"} | keys), encoding="utf-8")
    return path


def items(tmp_path: Path, *rows: dict[str, object]) -> str:
    path = tmp_path / "items.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def good(tmp_path: Path, name: str = "good.wav") -> dict[str, object]:
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / name, (0.1 * rng.normal(size=8000)).astype(np.float32), 16000)
    return {"id": name, "text": "Hello.", "audio": name, "label": "yes", "choices": ["yes", "no"]}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"condtions": ["clean"]}, "unknown key 'condtions'; did you mean 'conditions'? valid keys:"),
        ({"models": {"llm": {"id": "x", "speed": 2}}}, "unknown key 'models.llm.speed'; "),
        (
            {"arms": {"a": {"llm": "llm"}}},
            "an arm has exactly one of asr: <model>, transcript: gold, speech_llm: <model>",
        ),
        ({"arms": {"a": {"llm": "nope", "transcript": "gold"}}}, "model 'nope' is not defined; there are: llm,"),
        ({"comparisons": {"pairs": [["gold", "who"]]}}, "arm 'who' is not defined"),
        ({"tasks": ["astrology"]}, "no task 'astrology'; there are:"),
        ({"conditions": ["bable@5dB"]}, "condition 'bable@5dB': no step"),
        ({"conditions": ["clean", "clean"]}, "conditions: one is there twice"),
        ({"conditions": ["babble@5dB", "babble@5.0dB"]}, "one is there twice ('babble@5dB' and 'babble@5.0dB')"),
        ({"answer": "sing"}, "answer: Input should be 'labels' or 'generate'"),
        ({"limit": 0}, "limit: Input should be greater than or equal to 1"),
        ({"extends": "purse"}, "extends 'purse'; the presets are: pocket"),
    ],
)
def test_wrong_study_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], keys: dict[str, object], message: str
) -> None:
    assert main(["run", str(study(tmp_path, **keys)), "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out" / "journal.sqlite").exists()


@pytest.mark.parametrize(
    ("row", "status", "message"),
    [
        ({"audio": "gone.wav"}, 1, "item 'bad': audio file"),
        ({"audio": "empty.wav"}, 1, "empty.wav has no samples"),
        ({"audio": "nan.wav"}, 1, "nan.wav has 10 samples that are NaN or infinite"),
        ({"audio": "text.wav"}, 1, "text.wav cannot be read as audio"),
        ({"label": "maybe"}, 2, "label 'maybe' is not among the choices"),
        ({"id": "good.wav"}, 2, "id 'good.wav' is there twice"),
    ],
)
def test_wrong_items_name_the_item(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: dict[str, object], status: int, message: str
) -> None:
    (tmp_path / "text.wav").write_text("not a sound")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, np.float32), 16000)
    soundfile.write(tmp_path / "nan.wav", np.full(10, np.nan, np.float32), 16000, subtype="FLOAT")
    bad = good(tmp_path) | {"id": "bad"} | row
    manifest = {"manifest": items(tmp_path, good(tmp_path), bad)}
    path = study(tmp_path, tasks=[manifest], conditions=["clean"])
    assert main(["run", str(path), "--out", str(tmp_path / "out")]) == status
    error = capsys.readouterr().err
    assert message in error
    assert "bad" in error or "good.wav" in error
    assert "Traceback" not in error


def test_a_tampered_model_is_not_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    from cascade_equivalence.pocket import fetch
    from cascade_equivalence.pocket.registry import EMBEDDED

    tiny = EMBEDDED["whisper-tiny.en"]
    source = fetch.pull(tiny)
    monkeypatch.setenv("CEQ_CACHE", str(tmp_path / "cache"))
    shutil.copytree(source, fetch.model_dir(tiny))
    assert main(["models", "verify", "whisper-tiny.en"]) == 0
    weights = fetch.model_dir(tiny) / "model.safetensors"
    with weights.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x7f")
    assert main(["models", "verify", "whisper-tiny.en"]) == 1
    assert "model.safetensors: sha256 differs" in capsys.readouterr().err
    arms = {"w": {"asr": "asr-w", "llm": "asr-w"}}
    assert main(["run", str(study(tmp_path, arms=arms)), "--out", str(tmp_path / "out")]) == 1
    assert "model.safetensors: sha256 differs" in capsys.readouterr().err


def test_a_full_disk_loses_nothing_committed(tmp_path: Path) -> None:
    """A file size limit makes writes fail as a full disk does; with room again the run goes on."""
    arguments = ["run", "pocket", "--tasks", "topic", "--limit", "2", "--arms"]
    assert run(tmp_path / "out", *arguments, "cascade-w").returncode == 0
    before = contents(tmp_path / "out")

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    full = subprocess.run(
        command(tmp_path / "out", *arguments, "cascade-w,cascade-s", "--replace"),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=small_files,
    )
    assert full.returncode == 1, full.stderr
    assert "disk full" in full.stderr
    assert "Traceback" not in full.stderr
    kept = contents(tmp_path / "out")
    assert all(set(before[table]) <= set(kept[table]) for table in before)
    assert run(tmp_path / "out", *arguments, "cascade-w,cascade-s", "--replace").returncode == 0
    after = contents(tmp_path / "out")
    assert all(set(kept[table]) <= set(after[table]) for table in kept)
    assert len(after["answers"]) == 2 * 2 * 2, "arms, items, conditions of topic"


def test_not_a_run_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path / "nowhere")]) == 1
    assert "no journal there" in capsys.readouterr().err
