"""What the journal must know for a report to be made without the study's files and models."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from cascade_equivalence.run.hearing import hearing_key
from cascade_equivalence.run.journal import Journal
from cascade_equivalence.run.layout import JOURNAL
from cascade_equivalence.run.plan import ArmPlan, Plan
from cascade_equivalence.run.retest import retest_key
from cascade_equivalence.study.mechanism.material import analysis_keys
from cascade_equivalence.study.spec import Study
from cascade_equivalence.systems.match import Weights, match


def record(study: Study, plan: Plan, directory: Path) -> None:
    """Write the study, its items, the identities of its models and the key of every answer it wants."""
    directory.mkdir(parents=True, exist_ok=True)
    journal = Journal(directory / JOURNAL)
    journal.put_fact("study", study.model_dump(mode="json"))
    journal.put_fact("tasks", [_task(plan, index) for index in range(len(plan.tasks))])
    journal.put_fact("identities", {name: asdict(m.identity) for name, m in plan.models.items()})
    journal.put_fact("arms", {arm.name: _arm(study, plan, arm) for arm in plan.arms})
    journal.put_fact("matches", _matches(plan))
    journal.put_fact(
        "wanted",
        {
            arm.name: {
                task.name: [plan.answer_key(arm, task, t) for t in plan.trials(task, arm)] for task in plan.tasks
            }
            for arm in plan.arms
        },
    )
    journal.close()


def _arm(study: Study, plan: Plan, arm: ArmPlan) -> dict[str, Any]:
    speech = plan.speech[arm.speech] if arm.speech else None
    return {
        "kind": "speech" if speech else "cascade" if arm.asr else "gold",
        "asr": arm.asr,
        "llm": arm.llm,
        "speech": asdict(speech.identity) if speech else None,
        "parts": {role: asdict(part) for role, part in speech.parts.items()} if speech else {},
        "style": arm.style,
        "same": [name for name, other in plan.same.items() if other == arm.name],
        "hearing": hearing_key(plan, arm) if arm.hears else None,
        "retest": retest_key(plan, arm),
        "mechanism": analysis_keys(plan, arm, study.analyses, study.mechanism),
    }


def _matches(plan: Plan) -> list[dict[str, Any]]:
    """How the language model of each speech LLM relates to those of the other arms."""
    return [
        {"left": arm.name, "right": other.name, **asdict(match(_weights(plan, arm), _weights(plan, other)))}
        for arm in plan.arms
        for other in plan.arms
        if arm.speech and not other.speech
    ]


def _weights(plan: Plan, arm: ArmPlan) -> Weights:
    """The tensors that an arm's LLM answers with."""
    model = plan.models[arm.llm]
    speech = plan.speech.get(arm.speech or model.inside or "")
    if speech is None or speech.directory is None:
        return Weights(model.directory)
    from cascade_equivalence.systems.speech.weights import language_model_weights

    return language_model_weights(speech.directory, None if model.inside else model.directory, bare=not arm.speech)


def _task(plan: Plan, index: int) -> dict[str, Any]:
    task = plan.tasks[index]
    item = task.items[0]
    prompts = {arm.style: task.form.plain(item, task.shots).before for arm in plan.arms if arm.style == "plain"}
    return {
        "name": task.name,
        "conditions": [condition.name for condition in plan.conditions_of(task)],
        "variant_of": task.variant_of,
        "kind": task.form.kind,
        "sufficient": task.form.sufficient,
        "mode": plan.mode(task),
        "labels": list(task.labels),
        "prompt": prompts.get("plain", " … ".join(task.form.chat(item))),
        "shots": [shot.id for shot in task.shots],
        "calibrated_on": len(task.calibration) if task.form.kind == "labels" else 0,
        "items": [
            {
                "id": i.id,
                "text": i.text,
                "accepted": list(i.accepted),
                "choices": [c.label for c in i.choices],
                "group": i.group,
                "speaker": i.speaker,
            }
            for i in task.items
        ],
    }
