"""Executing a plan: clips, then transcripts, then replies and answers; each batch committed, nothing done twice.

Batches are cut from the whole plan, not from what is missing, so a resumed run repeats exactly the batches that an
undisturbed run would have made.
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

from filelock import FileLock, Timeout

from cascade_equivalence.audio.babble import read_talkers
from cascade_equivalence.audio.store import ClipMaker, ClipStore
from cascade_equivalence.audio.synthesis import KokoroSynthesizer
from cascade_equivalence.errors import AudioError, RunError
from cascade_equivalence.run.answers import answer_arm
from cascade_equivalence.run.batching import chunks, halving
from cascade_equivalence.run.journal import ClipRow, Journal, TranscriptRow
from cascade_equivalence.run.latency import sample_latency
from cascade_equivalence.run.layout import CLIPS, JOURNAL
from cascade_equivalence.run.models import Models
from cascade_equivalence.run.plan import Plan, source_of
from cascade_equivalence.run.progress import Reporter
from cascade_equivalence.systems.identity import environment

CLIPS_PER_COMMIT = 32
KOKORO = cache(KokoroSynthesizer)


def execute(plan: Plan, models: Models, directory: Path, reporter: Reporter) -> None:
    """Do what the journal in `directory` lacks. Raises `RunError`, `AudioError` or `ModelError`; what was
    committed before stays, and the same call goes on from there."""
    directory.mkdir(parents=True, exist_ok=True)
    lock = FileLock(directory / "run.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunError(
            f"{directory}: another process is running this study; wait for it or use another --out"
        ) from None
    except OSError as error:
        raise RunError(f"{directory}: cannot be written ({error})") from None
    try:
        journal = Journal(directory / JOURNAL)
        try:
            journal.put_fact("environment", environment())
            store = ClipStore(directory / CLIPS)
            clips = make_clips(plan, journal, store, reporter) if plan.hears() else {}
            for asr in dict.fromkeys(arm.asr for arm in plan.arms if arm.asr):
                transcribe(plan, asr, clips, journal, store, models, reporter)
            for arm in plan.arms:
                answer_arm(plan, arm, clips, journal, models, reporter)
                sample_latency(plan, arm, clips, journal, store, models)
        finally:
            journal.close()
    finally:
        lock.release()


def make_clips(
    plan: Plan, journal: Journal, store: ClipStore, reporter: Reporter
) -> dict[tuple[str, str, str], ClipRow]:
    """The clip of every (task, item, condition) with a sound, made unless journalled."""
    maker = ClipMaker(partial(read_talkers, plan.talkers), KOKORO, plan.seed)
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


def transcribe(
    plan: Plan,
    asr: str,
    clips: dict[tuple[str, str, str], ClipRow],
    journal: Journal,
    store: ClipStore,
    models: Models,
    reporter: Reporter,
) -> None:
    """One transcript per clip, whatever the number of cascades on this ASR."""
    unique = {row.sha256: row for row in clips.values()}
    order = sorted(unique.values(), key=lambda row: (row.seconds, row.sha256))
    missing = set(journal.missing(TranscriptRow, [plan.transcript_key(asr, row.sha256) for row in order]))
    if not missing:
        return
    size = plan.models[asr].placement.batch_size
    with reporter.stage(f"transcripts: {asr}", len(order), len(order) - len(missing)) as stage:
        for batch in chunks(order, size):
            keys = [plan.transcript_key(asr, row.sha256) for row in batch]
            if not missing.intersection(keys):
                continue
            audio = [store.get(row.sha256) for row in batch]
            model = models.asr(asr)
            found = halving(model.transcribe, audio)
            journal.add(
                *(
                    TranscriptRow(key, asr, row.sha256, t.text, t.logprob, t.tokens, int(t.complete), seconds, count)
                    for key, row, (t, seconds, count) in zip(keys, batch, found, strict=True)
                )
            )
            stage.advance(len(missing.intersection(keys)))
