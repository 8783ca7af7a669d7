"""What the journal must know for a report to be made without the study's files and models."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from cascade_equivalence.run.journal import Journal
from cascade_equivalence.run.layout import JOURNAL
from cascade_equivalence.run.plan import Plan
from cascade_equivalence.study.spec import Study


def record(study: Study, plan: Plan, directory: Path) -> None:
    """Write the study, its items, the identities of its models and the key of every answer it wants."""
    directory.mkdir(parents=True, exist_ok=True)
    journal = Journal(directory / JOURNAL)
    journal.put_fact("study", study.model_dump(mode="json"))
    journal.put_fact("tasks", [_task(plan, index) for index in range(len(plan.tasks))])
    journal.put_fact("identities", {name: asdict(m.identity) for name, m in plan.models.items()})
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


def _task(plan: Plan, index: int) -> dict[str, Any]:
    task = plan.tasks[index]
    item = task.items[0]
    prompts = {arm.style: task.form.plain(item, task.shots).before for arm in plan.arms if arm.style == "plain"}
    return {
        "name": task.name,
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
