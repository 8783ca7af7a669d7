"""The first look asks nothing that the whole run does not ask under the same key."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from cascade_equivalence.run.answers import Labels, calibrated
from cascade_equivalence.run.execute import Asked, execute
from cascade_equivalence.run.glance import ITEMS, glance
from cascade_equivalence.run.journal import ReplyRow
from cascade_equivalence.run.plan import Plan
from cascade_equivalence.run.progress import Silent
from cascade_equivalence.run.questions import Stimuli
from cascade_equivalence.run.repeats import repeat_fact, repeat_key, repeat_questions
from cascade_equivalence.run.run import open_run
from cascade_equivalence.study.build import build_plan
from cascade_equivalence.study.record import record
from cascade_equivalence.study.results import analyse
from cascade_equivalence.study.spec import Study

STUDY = Study.model_validate(
    {
        "tasks": ["topic", {"task": "sentiment", "conditions": ["swap", "clean"], "permute": [1]}],
        "conditions": ["clean"],
        "models": {"llm": {"id": "smollm2-135m", "prompt": "plain"}, "asr": {"id": "whisper-tiny.en"}},
        "arms": {"gold": {"transcript": "gold", "llm": "llm"}, "cascade": {"asr": "asr", "llm": "llm"}},
        "checks": {"hearing": 4, "repeats": 4, "latency": 2},
        "limit": 16,
        "resamples": 100,
    }
)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return build_plan(STUDY, Path.cwd(), print)


def test_it_is_a_part_of_the_run(plan: Plan) -> None:
    look, whole = Asked.of(plan, plan.arms, glance(plan)), Asked.of(plan, plan.arms)
    assert look.hearing == whole.hearing and look.calibration == whole.calibration
    assert not look.latency and not look.repeats
    shown = {(q.task.name, q.item.id): q.item.label for q in look.answers if q.arm.name == "cascade"}
    for task in ("topic", "sentiment"):
        labels = Counter(label for (name, _), label in shown.items() if name == task)
        assert sum(labels.values()) == ITEMS and max(labels.values()) == min(labels.values())
    assert {q.task.name for q in look.answers} == {"topic", "sentiment"}
    assert {q.condition.name for q in look.answers if q.arm.name == "cascade"} == {"clean"}


def test_what_has_no_clip_yet_cannot_be_asked(plan: Plan) -> None:
    """A first look does not know the clips of repeated answers, which would else count as heard without a sound."""
    unheard = Stimuli(plan, {}, {})
    asked = Asked.of(plan, plan.arms).all()
    assert {q.hears for q in asked} == {True, False}
    assert all(unheard.ready(q) is not q.hears for q in asked)


def test_the_report_so_far_can_be_read_when_it_is_done(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cascade_equivalence.run.execute.WORTH_S", 0.0)
    seen: list[dict[str, int]] = []

    def first() -> None:
        seen.append({cell.task: cell.n for cell in analyse(tmp_path).cells if cell.condition == "clean"})

    with open_run(tmp_path, plan, Silent()) as run:
        record(STUDY, plan, run.journal)
        assert execute(run, first) == 0
        # Whoever goes on is not shown it again.
        assert execute(run, first) == 0
        journal = run.journal
        whole = Stimuli.of(plan, journal, Asked.of(plan, plan.arms).all())
        labels = Labels(whole, calibrated(plan, journal, plan.arms))
        for arm in plan.arms:
            asked = [q for found in repeat_questions(plan, arm).values() for q in found]
            replies = journal.rows(ReplyRow, {whole.reply_key(q) for q in asked})
            made = json.loads(json.dumps(repeat_fact(plan, arm, labels, replies)))
            assert journal.fact(repeat_key(plan, arm)) == made
    assert seen == [{"topic": ITEMS, "sentiment": ITEMS}]
