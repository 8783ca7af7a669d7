"""What the journal must know for a report to be made without the study's files and models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from cascade_equivalence.errors import UsageError
from cascade_equivalence.inside.material import analysis_keys
from cascade_equivalence.run.answers import offset_key
from cascade_equivalence.run.hearing import hearing_key
from cascade_equivalence.run.journal import Journal
from cascade_equivalence.run.latency import latency_key
from cascade_equivalence.run.plan import ArmPlan, LocalModel, Plan, SpeechModel
from cascade_equivalence.run.repeats import repeat_key
from cascade_equivalence.study.spec import Study
from cascade_equivalence.systems.match import Weights, match
from cascade_equivalence.systems.tensors import read_directory


def record(
    study: Study, plan: Plan, journal: Journal, replacing: bool = False, left_out: Mapping[str, str] | None = None
) -> None:
    """Write the study, its items, the identities of its models and the key of every answer it wants.

    replacing: the journal may be another study's. left_out: optional arms that the study does without. Raises
    `UsageError` where the journal is another study's and may not be.
    """
    if not replacing:
        refuse_another(study, journal)
    journal.put_fact("study", study.model_dump(mode="json") | {"left_out": dict(left_out or {})})
    journal.put_fact("tasks", [_task(plan, index) for index in range(len(plan.tasks))])
    identities = {name: asdict(m.identity) for name, m in plan.models.items() if not isinstance(m, SpeechModel)}
    journal.put_fact("identities", identities)
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


WHERE = {"executor", "memory"}
"""Keys of a study that change where its work is done, and nothing of what comes out."""


def _as_now(there: Mapping[str, Any]) -> dict[str, Any]:
    """A recorded study with the keys that it has not, at any depth, as they are by default."""
    known = {key: value for key, value in there.items() if key in Study.model_fields}
    try:
        return Study.model_validate(known).model_dump(mode="json")
    except ValidationError:
        before = {name: field.get_default(call_default_factory=True) for name, field in Study.model_fields.items()}
        return before | dict(there)


def refuse_another(study: Study, journal: Journal) -> None:
    """Raise `UsageError`, naming the difference, where the journal is that of another study."""
    there = journal.fact("study")
    if there is None:
        return
    now = _without_optional(study.model_dump(mode="json"))
    before = _without_optional(_as_now(there))
    different = [key for key in now if key not in WHERE and _plain(before.get(key)) != _plain(now[key])]
    if different:
        key = different[0]
        raise UsageError(
            f"{journal.path.parent} holds another study ({key}: {_short(before.get(key))} there, {_short(now[key])} "
            f"now{f', and {len(different) - 1} more keys' if len(different) > 1 else ''}); give another --out, or "
            "--replace to make this study the directory's (its answers are kept and used where they fit)"
        )


def _without_optional(study: Mapping[str, Any]) -> dict[str, Any]:
    """A study's keys without its optional arms: one that has come since, or is gone, makes no other study."""
    optional = {name for name, arm in study["arms"].items() if isinstance(arm, dict) and arm.get("optional")}

    def kept(pairs: Any) -> Any:
        return pairs and ([pair for pair in pairs if not optional & set(pair)] or None)

    comparisons = study["comparisons"]
    if isinstance(comparisons, dict):
        comparisons = {"pairs": kept(comparisons["pairs"]) or []}
    arms = {name: arm for name, arm in study["arms"].items() if name not in optional}
    return {**study, "arms": arms, "comparisons": comparisons, "primary": kept(study["primary"])}


def _plain(value: Any) -> Any:
    """As JSON has it, without what is not set."""
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json")
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if v is not None}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def _short(value: Any) -> str:
    text = ", ".join(value) if isinstance(value, dict) else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _arm(study: Study, plan: Plan, arm: ArmPlan) -> dict[str, Any]:
    speech = plan.speech(arm)
    return {
        "kind": arm.kind,
        "asr": arm.asr,
        "llm": arm.llm,
        "speech": asdict(plan.identity(arm.answers)) if arm.kind == "speech" else None,
        "parts": {role: asdict(part) for role, part in speech.parts.items()} if speech else {},
        "style": arm.style,
        "same": [name for name, other in plan.same.items() if other == arm.name],
        "planted": speech.planted if speech else None,
        "bytes": weight_bytes(plan, arm),
        "hearing": hearing_key(plan, arm) if arm.hears and plan.asks(arm) else None,
        "retest": repeat_key(plan, arm),
        "latency": latency_key(plan, arm),
        "offsets": {task.name: offset_key(plan, arm, task) for task in plan.tasks if task.form.kind == "labels"},
        "mechanism": analysis_keys(plan, arm, study.analyses, study.mechanism),
    }


def weight_bytes(plan: Plan, arm: ArmPlan) -> int | None:
    """Bytes of the weights an arm answers with, as they are loaded; None where they are not here."""
    if not plan.here(arm):
        return None
    speech = plan.speech(arm)
    names = [arm.asr, arm.llm if speech else arm.answers]
    models = [model for name in names if name and isinstance(model := plan.models[name], LocalModel)]
    models += [speech.encoder] if speech and speech.encoder else []
    places = {model.directory: model.placement.dtype for model in models if model.inside is None}
    if speech:
        if speech.directory is None:
            return None
        places[speech.directory] = speech.placement.dtype
    return sum(
        sum(tensor.size for tensor in read_directory(directory).values()) * (4 if dtype == "float32" else 2)
        for directory, dtype in places.items()
    )


def _matches(plan: Plan) -> list[dict[str, Any]]:
    """How the language model of each speech LLM relates to those of the other arms."""
    return [
        {"left": arm.name, "right": other.name, **asdict(match(_weights(plan, arm), _weights(plan, other)))}
        for arm in plan.arms
        for other in plan.arms
        if arm.kind == "speech" and other.kind != "speech" and _has_weights(plan, arm) and _has_weights(plan, other)
    ]


def _has_weights(plan: Plan, arm: ArmPlan) -> bool:
    """Whether the tensors of an arm's language model can be read."""
    return arm.llm is not None and isinstance(plan.models[arm.llm], LocalModel)


def _weights(plan: Plan, arm: ArmPlan) -> Weights:
    """The tensors that an arm's LLM answers with."""
    assert arm.llm is not None
    model = plan.models[arm.llm]
    assert isinstance(model, LocalModel)
    holder = plan.speech(arm) or (plan.models[model.inside] if model.inside else None)
    if not isinstance(holder, SpeechModel) or holder.directory is None:
        return Weights(model.directory)
    from cascade_equivalence.systems.speech.weights import language_model_weights

    bare = arm.kind != "speech"
    return language_model_weights(holder.directory, None if model.inside else model.directory, bare=bare)


def _task(plan: Plan, index: int) -> dict[str, Any]:
    task = plan.tasks[index]
    item = task.items[0]
    message = task.form.chat(item)[:2]
    prompts = {arm.style: task.form.plain(item, task.shots).before for arm in plan.arms if arm.style == "plain"}
    return {
        "name": task.name,
        "conditions": [condition.name for condition in plan.conditions_of(task)],
        "variant_of": task.variant_of,
        "origin": asdict(task.origin) if task.origin else None,
        "kind": task.form.kind,
        "sufficient": task.form.sufficient,
        "mode": plan.mode(task),
        "labels": list(task.labels),
        "message": message,
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
                **({"message": own} if (own := task.form.chat(i)[:2]) != message else {}),
            }
            for i in task.items
        ],
    }
