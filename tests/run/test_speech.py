"""Speech-LLM arms in a real run: a connector with random weights between the embedded encoder and LLM."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cascade_equivalence.errors import ModelError
from cascade_equivalence.run.execute import execute
from cascade_equivalence.run.hearing import hearing_trials
from cascade_equivalence.run.models import Models
from cascade_equivalence.run.plan import LocalModel, Plan
from cascade_equivalence.run.progress import Silent
from cascade_equivalence.run.questions import choose
from cascade_equivalence.run.run import open_run
from cascade_equivalence.study.build import build_plan
from cascade_equivalence.study.record import record
from cascade_equivalence.study.results import analyse
from cascade_equivalence.study.spec import Study
from cascade_equivalence.systems.local import SpeechSystem
from cascade_equivalence.systems.speech.pocket import CtcConnector, FrameConnector, PocketConfig
from cascade_equivalence.systems.speech.pocket_checkpoint import save_connector
from tests.run.small import contents


def connector(directory: Path, kind: str, seed: int = 0) -> Path:
    """A pocket speech LLM with a small vocabulary and random weights."""
    torch.manual_seed(seed)
    sizes = PocketConfig(kind, 512, 576, 40, width=48, heads=2, inner=64, blocks=1)
    made = (CtcConnector if kind == "ctc" else FrameConnector)(sizes)
    if isinstance(made, CtcConnector):
        made.tokens.copy_(torch.arange(1000, 1040))
        with torch.no_grad():
            # Speech is mostly blanks to CTC; without this the search would write a word at every position.
            made.head.bias[0] += 4.0
    save_connector(directory, kind, "whisper-base", "smollm2-135m", made)
    return directory


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    base = tmp_path_factory.mktemp("models")
    ctc, frames = connector(base / "ctc", "ctc"), connector(base / "frames", "frames")
    return Study.model_validate(
        {
            "tasks": ["topic"],
            "models": {
                "llm": {"id": "smollm2-135m", "prompt": "plain"},
                "asr": {"id": "whisper-tiny.en"},
                "ctc": {"id": str(ctc)},
            },
            "arms": {
                "gold": {"transcript": "gold", "llm": "llm"},
                "cascade": {"asr": "asr", "llm": "llm"},
                "speech-ctc": {"speech_llm": "ctc"},
                "speech-frames": {"speech_llm": str(frames)},
                "self": {"asr": "asr", "llm": {"of": "speech-ctc"}},
            },
            "dtype": "float32",
            "resamples": 200,
            "limit": 4,
        }
    )


@pytest.fixture(scope="module")
def plan(study: Study) -> Plan:
    return build_plan(study, Path.cwd(), print)


@pytest.fixture(scope="module")
def models(plan: Plan) -> Models:
    return Models(plan, print)


def carry_out(study: Study, plan: Plan, out: Path) -> Path:
    with open_run(out, plan, Silent()) as run:
        record(study, plan, run.journal)
        assert execute(run) == 0
    return out


@pytest.fixture(scope="module")
def done(study: Study, plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return carry_out(study, plan, tmp_path_factory.mktemp("run"))


def test_the_self_cascade_is_the_cascade_on_the_same_llm(plan: Plan) -> None:
    assert plan.same == {"self": "cascade"}
    assert [arm.name for arm in plan.arms] == ["gold", "cascade", "speech-ctc", "speech-frames"]
    assert {arm.llm for arm in plan.arms} == {"llm"}
    assert {arm.style for arm in plan.arms} == {"plain"}


def test_objects_are_shared(plan: Plan, models: Models) -> None:
    ctc, frames = (models.system(arm.answers, arm.style) for arm in plan.arms if arm.kind == "speech")
    assert isinstance(ctc, SpeechSystem) and isinstance(frames, SpeechSystem)
    assert ctc.speech.backbone is frames.speech.backbone is models.llm("llm")
    assert ctc.speech.ears.encoder is frames.speech.ears.encoder  # type: ignore[attr-defined]


def test_another_dtype_is_another_arm(study: Study) -> None:
    spec = study.models["ctc"].model_copy(update={"dtype": "bfloat16"})
    other = build_plan(study.model_copy(update={"models": study.models | {"ctc": spec}}), Path.cwd(), print)
    assert other.same == {}
    own = other.models[other.arms[2].llm or ""]
    assert isinstance(own, LocalModel) and own.placement.dtype == "bfloat16"


def test_the_identity_covers_every_part(plan: Plan, study: Study, tmp_path: Path) -> None:
    changed = connector(tmp_path / "changed", "ctc", seed=1)
    arm, task = plan.arms[2], plan.tasks[0]
    spec = study.models["ctc"].model_copy(update={"id": str(changed)})
    other = build_plan(study.model_copy(update={"models": study.models | {"ctc": spec}}), Path.cwd(), print)
    before, after = plan.identity("ctc"), other.identity("ctc")
    assert before.modules["language_model"] == after.modules["language_model"]
    assert before.modules["audio_tower"] == after.modules["audio_tower"]
    assert before.modules["connector"] != after.modules["connector"]
    assert plan.reply_key(arm, task, task.items[0], "clip") != other.reply_key(arm, task, task.items[0], "clip")


def test_every_trial_is_answered_and_timed(plan: Plan, done: Path) -> None:
    rows = contents(done)
    assert len(rows["answers"]) == 4 * 4
    db = sqlite3.connect(done / "journal.sqlite")
    facts = [json.loads(v) for (v,) in db.execute("SELECT value FROM facts WHERE key LIKE 'latency:%'")]
    stages = {fact["arm"]: set(fact["stages"][0]) for fact in facts}
    assert stages["speech-ctc"] == {"audio", "hear", "answer"}
    assert stages["cascade"] == {"audio", "asr", "llm"}
    assert all(stage["hear"] > 0 for f in facts if f["arm"] == "speech-ctc" for stage in f["stages"])


def test_what_the_journal_says_of_the_arms(done: Path) -> None:
    results = analyse(done)
    arms = {arm.name: arm for arm in results.arms}
    assert arms["cascade"].same == ("self",)
    assert list(arms["speech-ctc"].parts) == ["encoder", "connector", "llm"]
    family = {(c.left, c.right) for c in results.comparisons if c.family}
    assert family == {("speech-ctc", "cascade"), ("speech-frames", "cascade")}
    assert {m.grade for m in results.matches} == {"identical"}
    assert results.hearing is not None
    assert set(results.hearing) == {"cascade", "speech-ctc", "speech-frames"}
    assert {h.passed for h in results.hearing.values()} == {None}
    assert {(r.arm, r.nuisance) for r in results.retests} >= {("gold", "batch"), ("speech-ctc", "shift")}


def scored(rows: dict[str, list[Any]]) -> list[tuple[Any, ...]]:
    """Replies with their scores at the end, as numbers."""
    return [(key, asker, content, *rest, json.loads(scores)) for key, asker, content, scores, *rest in rows["replies"]]


@pytest.mark.slow
def test_a_resumed_run_ends_as_an_undisturbed_one(study: Study, plan: Plan, done: Path, tmp_path: Path) -> None:
    carry_out(study, plan, tmp_path)
    db = sqlite3.connect(tmp_path / "journal.sqlite")
    with db:
        lost = "FROM answers WHERE arm = 'speech-frames' AND item > (SELECT MIN(item) FROM answers)"
        db.execute(f"DELETE FROM replies WHERE key IN (SELECT reply {lost})")
        db.execute(f"DELETE {lost}")
    db.close()
    carry_out(study, plan, tmp_path)
    resumed, calm = contents(tmp_path), contents(done)
    # Three trials in a batch are summed in another order than four.
    for (*key, scores), (*same, wanted) in zip(scored(resumed), scored(calm), strict=True):
        assert key == same
        assert scores == pytest.approx(wanted, abs=1e-4)
    assert resumed | {"replies": ()} == calm | {"replies": ()}


def test_a_dropped_audio_leaves_the_prompt_alone(plan: Plan, models: Models) -> None:
    arm, task = plan.arms[2], plan.tasks[0]
    system = models.system(arm.answers, arm.style)
    assert isinstance(system, SpeechSystem)
    assert [tuple(states.shape) for states in system.speech.hear([None, None])] == [(0, 576)] * 2
    first, second = system.reply(task, task.items[:2], [None, None], "labels")
    assert first and second and first.scores == pytest.approx(second.scores, abs=1e-4)


def test_trials_of_the_gate_are_exchanged_with_another_label(plan: Plan) -> None:
    trials = hearing_trials(plan)
    assert len(trials) == 4
    assert all(t.item.id != t.other.id and t.item.label != t.other.label for t in trials)
    assert trials == hearing_trials(plan)


def test_items_are_chosen_evenly(plan: Plan) -> None:
    task = plan.tasks[0]
    other = replace(task, name="other", items=task.items[:1])
    chosen = choose([task, other], 3, "x")
    assert [t.name for t, _ in chosen] == ["topic", "topic", "other"]
    assert len(choose([task, other], 100, "x")) == 5


def test_a_speech_llm_that_is_nowhere(study: Study) -> None:
    arms = study.arms | {"lost": study.arms["speech-ctc"].model_copy(update={"speech_llm": "./nowhere"})}
    with pytest.raises(ModelError, match="not among the study's models \\(llm, asr, ctc\\)"):
        build_plan(study.model_copy(update={"arms": arms}), Path.cwd(), print)
