"""Executing a plan: clips, transcripts, the proof of hearing, replies and answers, then latencies and answers repeated.

Each batch is committed, nothing is done twice but what is repeated on purpose.

Batches are cut from the whole plan, not from what is missing, so a resumed run repeats exactly the batches that an
undisturbed run would have made.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from cascade_equivalence.audio.store import ClipStore
from cascade_equivalence.errors import RunError
from cascade_equivalence.run.answers import answer_arm
from cascade_equivalence.run.batching import chunks, halving
from cascade_equivalence.run.clips import Clips, make_clips
from cascade_equivalence.run.hearing import prove_hearing
from cascade_equivalence.run.journal import Journal, TranscriptRow
from cascade_equivalence.run.latency import sample_latency
from cascade_equivalence.run.layout import CLIPS, JOURNAL
from cascade_equivalence.run.models import Models
from cascade_equivalence.run.plan import Plan
from cascade_equivalence.run.progress import Reporter
from cascade_equivalence.run.retest import repeat_answers
from cascade_equivalence.systems.identity import environment


@contextmanager
def working(directory: Path) -> Iterator[None]:
    """Hold a run directory, made where it is missing, against other processes. Raises `RunError`."""
    lock = FileLock(directory / "run.lock")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise RunError(
            f"{directory}: another process is running this study; wait for it or use another --out"
        ) from None
    except OSError as error:
        raise RunError(f"{directory}: cannot be written ({error})") from None
    try:
        yield
    finally:
        lock.release()


def execute(plan: Plan, models: Models, directory: Path, reporter: Reporter) -> None:
    """Do what the journal in `directory` lacks. Raises `RunError`, `AudioError` or `ModelError`; what was
    committed before stays, and the same call goes on from there."""
    with working(directory):
        journal = Journal(directory / JOURNAL)
        try:
            journal.put_fact("environment", environment())
            store = ClipStore(directory / CLIPS)
            clips = make_clips(plan, journal, store, reporter) if plan.hears() else {}
            for asr in dict.fromkeys(arm.asr for arm in plan.arms if arm.asr):
                transcribe(plan, asr, clips, journal, store, models, reporter)
            prove_hearing(plan, clips, journal, store, models, reporter)
            for arm in plan.arms:
                answer_arm(plan, arm, clips, journal, store, models, reporter)
            for arm in plan.arms:
                sample_latency(plan, arm, clips, journal, store, models)
            repeat_answers(plan, clips, journal, store, models, reporter)
        finally:
            journal.close()


def transcribe(
    plan: Plan,
    asr: str,
    clips: Clips,
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
