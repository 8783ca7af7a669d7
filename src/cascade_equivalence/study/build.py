"""From a study to a plan: tasks read, models located and identified, names resolved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cascade_equivalence.audio.condition import parse_condition
from cascade_equivalence.errors import UsageError
from cascade_equivalence.run.plan import ArmPlan, ModelPlan, Plan
from cascade_equivalence.study.spec import Study
from cascade_equivalence.systems.identity import identify
from cascade_equivalence.systems.loading import Role, locate, place
from cascade_equivalence.systems.prompting import style_of
from cascade_equivalence.tasks.task import Task, corpus_dir, load_task


def build_tasks(study: Study, base: Path) -> tuple[Task, ...]:
    """The tasks of a study with their items. Raises `UsageError`."""
    tasks = [
        load_task(spec, limit=study.limit)
        if isinstance(spec, str)
        else load_task(spec.title(), base / spec.manifest, spec.where, study.limit, spec.voice)
        for spec in study.tasks
    ]
    names = [task.name for task in tasks]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"tasks: '{twice[0]}' is there twice; give one of them another name")
    return tuple(tasks)


def build_plan(study: Study, base: Path, say: Callable[[str], None]) -> Plan:
    """Resolve a study. Embedded models that are missing are fetched, after saying so.

    Raises `UsageError` or `ModelError`.
    """
    tasks = build_tasks(study, base)
    conditions = tuple(parse_condition(text, base) for text in study.conditions)
    if len({c.name for c in conditions}) != len(conditions):
        raise UsageError("conditions: one is there twice")
    roles: dict[str, Role] = {}
    for arm in study.arms.values():
        roles[arm.llm] = "llm"
        if arm.asr:
            roles[arm.asr] = "asr"
    models = {name: _model(study, name, role, say) for name, role in roles.items()}
    return Plan(
        tasks=tasks,
        conditions=conditions,
        models=models,
        paddings={name: study.models[name].padding for name, role in roles.items() if role == "asr"},
        arms=tuple(
            ArmPlan(
                name,
                arm.llm,
                style_of(arm.llm, models[arm.llm].directory, study.models[arm.llm].prompt),
                arm.asr,
            )
            for name, arm in study.arms.items()
        ),
        answer=study.answer,
        seed=study.seed,
        talkers=(base / study.babble) if study.babble else corpus_dir() / "babble.jsonl",
    )


def _model(study: Study, name: str, role: Role, say: Callable[[str], None]) -> ModelPlan:
    spec = study.models[name]
    placement = place(role, spec.device or study.device, spec.dtype or study.dtype, spec.batch_size)
    directory = locate(spec.id, say)
    decoding = {"padding": spec.padding, "language": "en"} if role == "asr" else {}
    return ModelPlan(name, directory, placement, identify(spec.id, directory, placement, **decoding))
