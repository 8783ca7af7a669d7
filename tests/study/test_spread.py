"""When a run that leaves it open is spread over processes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cascade_equivalence.run.plan import LocalModel, Plan
from cascade_equivalence.study import spread as module
from cascade_equivalence.study.build import build_plan
from cascade_equivalence.study.executor import ExecutorSpec
from cascade_equivalence.study.spec import Study
from cascade_equivalence.study.spread import spread

STUDY: dict[str, Any] = {
    "tasks": ["topic", "sentiment"],
    "conditions": ["clean", "noise:white@5dB"],
    "models": {"llm": {"id": "smollm2-135m", "prompt": "plain"}, "asr": {"id": "whisper-tiny.en"}},
    "arms": {"gold": {"transcript": "gold", "llm": "llm"}, "cascade": {"asr": "asr", "llm": "llm"}},
}


@pytest.fixture(scope="module")
def plan() -> Plan:
    return build_plan(Study.model_validate(STUDY), Path.cwd(), print)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "processors", lambda: 8)
    monkeypatch.setattr(module, "memory_gb", lambda: 64.0)


def test_a_large_study_is_spread_over_few_processes(plan: Plan) -> None:
    assert spread("auto", plan, None) == ExecutorSpec(workers=module.MOST)


def test_what_the_study_says_stays(plan: Plan) -> None:
    assert spread("here", plan, None) == "here"
    own = ExecutorSpec(workers=3)
    assert spread(own, plan, None) == own


def test_not_where_it_does_not_pay_or_cannot_be(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(plan, tasks=tuple(replace(task, items=task.items[:9]) for task in plan.tasks))
    assert spread("auto", small, None) == "here"
    assert spread("auto", plan, {"mine": object()}) == "here"
    model = plan.models["llm"]
    assert isinstance(model, LocalModel)
    there = replace(model, identity=replace(model.identity, device="cuda"))
    assert spread("auto", replace(plan, models={**plan.models, "llm": there}), None) == "here"
    monkeypatch.setattr(module, "memory_gb", lambda: 2.0)
    assert spread("auto", plan, None) == "here"
    monkeypatch.setattr(module, "memory_gb", lambda: 64.0)
    monkeypatch.setattr(module, "processors", lambda: 1)
    assert spread("auto", plan, None) == "here"
