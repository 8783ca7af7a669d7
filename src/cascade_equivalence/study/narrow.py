"""A study narrowed: to some arms and tasks, or to a first look at few items."""

from __future__ import annotations

from collections.abc import Container

from cascade_equivalence.errors import UsageError
from cascade_equivalence.study.spec import ArmSpec, Checks, Of, Pairs, Study


def narrow(study: Study, arms: list[str] | None, tasks: list[str] | None) -> Study:
    """Keep only the named arms and tasks (None: all). Raises `UsageError` for a name the study has not."""
    titles = {task if isinstance(task, str) else task.title(): task for task in study.tasks}
    kinds: list[tuple[str, list[str] | None, list[str]]] = [("arm", arms, list(study.arms)), ("task", tasks, [*titles])]
    for kind, wanted, there in kinds:
        if unknown := [name for name in wanted or [] if name not in there]:
            raise UsageError(f"no {kind} '{unknown[0]}' in this study; there are: {', '.join(there)}")
    kept_arms = {name: arm for name, arm in study.arms.items() if arms is None or name in arms}
    kept_arms = {name: _standing_alone(study, arm, kept_arms) for name, arm in kept_arms.items()}
    kept_tasks = [task for title, task in titles.items() if tasks is None or title in tasks]
    pairs = study.comparisons
    if isinstance(pairs, Pairs):
        pairs = Pairs(pairs=[pair for pair in pairs.pairs if set(pair) <= set(kept_arms)])
    sizes = study.mechanism
    if sizes.tasks is not None:
        left = [name for name in sizes.tasks if tasks is None or name in tasks]
        sizes = sizes.model_copy(update={"tasks": left or None})
    primary = study.primary and [pair for pair in study.primary if set(pair) <= set(kept_arms)]
    kept = {
        "primary": primary or None,
        "arms": kept_arms,
        "tasks": kept_tasks,
        "comparisons": pairs,
        "mechanism": sizes,
    }
    return study.model_copy(update=kept)


def first_look(study: Study, limit: int) -> Study:
    """The study with checks that follow its size and without analyses of the inside, so that a look at few items is a
    look at answers."""
    checks = Checks(
        hearing=min(study.checks.hearing, max(20, limit // 2)),
        repeats=min(study.checks.repeats, max(12, limit // 2)),
        latency=min(study.checks.latency, max(8, limit // 4)),
    )
    timed = {
        name: arm if arm.latency is None else arm.model_copy(update={"latency": min(arm.latency, checks.latency)})
        for name, arm in study.arms.items()
    }
    return study.model_copy(update={"checks": checks, "arms": timed, "analyses": ["agreement"]})


def _standing_alone(study: Study, arm: ArmSpec, kept: Container[str]) -> ArmSpec:
    """The arm; where it refers to one that is left out, with that one's speech LLM instead."""
    if not isinstance(arm.llm, Of) or arm.llm.of in kept:
        return arm
    return arm.model_copy(update={"llm": Of(of=study.speech_llm_of(arm.llm))})
