"""The first look asks nothing that the whole run does not ask under the same key."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from cascade_equivalence.run.execute import Asked, execute
from cascade_equivalence.run.glance import ITEMS, glance
from cascade_equivalence.run.plan import Plan
from cascade_equivalence.run.progress import Silent
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
    assert seen == [{"topic": ITEMS, "sentiment": ITEMS}]
