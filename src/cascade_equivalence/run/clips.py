"""The clips of a plan: made once, stored, journalled."""

from __future__ import annotations

from functools import cache, partial

from cascade_equivalence.audio.babble import read_talkers
from cascade_equivalence.audio.store import ClipMaker, ClipStore
from cascade_equivalence.audio.synthesis import KokoroSynthesizer
from cascade_equivalence.errors import AudioError
from cascade_equivalence.run.batching import chunks
from cascade_equivalence.run.journal import ClipRow, Journal
from cascade_equivalence.run.plan import Plan, source_of
from cascade_equivalence.run.progress import Reporter

CLIPS_PER_COMMIT = 32
KOKORO = cache(KokoroSynthesizer)

Clips = dict[tuple[str, str, str], ClipRow]
"""(task, item, condition) → clip."""


def maker_of(plan: Plan) -> ClipMaker:
    """What makes the plan's clips."""
    return ClipMaker(partial(read_talkers, plan.talkers), KOKORO, plan.seed)


def make_clips(plan: Plan, journal: Journal, store: ClipStore, reporter: Reporter) -> Clips:
    """The clip of every (task, item, condition) with a sound, made unless journalled."""
    maker = maker_of(plan)
    wanted = [
        (task.name, trial, trial.sound, plan.clip_key(source_of(trial.sound), trial.condition))
        for task in plan.tasks
        for trial in plan.trials(task)
        if trial.sound
    ]
    there = journal.rows(ClipRow, {key for *_, key in wanted})
    todo = {
        key: (task, trial, sound)
        for task, trial, sound, key in wanted
        if key not in there or not store.path(there[key].sha256).is_file()
    }
    if todo:
        with reporter.stage("clips", len(wanted), len(wanted) - len(todo)) as stage:
            for part in chunks(list(todo.items()), CLIPS_PER_COMMIT):
                rows = []
                for key, (task, trial, sound) in part:
                    made = maker.make(sound, trial.condition)
                    store.put(made.clip)
                    row = ClipRow(
                        key, task, trial.item.id, trial.condition.name, made.clip.sha256, made.clip.seconds,
                        made.snr_db, made.scale,
                    )  # fmt: skip
                    if key in there and there[key].sha256 != row.sha256:
                        raise AudioError(
                            f"item '{trial.item.id}', {trial.condition.name}: the clip made again differs from the "
                            "journalled one (another machine or library version?); use a new run directory"
                        )
                    rows.append(row)
                journal.add(*rows)
                stage.advance(len(part))
        there = journal.rows(ClipRow, {key for *_, key in wanted})
    return {(task, trial.item.id, trial.condition.name): there[key] for task, trial, _, key in wanted}
