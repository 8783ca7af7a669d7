"""Answers repeated under nuisances: other batches, a shift of 10 ms, another voice. Computed anew, never cached."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cascade_equivalence.audio.clip import RATE, Clip, stored
from cascade_equivalence.audio.condition import Condition
from cascade_equivalence.audio.store import ClipStore
from cascade_equivalence.run.answers import judge, offsets_of
from cascade_equivalence.run.clips import Clips, maker_of
from cascade_equivalence.run.fresh import Fresh, by_task, choose
from cascade_equivalence.run.journal import Journal
from cascade_equivalence.run.models import Models
from cascade_equivalence.run.plan import RECIPE, ArmPlan, Plan, source_of
from cascade_equivalence.run.progress import Reporter
from cascade_equivalence.systems.identity import digest_of
from cascade_equivalence.systems.prompting import wording
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.manifest import read_manifest
from cascade_equivalence.tasks.task import Task, corpus_dir

TRIALS = 60
SHIFT = RATE // 100
"""Samples of silence put before a clip; as many are taken from its end."""


@dataclass(frozen=True, slots=True)
class Nuisance:
    """One way to repeat: trials with their clips (None: the text is read), and in what batches."""

    name: str
    trials: list[tuple[Task, Item]]
    clips: list[Clip | None]
    batch_size: int


def reference(plan: Plan) -> Condition:
    """The condition under which answers are repeated: the study's first without any step, else its first."""
    return next((c for c in plan.conditions if not c.steps), plan.conditions[0])


def _tasks(plan: Plan) -> list[Task]:
    """The tasks that are run under the reference condition."""
    return [task for task in plan.tasks if reference(plan) in plan.conditions_of(task)]


def retest_key(plan: Plan, arm: ArmPlan) -> str:
    """Fact under which an arm's repeated answers are kept."""
    chosen = choose(_tasks(plan), TRIALS, "retest")
    trials = [
        (task.name, item.id, wording(arm.style, task, item), source_of(item) if arm.hears else item.text)
        for task, item in chosen
    ]
    voices = [(item.id, source_of(again)) for _, item, again in _second_voices(plan)] if arm.hears else []
    return f"retest:{digest_of([RECIPE, plan.arm_digest(arm), reference(plan).name, plan.seed, trials, voices])}"


def repeat_answers(
    plan: Plan, clips: Clips, journal: Journal, store: ClipStore, models: Models, reporter: Reporter
) -> None:
    """Repeat up to sixty answers of every arm under every nuisance that it can meet, unless the journal has them."""
    todo = [arm for arm in plan.arms if journal.fact(retest_key(plan, arm)) is None]
    if not todo:
        return
    fresh: dict[str, Fresh] = {}
    with reporter.stage("answers repeated", len(todo), 0) as stage:
        for arm in todo:
            repeated = {}
            for nuisance in _nuisances(plan, arm, clips, store):
                models.forget()
                # Transcripts of one nuisance serve all cascades on that ASR, but no other nuisance.
                asker = fresh.setdefault(nuisance.name, Fresh(plan, models))
                repeated[nuisance.name] = _repeat(plan, arm, nuisance, asker, journal, models)
            journal.put_fact(
                retest_key(plan, arm),
                {"arm": arm.name, "condition": reference(plan).name, "nuisances": repeated},
            )
            stage.advance(1)


def _nuisances(plan: Plan, arm: ArmPlan, clips: Clips, store: ClipStore) -> Iterator[Nuisance]:
    chosen, size = choose(_tasks(plan), TRIALS, "retest"), plan.batch_size(arm)
    other = 2 if size == 1 else max(1, size // 2 - 1)
    if not arm.hears:
        yield Nuisance("batch", chosen, [None] * len(chosen), other)
        return
    condition = reference(plan)
    heard = [store.get(clips[task.name, item.id, condition.name].sha256) for task, item in chosen]
    yield Nuisance("batch", chosen, [*heard], other)
    yield Nuisance("shift", chosen, [shifted(clip) for clip in heard], size)
    voices = _second_voices(plan)
    maker = maker_of(plan)
    said: list[Clip | None] = [maker.make(again, condition).clip for _, _, again in voices]
    if voices:
        yield Nuisance("voice", [(task, item) for task, item, _ in voices], said, size)


def shifted(clip: Clip) -> Clip:
    """The clip 10 ms later, as long as it was."""
    return stored(np.concatenate([np.zeros(SHIFT, np.float32), clip.samples])[: len(clip.samples)])


def _second_voices(plan: Plan) -> list[tuple[Task, Item, Item]]:
    """Shipped items of the plan that a second voice has spoken too: (task, item, the same words again)."""
    shipped = {
        (task.name, item.id): (task, item)
        for task in _tasks(plan)
        for item in task.items
        if item.audio and item.audio.is_relative_to(corpus_dir())
    }
    if not shipped:
        return []
    found = []
    for again in read_manifest(corpus_dir() / "retest.jsonl"):
        if pair := shipped.get(("topic", str(again.fields["of"]))):
            found.append((*pair, again))
    return found[:TRIALS]


def _repeat(
    plan: Plan, arm: ArmPlan, nuisance: Nuisance, fresh: Fresh, journal: Journal, models: Models
) -> list[tuple[str, str, str]]:
    """(task, item, label) of each trial."""
    rows = []
    for indices in by_task(nuisance.trials).values():
        task = nuisance.trials[indices[0]][0]
        items = [nuisance.trials[i][1] for i in indices]
        offsets = offsets_of(plan, arm, task, journal, models)
        replies = fresh.ask(arm, task, items, [nuisance.clips[i] for i in indices], nuisance.batch_size)
        rows += [
            (task.name, item.id, judge(task, item, reply, offsets)[0])
            for item, reply in zip(items, replies, strict=True)
        ]
    return rows
