"""Files of predictions as a system and as an ASR: how rows meet trials, and what is said of those that do not."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from cascade_equivalence.errors import UsageError
from cascade_equivalence.systems.remote.predictions import (
    PredictedSystem,
    PredictedTranscripts,
    match_trials,
    read_predictions,
)
from tests.systems.remote.questions import colours, tone


def jsonl(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_ids_may_name_task_and_condition_in_any_of_three_ways(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path / "p.jsonl",
        {"id": "c0", "prediction": "red"},
        {"id": "c0", "task": "colours", "condition": "babble@5dB", "prediction": "green"},
        {"id": "c1/babble@5dB", "prediction": "blue"},
        {"id": "colours/c2/clean", "task": "colours", "condition": "clean", "prediction": None},
    )
    found = read_predictions(path)
    conditions = ("clean", "babble@5dB")
    said = {(i, c): found.id_of(("colours", i, c)) for i in ("c0", "c1", "c2") for c in conditions}
    assert said == {
        ("c0", "clean"): "c0",
        ("c0", "babble@5dB"): "colours/c0/babble@5dB",
        ("c1", "clean"): None,
        ("c1", "babble@5dB"): "c1/babble@5dB",
        ("c2", "clean"): "colours/c2/clean",
        ("c2", "babble@5dB"): None,
    }
    assert read_predictions(path, condition="babble@5dB").id_of(("colours", "c0", "clean")) is None


def test_what_does_not_match_is_counted_and_named(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "p.jsonl", {"id": "c0", "prediction": "red"}, {"id": "z9", "prediction": "red"})
    matched = match_trials(read_predictions(path), [("colours", f"c{n}", "clean") for n in range(5)])
    assert (matched.trials, len(matched.missing), matched.unused) == (5, 4, ("z9",))
    words = matched.words()
    assert "1 of 5 trials" in words and "colours/c1/clean" in words and "1 more" in words and "z9" in words
    with pytest.raises(UsageError, match=r"z9.*other/x/clean"):
        match_trials(read_predictions(path), [("other", "x", "clean")])


def test_answers_are_found_by_the_sound_of_a_trial(tmp_path: Path) -> None:
    task, clean, noisy, other = colours(3), tone(0.1), tone(0.2), tone(0.3)
    path = jsonl(
        tmp_path / "p.jsonl",
        {"id": "c0", "prediction": "it is red"},
        {"id": "c0/noise", "prediction": ""},
        {"id": "c1", "prediction": "blue"},
    )
    where = {
        ("colours", "c0", clean.sha256): ("clean",),
        ("colours", "c0", noisy.sha256): ("noise",),
        ("colours", "c2", clean.sha256): ("clean",),
    }
    system = PredictedSystem(read_predictions(path), where)
    a, b, c = task.items
    replies = system.reply(task, [a, a, a, b, c], [clean, noisy, other, clean, clean], "labels")
    assert [r and r.text for r in replies] == ["it is red", "", None, None, None]
    assert all(r is None or r.scores is None for r in replies)


def test_an_identity_is_the_files_content(tmp_path: Path) -> None:
    one = read_predictions(jsonl(tmp_path / "a.jsonl", {"id": "x", "prediction": "1"})).identity()
    same = read_predictions(jsonl(tmp_path / "b.jsonl", {"id": "x", "prediction": "1"})).identity()
    other = read_predictions(jsonl(tmp_path / "c.jsonl", {"id": "x", "prediction": "2"})).identity()
    assert one.weights is None
    assert one.digest() == same.digest() != other.digest()


def test_any_format_that_agree_reads(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([["id", "condition", "answer"], ["c0", "clean", "red"], ["c0", "noise", "blue"]])
    found = read_predictions(path, key="answer")
    assert found.id_of(("colours", "c0", "noise")) == "c0/noise"
    assert found.said == {"c0/clean": "red", "c0/noise": "blue"}


def test_transcripts_are_one_per_sound(tmp_path: Path) -> None:
    clips = [tone(0.1), tone(0.2), tone(0.3)]
    path = jsonl(
        tmp_path / "t.jsonl",
        {"id": "a/1/clean", "text": " hello   there "},
        {"id": "b/1/clean", "text": "hello there"},
        {"id": "a/2/clean", "text": None},
        {"id": "c/1/clean", "text": "good"},
        {"id": "c/2/clean", "text": "bye"},
    )
    trials = {
        clips[0].sha256: [("c", "1", "clean")],
        clips[1].sha256: [("a", "2", "clean")],
        clips[2].sha256: [("c", "1", "clean"), ("c", "2", "clean")],
    }
    asr = PredictedTranscripts(read_predictions(path, key="text"), trials)
    assert [t.text for t in asr.transcribe(clips[:2])] == ["good", ""]
    with pytest.raises(UsageError, match="two transcripts"):
        asr.transcribe(clips[2:])
    with pytest.raises(UsageError, match="no transcript"):
        asr.transcribe([tone(0.7)])
    assert [(i, t and t.text) for i, t in asr.transcripts([clips[0], tone(0.7)])] == [(0, "good"), (1, None)]
