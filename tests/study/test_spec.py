"""Arms in a study file: one source each, references that exist, errors that list what is valid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cascade_equivalence.audio.condition import parse_condition
from cascade_equivalence.errors import UsageError
from cascade_equivalence.study.build import build_tasks
from cascade_equivalence.study.narrow import narrow
from cascade_equivalence.study.spec import PRESETS, Of, Study, TaskSpec, load_study
from cascade_equivalence.study.tasks import dataset_of

MODELS = {"llm": {"id": "smollm2-135m"}, "asr": {"id": "whisper-base"}, "ctc": {"id": "pocket-ctc"}}
GOOD = {
    "gold": {"transcript": "gold", "llm": "llm"},
    "cascade": {"asr": "asr", "llm": "llm"},
    "speech": {"speech_llm": "ctc"},
    "self": {"asr": "asr", "llm": {"of": "speech"}},
}


def load(tmp_path: Path, arms: Any) -> Study:
    path = tmp_path / "study.yaml"
    path.write_text(json.dumps({"tasks": ["topic"], "models": MODELS, "arms": arms}), encoding="utf-8")
    return load_study(path)[0]


def test_all_kinds_of_arms(tmp_path: Path) -> None:
    study = load(tmp_path, GOOD)
    assert study.arms["self"].llm == Of(of="speech")
    assert study.speech_llm_of(Of(of="speech")) == "ctc"
    assert study.speech_spec("ctc").id == "pocket-ctc"
    assert study.speech_spec("org/some-speech-llm").id == "org/some-speech-llm"


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        ({"llm": "llm"}, "exactly one of asr"),
        ({"asr": "asr", "transcript": "gold", "llm": "llm"}, "exactly one of asr"),
        ({"asr": "asr", "speech_llm": "ctc"}, "exactly one of asr"),
        ({"asr": "asr"}, "llm: is missing"),
        ({"speech_llm": "ctc", "llm": "llm"}, "brings its own llm"),
        ({"asr": "asr", "llm": {"of": "cascade"}}, "there are: speech"),
        ({"asr": "asr", "llm": "lmm"}, "there are: llm, asr, ctc"),
        ({"asr": "rsa", "llm": "llm"}, "there are: llm, asr, ctc"),
        ({"speech": "ctc"}, "valid keys: asr, latency, llm, optional, planted, speech_llm, transcript"),
        ({"asr": "asr", "llm": {"arm": "speech"}}, "self"),
    ],
)
def test_wrong_arms(tmp_path: Path, arm: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(tmp_path, GOOD | {"self": arm})


def test_of_without_any_speech_llm(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the study has none"):
        load(tmp_path, {"self": GOOD["self"]})


def test_a_self_cascade_can_be_kept_without_its_speech_llm(tmp_path: Path) -> None:
    study = narrow(load(tmp_path, GOOD), ["self"], None)
    assert list(study.arms) == ["self"]
    llm = study.arms["self"].llm
    assert isinstance(llm, Of)
    assert study.speech_llm_of(llm) == "ctc"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"task": "topic", "foo": 1}, "unknown key 'tasks.0.foo'; valid keys: conditions, dataset, form, limit"),
        ({}, "tasks.0: an entry of tasks has exactly one of task"),
        ({"task": "topic", "manifest": "m.jsonl"}, "exactly one of task"),
        ({"task": "topic", "name": "x"}, "task 'topic' ships with its name"),
        ({"task": "topic", "permute": [-1]}, "tasks.0.permute.0: Input should be greater than or equal to 0"),
        ({"task": "topic", "conditions": []}, "tasks.0.conditions: List should have at least 1"),
        (5, "tasks.0: Input should be a valid string"),
    ],
)
def test_wrong_entries_of_tasks(tmp_path: Path, entry: Any, message: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump({"extends": "pocket", "tasks": [entry]}))
    with pytest.raises(UsageError, match=message):
        load_study(path)


SIX = {"topic", "sentiment", "commonsense", "trivia", "emotion", "sarcasm"}


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_whole(name: str) -> None:
    """Every task is there, and every condition is a condition."""
    study, base = load_study(name)
    if name.startswith("paper"):
        assert {dataset_of(spec, base).chosen.form for spec in study.tasks if isinstance(spec, TaskSpec)} == SIX
    else:
        assert {task.name for task in build_tasks(study, base)} >= SIX
    for spec in study.tasks:
        for condition in (None if isinstance(spec, str) else spec.conditions) or study.conditions:
            assert parse_condition(condition).name == condition
