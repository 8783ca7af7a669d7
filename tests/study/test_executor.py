"""The keys of a study that say where its work is done and with how much memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cascade_equivalence.errors import UsageError
from cascade_equivalence.run.journal import Journal
from cascade_equivalence.study.build import build_plan
from cascade_equivalence.study.executor import ExecutorSpec, executor_of
from cascade_equivalence.study.memory import at_once, refuse_too_large
from cascade_equivalence.study.narrow import narrow
from cascade_equivalence.study.record import refuse_another, weight_bytes
from cascade_equivalence.study.spec import Study, load_study


def study(**keys: Any) -> Study:
    found, _ = load_study("pocket", limit=4, **keys)
    return narrow(found, ["gold", "cascade-w"], ["topic"])


def test_each_device_is_a_worker_and_workers_are_on_the_cpu() -> None:
    assert ExecutorSpec(devices=["cuda:0", "cuda:1"]).places == ["cuda:0", "cuda:1"]
    assert ExecutorSpec(workers=3).places == ["cpu"] * 3
    assert executor_of("here", print) is None


def test_a_cluster_is_named_by_its_address_alone_or_with_more() -> None:
    by_address, whole = (
        study(executor={"ray": "auto"}).executor,
        study(executor={"ray": {"workers": 4, "gpus": 1}}).executor,
    )
    assert isinstance(by_address, ExecutorSpec) and by_address.ray and by_address.ray.address == "auto"
    assert by_address.places == ["cpu"]
    assert isinstance(whole, ExecutorSpec) and whole.ray and (whole.ray.workers, whole.ray.gpus) == (4, 1)
    assert whole.places == ["cuda"]


@pytest.mark.parametrize(
    ("executor", "message"),
    [
        ({"devices": ["cuda:0"], "workers": 2}, "exactly one of devices"),
        ({"threads": 2}, "exactly one of devices"),
        ({"workers": 2, "ray": "auto"}, "exactly one of devices"),
        ({"ray": "auto", "threads": 2}, "threads: of workers on Ray are their cpus"),
        ({"ray": {"gpu": 1}}, "unknown key 'executor.ray.gpu'; did you mean 'gpus'"),
        ({"devices": ["cuda:0", "cpu"]}, "all of one type"),
        ({"workers": 0}, "executor.workers: .*greater than or equal to 1"),
        ({"workers": True}, "true is no number"),
        ({"device": ["cpu"]}, "unknown key 'executor.device'; did you mean 'devices'"),
    ],
)
def test_what_cannot_be_is_said(executor: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        study(executor=executor)


def test_a_run_may_go_on_elsewhere(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    journal.put_fact("study", study(executor={"workers": 2}).model_dump(mode="json"))
    refuse_another(study(memory=8.0), journal)
    with pytest.raises(UsageError, match="holds another study"):
        refuse_another(study(seed=1), journal)


def test_an_arm_that_does_not_fit_is_refused_before_the_start() -> None:
    plan = build_plan(study(), Path(), print)
    cascade = next(arm for arm in plan.arms if arm.asr)
    gold = next(arm for arm in plan.arms if not arm.hears)
    # The ASR is smaller than the LLM, and is released before it.
    assert at_once(plan, cascade) == weight_bytes(plan, gold) == at_once(plan, gold)
    size = (at_once(plan, gold) or 0) / 1e9
    refuse_too_large(plan, None)
    refuse_too_large(plan, size * 1.01)
    with pytest.raises(UsageError, match=r"arm 'gold' holds 0\.\d+ GB .* dtype: bfloat16"):
        refuse_too_large(plan, size * 0.99)
