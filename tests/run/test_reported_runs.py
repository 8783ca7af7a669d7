"""Runs of public reports: two at once, recordings replaced, weights that give NaN, damaged journals."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from safetensors.numpy import load_file, save_file

from cascade_equivalence import cli
from cascade_equivalence.run.progress import Silent
from cascade_equivalence.run.run import holding
from cascade_equivalence.study.go import run_study
from tests.run.small import contents
from tests.systems.speech import tiny

RATE = 16_000


def speech(seed: int, seconds: float = 0.6) -> np.ndarray:
    """Something that is loud in places."""
    draw = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    return (0.2 * np.sin(2 * np.pi * (150 + 40 * seed) * time) * draw.uniform(0.5, 1, len(time))).astype(np.float32)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("weights")
    tiny.write_llm(place / "llm")
    tiny.write_qwen2_audio(place / "speech")
    return place


def write_study(place: Path, weights: Path, name: str = "study", **more: object) -> Path:
    """Four recorded items, babble of three recorded talkers, and a noise file."""
    rows, talkers = [], []
    for at in range(4):
        soundfile.write(place / f"item{at}.wav", speech(at), RATE)
        rows.append({"id": f"i{at}", "text": f"words {at}", "label": ("good", "bad")[at % 2], "audio": f"item{at}.wav"})
    for at in range(3):
        soundfile.write(place / f"talker{at}.wav", speech(10 + at), RATE)
        talkers.append({"id": f"t{at}", "audio": f"talker{at}.wav", "speaker": f"s{at}"})
    soundfile.write(place / "hum.wav", speech(20), RATE)
    for file, written in (("items.jsonl", rows), ("talkers.jsonl", talkers)):
        (place / file).write_text("".join(json.dumps(row) + "\n" for row in written))
    study = {
        "name": name, "tasks": [{"manifest": "items.jsonl"}], "conditions": ["babble@0dB", "noise:hum.wav@0dB"],
        "babble": "talkers.jsonl", "resamples": 100, "dtype": "float32", "device": "cpu",
        "models": {
            "llm": {"id": str(weights / "llm"), "prompt": "plain"}, "speech": {"id": str(weights / "speech")},
        },
        "arms": {"gold": {"transcript": "gold", "llm": "llm"}, "speech": {"speech_llm": "speech"}},
        "checks": {"hearing": 4, "repeats": 0, "latency": 0},
    }  # fmt: skip
    path = place / f"{name}.yaml"
    path.write_text(yaml.safe_dump(study | more))
    return path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CEQ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


def facts(out: Path) -> list[tuple[str, str]]:
    db = sqlite3.connect(out / "journal.sqlite")
    try:
        return db.execute("SELECT key, value FROM facts ORDER BY key").fetchall()
    finally:
        db.close()


@pytest.mark.parametrize("words", [(), ("--replace",), ("--limit", "2"), ("--arms", "gold", "--replace")])
def test_what_is_refused_writes_nothing(
    place: Path, weights: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    """The second of two runs, whichever it is: the first one's study, and its report, stay."""
    study, out = write_study(place, weights), place / "out"
    assert cli.main(["run", str(study), "--out", str(out)]) == 0
    other = write_study(place, weights, "other", limit=1, conditions=["clean"])
    before, page = facts(out), (out / "report.html").read_bytes()
    capsys.readouterr()
    with holding(out):
        for path in (study, other):
            assert cli.main(["run", str(path), "--out", str(out), *words]) == 1
            assert "another process is running this study" in capsys.readouterr().err
    assert facts(out) == before and (out / "report.html").read_bytes() == page
    assert cli.main(["report", str(out)]) == 0
    assert "speech" in capsys.readouterr().out


def test_of_two_runs_at_once_one_ends_as_if_alone(place: Path, weights: Path) -> None:
    study = write_study(place, weights)
    run_study(study, place / "calm")
    ends: list[object] = []

    def run(name: str) -> None:
        try:
            ends.append(run_study(study, place / "both", reporter=Silent()))
        except Exception as error:
            ends.append(error)

    both = [threading.Thread(target=run, args=(name,)) for name in "ab"]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    refused = [end for end in ends if isinstance(end, Exception)]
    assert len(refused) <= 1 and all("another process is running" in str(end) for end in refused)
    assert contents(place / "both") == contents(place / "calm")


def clips(out: Path) -> dict[str, str]:
    return {f"{row[2]}/{row[3]}": row[4] for row in contents(out)["clips"]}


@pytest.mark.parametrize(
    ("what", "changed"),
    [
        ("every talker", "babble@0dB"), ("one talker", "babble@0dB"), ("who speaks", "babble@0dB"),
        ("the noise", "noise:hum@0dB"), ("an item", "i1"),
    ],
)  # fmt: skip
def test_recordings_that_are_replaced_under_their_names_are_heard(
    place: Path, weights: Path, what: str, changed: str
) -> None:
    """In the same process and with the same study, a run has the clips that a new directory would have."""
    study, old, new = write_study(place, weights), place / "out", place / "new"
    run_study(study, old, arms=["speech"])
    before = clips(old)
    if what == "who speaks":
        text = (place / "talkers.jsonl").read_text().replace('"s0"', '"s9"')
        (place / "talkers.jsonl").write_text(text)
    files = {"every talker": [f"talker{at}" for at in range(3)], "one talker": ["talker1"], "the noise": ["hum"]}
    for name in files.get(what, ["item1"] if what == "an item" else []):
        soundfile.write(place / f"{name}.wav", speech(77, 0.9), RATE)
    run_study(study, new, arms=["speech"])
    run_study(study, old, arms=["speech"])
    for key, sha256 in clips(new).items():
        assert (sha256 != before[key]) == (changed in key), key
    answers = [{tuple(row[1:9]) for row in contents(out)["answers"]} for out in (new, old)]
    assert answers[0] <= answers[1]
    wanted = [[value for key, value in facts(out) if key == "wanted"] for out in (new, old)]
    assert wanted[0] == wanted[1]


@pytest.mark.parametrize("kind", ["one NaN", "overflow", "infinity"])
@pytest.mark.parametrize("answer", ["labels", "generate"])
def test_weights_that_give_no_numbers(
    place: Path, weights: Path, capsys: pytest.CaptureFixture[str], kind: str, answer: str
) -> None:
    """An answer that no finite number stands behind is INVALID and counted, or an error that names the model."""
    shutil.copytree(weights / "llm", place / "broken")
    path = place / "broken" / "model.safetensors"
    tensors = load_file(path)
    name = next(key for key in tensors if key.endswith("norm.weight") and "layers" not in key)
    value = {"one NaN": np.nan, "overflow": 3e38, "infinity": np.inf}[kind]
    tensors[name] = tensors[name].copy()
    tensors[name][: 1 if kind == "one NaN" else None] = value
    save_file(tensors, path, metadata={"format": "pt"})
    models = {"llm": {"id": str(place / "broken"), "prompt": "plain"}, "speech": {"id": str(weights / "speech")}}
    study = write_study(place, weights, models=models, answer=answer, conditions=["clean"])
    status = cli.main(["run", str(study), "--arms", "gold", "--out", str(place / "out")])
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    if answer == "labels":
        rows = contents(place / "out")["answers"]
        assert {row[-1] for row in rows} == {"INVALID"} if status == 0 else "finite" in said.err, said.err
        assert all("NaN" not in str(row) and "Infinity" not in str(row) for row in contents(place / "out")["replies"])
        assert "finite" in (place / "out" / "report.html").read_text() + said.out + said.err


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("finished")
    run_study(write_study(place, weights), place / "out")
    yield place / "out"


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_journal_is_told_or_changes_nothing(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    """Flips, zeros, noise, cuts: `ceq report` says so, or reads what was written."""
    draw = random.Random(seed)
    data = bytearray((finished / "journal.sqlite").read_bytes())
    kind = ("flip", "flip", "flips", "zeros", "noise", "cut")[seed % 6]
    page = draw.randrange(1, len(data) // 4096) * 4096
    if kind == "cut":
        del data[draw.randrange(len(data)) :]
    elif kind in ("zeros", "noise"):
        data[page : page + 4096] = bytes(4096) if kind == "zeros" else draw.randbytes(4096)
    else:
        for _ in range(1 if kind == "flip" else 50):
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    for left in out.glob("journal.sqlite-*"):
        left.unlink()
    (out / "journal.sqlite").write_bytes(data)
    status = cli.main(["report", str(out)])
    said = capsys.readouterr()
    assert status in (0, 1) and "Traceback" not in said.err
    if status == 0:
        assert contents(out) == contents(finished)
    else:
        assert "journal" in said.err


@pytest.mark.parametrize("table", ["replies", "clips", "transcripts", "answers"])
def test_a_changed_row_is_told_by_every_command(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], table: str
) -> None:
    """One that only a check of hearing reads, or whose key is not asked for any more, is no exception."""
    study = finished.parent / "study.yaml"
    keys = [key for (key,) in sqlite3.connect(finished / "journal.sqlite").execute(f"SELECT key FROM {table}")]
    for at in random.Random(1).sample(range(len(keys)), min(3, len(keys))):
        out = tmp_path / f"{table}{at}"
        shutil.copytree(finished, out)
        db = sqlite3.connect(out / "journal.sqlite")
        db.execute(f"UPDATE {table} SET key = 'x' || substr(key, 2) WHERE key = ?", (keys[at],))
        db.commit()
        db.close()
        for words in (("report", out), ("run", study, "--out", out)):
            assert cli.main([str(word) for word in words]) == 1
            assert f"a row of {table} is not what was written" in capsys.readouterr().err
