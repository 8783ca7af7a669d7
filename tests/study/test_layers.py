"""A study over a preset: models and arms by name; conditions with a name; models beside the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

from cascade_equivalence.audio.condition import Condition, parse_condition
from cascade_equivalence.errors import UsageError
from cascade_equivalence.study.build import _Builder, _conditions
from cascade_equivalence.study.spec import Study, load_study
from cascade_equivalence.study.tasks import build_task
from cascade_equivalence.tasks.task import load_task

PRESET = load_study("pocket")[0]


def over(tmp_path: Path, **keys: Any) -> Study:
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump({"extends": "pocket", **keys}), encoding="utf-8")
    return load_study(path)[0]


def test_models_and_arms_are_merged_by_name(tmp_path: Path) -> None:
    study = over(
        tmp_path,
        models={"llm": {"id": "some/llm"}, "mine": {"id": "my"}},
        arms={
            "mine": {"speech_llm": "mine"},
            "self-cascade": {"asr": "asr-s", "llm": {"of": "mine"}},
            "disguised": None,
        },
    )
    assert study.models["llm"].model_dump() == {**PRESET.models["llm"].model_dump(), "id": "some/llm", "prompt": "auto"}
    assert set(study.models) == {*PRESET.models, "mine"}
    assert set(study.arms) == {*PRESET.arms, "mine"} - {"disguised"}
    assert study.arms["gold"] == PRESET.arms["gold"]
    assert list(over(tmp_path, arms=["cascade-s", "gold"]).arms) == ["cascade-s", "gold"]
    assert load_study({"extends": "pocket", "arms": ["gold"]})[0].tasks == PRESET.tasks


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        (["gold", "cascade"], "arms: the preset has no 'cascade'"),
        ({"cascade_s": None}, r"has no 'cascade_s' \(did you mean 'cascade-s'\?\)"),
        ("gold", "arms: Input should be a valid dictionary"),
    ],
)
def test_names_that_the_preset_has_not(tmp_path: Path, arms: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        over(tmp_path, arms=arms)


def noise(tmp_path: Path, name: str = "kitchen.flac") -> None:
    (tmp_path / "sounds").mkdir(exist_ok=True)
    rng = np.random.default_rng(len(name))
    soundfile.write(tmp_path / "sounds" / name, 0.1 * rng.normal(size=16000), 16000)


def conditions(study: Study, base: Path) -> tuple[Condition, ...]:
    return _conditions(study, [load_task("topic", limit=4)], base)[0]


def test_a_condition_has_its_own_name_or_one_without_a_path(tmp_path: Path) -> None:
    noise(tmp_path)
    chain = "noise:sounds/kitchen.flac@0dB"
    study = over(tmp_path, tasks=["topic"], conditions=["clean", {"name": "pots and pans", "chain": chain}])
    named = conditions(study, tmp_path)[1]
    bare = conditions(over(tmp_path, tasks=["topic"], conditions=["clean", chain]), tmp_path)[1]
    assert (named.name, bare.name) == ("pots and pans", "noise:kitchen@0dB")
    assert named.recipe == bare.recipe
    assert str(tmp_path) not in bare.name and "/" not in bare.name


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ({"name": "other", "chain": "swap"}, "'swap' is a control and keeps its own name"),
        ({"name": "babble@5dB", "chain": "clip@3dB"}, "'babble@5dB' is another condition's name"),
    ],
)
def test_names_that_would_mislead(tmp_path: Path, condition: Any, message: str) -> None:
    study = over(tmp_path, tasks=["topic"], conditions=["clean", condition])
    with pytest.raises(UsageError, match=message):
        conditions(study, tmp_path)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ({"name": "a = b", "chain": "clean"}, "none of = "),
        ({"name": "a", "chian": "clean"}, "a chain of steps, or {name"),
    ],
)
def test_what_is_no_name(tmp_path: Path, condition: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        over(tmp_path, conditions=[condition])


def test_two_files_of_one_name_need_names(tmp_path: Path) -> None:
    noise(tmp_path)
    (tmp_path / "other").mkdir()
    soundfile.write(tmp_path / "other" / "kitchen.flac", 0.1 * np.random.default_rng(9).normal(size=16000), 16000)
    chains = [f"noise:{where}/kitchen.flac@0dB" for where in ("sounds", "other")]
    study = over(tmp_path, tasks=["topic"], conditions=chains)
    with pytest.raises(UsageError, match="two are called 'noise:kitchen@0dB'"):
        conditions(study, tmp_path)


def test_a_model_is_looked_for_beside_the_study_file_first(tmp_path: Path) -> None:
    def builder(base: Path) -> _Builder:
        return _Builder(PRESET, base, lambda _: None, {})

    (tmp_path / "pocket-ctc").mkdir()
    (tmp_path / "pocket-ctc" / "config.json").write_text("{}")
    assert builder(tmp_path)._locate("pocket-ctc") == (tmp_path / "pocket-ctc").resolve()
    shipped = builder(tmp_path / "elsewhere")._locate("pocket-ctc")
    assert shipped.is_dir() and shipped != tmp_path / "pocket-ctc"


def test_a_form_of_ones_own_in_a_study(tmp_path: Path) -> None:
    (tmp_path / "calls.jsonl").write_text('{"id": "a", "text": "Hi.", "label": "y", "choices": ["y", "n"]}\n')
    form = {"instruction": "Is the caller content?", "words": {"y": "content", "n": "angry"}, "text_sufficient": True}
    entry = {"manifest": "calls.jsonl", "form": form}
    study = over(tmp_path, tasks=[entry])
    task = build_task(study, study.tasks[0], tmp_path, print, False)  # type: ignore[arg-type]
    assert task.form.instruction == "Is the caller content?" and task.form.sufficient is True
    with pytest.raises(UsageError, match=r"unknown key 'tasks.0.form.word'; did you mean 'words'\?"):
        over(tmp_path, tasks=[entry | {"form": {"word": {}}}])


def test_a_plain_condition_reads_as_before() -> None:
    assert parse_condition("reverb@0.6s + babble@5dB").name == "reverb@0.6s+babble@5dB"
