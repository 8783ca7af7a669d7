"""The proof of hearing: a few trials on which each arm gets its audio, silence, another item's audio, and none.

What follows from the answers is decided in `study.hearing`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cascade_equivalence.audio.clip import Clip
from cascade_equivalence.audio.condition import Condition
from cascade_equivalence.audio.store import ClipStore
from cascade_equivalence.run.answers import judge, offsets_of
from cascade_equivalence.run.clips import Clips, maker_of
from cascade_equivalence.run.fresh import Fresh, by_task, choose
from cascade_equivalence.run.journal import Journal, TranscriptRow
from cascade_equivalence.run.models import Models
from cascade_equivalence.run.plan import RECIPE, ArmPlan, Plan, source_of
from cascade_equivalence.run.progress import Reporter
from cascade_equivalence.systems.arms import Reply
from cascade_equivalence.systems.identity import digest_of
from cascade_equivalence.systems.prompting import wording
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.task import Task

TRIALS = 40
STIMULI = ("real", "again", "swap", "silence", "none")
"""`again` is the real audio in other batches: what moves there is rounding."""
CLEAN = Condition("clean", ())


@dataclass(frozen=True, slots=True)
class HearingTrial:
    """An item and the one whose audio it is given in exchange, with another gold label where there is one."""

    task: Task
    item: Item
    other: Item


def hearing_trials(plan: Plan) -> list[HearingTrial]:
    """Up to forty trials, the same for every arm."""
    chosen = choose(plan.tasks, TRIALS, "hearing")
    trials = []
    for indices in by_task(chosen).values():
        for place, index in enumerate(indices):
            task, item = chosen[index]
            others = [chosen[i][1] for i in indices[place + 1 :] + indices[:place]]
            if others:
                trials.append(HearingTrial(task, item, next((o for o in others if o.label != item.label), others[0])))
    return trials


def hearing_key(plan: Plan, arm: ArmPlan) -> str:
    """Fact under which an arm's trials are kept."""
    trials = [
        (t.task.name, wording(arm.style, t.task, t.item), plan.mode(t.task), source_of(t.item), source_of(t.other))
        for t in hearing_trials(plan)
    ]
    return f"hearing:{digest_of([RECIPE, plan.arm_digest(arm), trials])}"


def prove_hearing(
    plan: Plan, clips: Clips, journal: Journal, store: ClipStore, models: Models, reporter: Reporter
) -> None:
    """Run the trials of every arm that gets audio, unless the journal has them."""
    todo = [arm for arm in plan.arms if arm.hears and journal.fact(hearing_key(plan, arm)) is None]
    trials = hearing_trials(plan)
    if not todo or not trials:
        return
    fresh = Fresh(plan, models)
    for asr in {arm.asr for arm in todo if arm.asr}:
        keys = {plan.transcript_key(asr, row.sha256): row.sha256 for row in clips.values()}
        fresh.transcripts.update({(asr, keys[key]): row.text for key, row in journal.rows(TranscriptRow, keys).items()})
    stimuli = _stimuli(plan, trials, clips, store)
    with reporter.stage("proof of hearing", len(todo), 0) as stage:
        for arm in todo:
            models.forget()
            journal.put_fact(hearing_key(plan, arm), _listen(plan, arm, trials, stimuli, fresh, journal, models))
            stage.advance(1)
    # The states heard here come from other batches than those of the answers.
    models.forget()


def _stimuli(plan: Plan, trials: list[HearingTrial], clips: Clips, store: ClipStore) -> dict[str, list[Clip | None]]:
    maker = maker_of(plan)
    made: dict[tuple[str, str], Clip] = {}

    def clean(task: Task, item: Item) -> Clip:
        if (task.name, item.id) not in made:
            row = clips.get((task.name, item.id, CLEAN.name))
            made[task.name, item.id] = store.get(row.sha256) if row else maker.make(item, CLEAN).clip
        return made[task.name, item.id]

    real: list[Clip | None] = [clean(t.task, t.item) for t in trials]
    return {
        "real": real,
        "again": real,
        "swap": [clean(t.task, t.other) for t in trials],
        "silence": [Clip(np.zeros_like(clip.samples)) for clip in real if clip],
        "none": [None] * len(trials),
    }


def _listen(
    plan: Plan,
    arm: ArmPlan,
    trials: list[HearingTrial],
    stimuli: dict[str, list[Clip | None]],
    fresh: Fresh,
    journal: Journal,
    models: Models,
) -> dict[str, object]:
    size = plan.batch_size(arm)
    labels: dict[str, list[str]] = {name: [""] * len(trials) for name in STIMULI}
    moved: dict[str, list[float]] = {name: [0.0] * len(trials) for name in STIMULI[1:]}
    for indices in by_task([(t.task, t.item) for t in trials]).values():
        task = trials[indices[0]].task
        offsets = offsets_of(plan, arm, task, journal, models)
        said: dict[str, list[Reply]] = {}
        for name in STIMULI:
            if name == "again":
                models.forget()
            items, heard = [trials[i].item for i in indices], [stimuli[name][i] for i in indices]
            said[name] = fresh.ask(arm, task, items, heard, max(1, size // 2 - 1) if name == "again" else size)
            for index, reply, real in zip(indices, said[name], said["real"], strict=True):
                labels[name][index] = judge(task, trials[index].item, reply, offsets)[0]
                if name != "real":
                    moved[name][index] = _distance(reply, real)
    return {
        "arm": arm.name,
        "trials": [{"task": t.task.name, "item": t.item.id, "other": t.other.id} for t in trials],
        "labels": labels,
        "moved": moved,
    }


def _distance(left: Reply, right: Reply) -> float:
    """The largest difference of two replies' label scores; of texts, whether they differ."""
    if left.scores is None or right.scores is None:
        return float(left.text != right.text)
    return max(abs(a - b) for a, b in zip(left.scores, right.scores, strict=True))
