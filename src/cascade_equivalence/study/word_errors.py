"""Word error rates of the ASRs on the clips of a study."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cascade_equivalence.agreement import Interval
from cascade_equivalence.study.arms import Arm
from cascade_equivalence.study.records import Given, TaskRecord, Transcript

RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Corpus WER of one ASR on one task and condition, after Whisper's English text normaliser.

    rate: total errors over total reference words, percentile bootstrap over utterances. incomplete: transcripts
    that did not end by themselves.
    """

    asr: str
    task: str
    condition: str
    n: int
    rate: Interval
    logprob: float | None
    incomplete: int


def word_errors(
    conditions: Sequence[str],
    arms: Sequence[Arm],
    tasks: Sequence[TaskRecord],
    given: Given,
) -> tuple[WordErrors, ...]:
    """WER per (ASR, task, condition) over the items whose spoken text is known."""
    from whisper_normalizer.english import EnglishTextNormalizer

    normalise = EnglishTextNormalizer()
    found = []
    first_arm = {arm.asr_key: arm.name for arm in reversed(arms) if arm.asr_key}
    for asr, arm in reversed(first_arm.items()):
        for task in tasks:
            spoken = {item.id: normalise(item.text) for item in task.items if item.text}
            for condition in conditions:
                rows = [
                    (answer.item, answer.transcript)
                    for answer in given[arm][task.name]
                    if answer and answer.transcript and answer.condition == condition and spoken.get(answer.item)
                ]
                if rows:
                    found.append(_rate(asr, task.name, condition, rows, spoken, normalise))
    return tuple(found)


def corpus_rate(pairs: Sequence[tuple[str, str]]) -> Interval:
    """Total errors over total reference words, percentile bootstrap over utterances.

    pairs: what was said (not empty) and what was read, both normalised.
    """
    import jiwer

    counts = []
    for said, read in pairs:
        words = len(said.split())
        out = jiwer.process_words(said, read) if read else None
        errors = words if out is None else out.substitutions + out.deletions + out.insertions
        counts.append((errors, words))
    table = np.array(counts, dtype=np.float64)
    draws = np.random.default_rng(0).integers(len(table), size=(RESAMPLES, len(table)))
    totals = table[draws].sum(axis=1)
    low, high = np.percentile(totals[:, 0] / totals[:, 1], [2.5, 97.5])
    return Interval(float(table[:, 0].sum() / table[:, 1].sum()), float(low), float(high))


def _rate(
    asr: str,
    task: str,
    condition: str,
    rows: list[tuple[str, Transcript]],
    spoken: Mapping[str, str],
    normalise: Callable[[str], str],
) -> WordErrors:
    return WordErrors(
        asr=asr,
        task=task,
        condition=condition,
        n=len(rows),
        rate=corpus_rate([(spoken[item], normalise(transcript.text)) for item, transcript in rows]),
        logprob=float(np.mean(known)) if (known := [t.logprob for _, t in rows if t.logprob is not None]) else None,
        incomplete=sum(not t.complete for _, t in rows),
    )
