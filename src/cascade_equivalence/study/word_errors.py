"""Word error rates of the ASRs on the clips of a study."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from cascade_equivalence.agreement import Interval
from cascade_equivalence.study.arms import Arm
from cascade_equivalence.study.records import Given, TaskRecord, Transcript

RESAMPLES = 2000
_BLOCK_ENTRIES = 2_000_000
"""Of rows drawn at once: 16 MB."""


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

    # The same words are read by several ASRs and under several conditions.
    normalise = cache(EnglishTextNormalizer())
    found = []
    first_arm = {arm.asr_key: arm.name for arm in reversed(arms) if arm.asr_key}
    for asr, arm in reversed(first_arm.items()):
        for task in tasks:
            spoken = {item.id: normalise(item.text) for item in task.items if item.text}
            heard: dict[str, list[tuple[str, Transcript]]] = {}
            for answer in given[arm][task.name]:
                if answer and answer.transcript and spoken.get(answer.item):
                    heard.setdefault(answer.condition, []).append((answer.item, answer.transcript))
            for condition in conditions:
                if rows := heard.get(condition):
                    found.append(_rate(asr, task.name, condition, rows, spoken, normalise))
    return tuple(found)


def words_wrong(said: str, read: str) -> int:
    """Substituted, deleted and inserted words; both texts normalised."""
    from rapidfuzz.distance import Levenshtein

    return int(Levenshtein.distance(said.split(), read.split()))


def corpus_rate(pairs: Sequence[tuple[str, str]]) -> Interval:
    """Total errors over total reference words, percentile bootstrap over utterances.

    pairs: what was said (not empty) and what was read, both normalised.
    """
    counts = {pair: (words_wrong(*pair), len(pair[0].split())) for pair in set(pairs)}
    table = np.array([counts[pair] for pair in pairs], dtype=np.int64)
    totals = _resampled(table[:, 0], table[:, 1])
    low, high = np.percentile(totals[0] / totals[1], [2.5, 97.5])
    return Interval(float(table[:, 0].sum() / table[:, 1].sum()), float(low), float(high))


def _resampled(*columns: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """(n,) columns → their (RESAMPLES,) sums over n rows drawn with replacement, the same rows in all."""
    n = len(columns[0])
    rng = np.random.default_rng(0)
    step = max(1, _BLOCK_ENTRIES // n)
    sums: list[list[NDArray[np.int64]]] = [[] for _ in columns]
    for start in range(0, RESAMPLES, step):
        # Blocks of rows draw what one call for all of them would.
        drawn = rng.integers(n, size=(min(step, RESAMPLES - start), n))
        for column, into in zip(columns, sums, strict=True):
            into.append(column[drawn].sum(axis=1))
    return [np.concatenate(parts) for parts in sums]


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
