"""What analyses look at: trials, utterances outside them, and keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from cascade_equivalence.errors import UsageError
from cascade_equivalence.inside.material import (
    analysis_keys,
    evaluated,
    fitting_pool,
    sentences,
    spoken_words,
)
from cascade_equivalence.inside.settings import MechanismSpec
from cascade_equivalence.run.plan import Plan
from cascade_equivalence.study.build import build_plan
from cascade_equivalence.study.narrow import narrow
from cascade_equivalence.study.spec import Study, load_study
from cascade_equivalence.systems.planted import deaf


@pytest.fixture(scope="module")
def plan() -> Plan:
    study = Study.model_validate(
        {
            "tasks": ["topic", "sentiment", "trivia"],
            "models": {"llm": {"id": "smollm2-135m", "prompt": "plain"}},
            "arms": {"gold": {"transcript": "gold", "llm": "llm"}, "speech": {"speech_llm": "planted"}},
        }
    )
    return build_plan(study, Path.cwd(), print, {"planted": deaf("llm")})


def test_trials_are_of_closed_tasks_evenly(plan: Plan) -> None:
    names = [task.name for task, _ in evaluated(plan, MechanismSpec(trials=30))]
    assert (names.count("topic"), names.count("sentiment"), len(names)) == (15, 15, 30)


def test_tasks_may_be_chosen_among_closed_ones(plan: Plan) -> None:
    chosen = evaluated(plan, MechanismSpec(trials=10, tasks=["sentiment"]))
    assert {task.name for task, _ in chosen} == {"sentiment"}
    with pytest.raises(UsageError, match=r"'trivia' is no closed task .* there are: topic, sentiment"):
        evaluated(plan, MechanismSpec(tasks=["trivia"]))


def test_a_thousand_utterances_without_the_words_of_any_trial(plan: Plan) -> None:
    settings = MechanismSpec(trials=60, fit=1000)
    said = {spoken_words(item.text) for _, item in evaluated(plan, settings)}
    pool = fitting_pool(plan, settings)
    assert len(pool) == 1000
    assert not any(spoken_words(u.item.text) in said for u in pool)
    evaluated_words = {spoken_words(item.text) for task in plan.tasks for item in task.items}
    assert all(u.outside == (spoken_words(u.item.text) not in evaluated_words) for u in pool)
    # What the study evaluates comes last.
    assert sorted(pool, key=lambda u: not u.outside) == pool
    firsts = [spoken_words(u.item.text) for u in pool if u.first]
    assert len(firsts) == len(set(firsts)) == len({spoken_words(u.item.text) for u in pool})


def test_sentences_for_readouts_and_damage_are_apart(plan: Plan) -> None:
    read, damage = sentences(plan, MechanismSpec(sentences=100, damage=20))
    assert (len(read), len(damage)) == (100, 20)
    assert not set(read) & set(damage)


def test_only_speech_arms_are_analysed_and_keys_follow_the_settings(plan: Plan) -> None:
    gold, speech = plan.arms
    wanted = ["agreement", "lens", "patching"]
    assert analysis_keys(plan, gold, wanted, MechanismSpec()) == {}
    keys = analysis_keys(plan, speech, wanted, MechanismSpec())
    assert list(keys) == ["lens", "patching"]
    assert keys == analysis_keys(plan, speech, wanted, MechanismSpec())
    other = analysis_keys(plan, speech, wanted, MechanismSpec(seeds=6))
    assert not set(keys.values()) & set(other.values())


def test_there_is_nothing_to_look_into_where_the_weights_are_not_here() -> None:
    study = Study.model_validate(
        {
            "tasks": ["topic"],
            "models": {"far": {"endpoint": "openai", "url": "http://127.0.0.1:9/v1", "model": "m"}},
            "arms": {"hosted": {"speech_llm": "far"}},
            "answer": "generate",
        }
    )
    far = build_plan(study, Path.cwd(), print)
    assert analysis_keys(far, far.arms[0], ["lens"], MechanismSpec()) == {}


def test_an_unknown_setting_names_the_valid_ones(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text("extends: pocket\nmechanism: {trails: 3}\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"did you mean 'trials'\?"):
        load_study(file)
    file.write_text("extends: pocket\nanalyses: [agreement, sorcery]\n", encoding="utf-8")
    with pytest.raises(UsageError, match="patching"):
        load_study(file)


def test_arms_that_a_study_has_not_name_none_of_its_own(plan: Plan) -> None:
    arm = next(arm for arm in plan.arms if arm.kind == "speech")
    assert analysis_keys(plan, arm, ["lens"], MechanismSpec(arms=["dropped"])).keys() == {"lens"}
    assert analysis_keys(plan, arm, ["lens"], MechanismSpec(arms=[arm.name])).keys() == {"lens"}
    others = MechanismSpec(arms=[other.name for other in plan.arms if other.kind != "speech"])
    assert analysis_keys(plan, arm, ["lens"], others) == {}


def test_a_narrowed_study_analyses_what_is_left() -> None:
    preset, _ = load_study("pocket")
    study = preset.model_copy(update={"mechanism": preset.mechanism.model_copy(update={"tasks": ["topic"]})})
    assert narrow(study, None, ["topic"]).mechanism.tasks == ["topic"]
    assert narrow(study, None, ["sentiment"]).mechanism.tasks is None
