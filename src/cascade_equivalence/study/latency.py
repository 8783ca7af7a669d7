"""Latency of single items: quantiles per stage with limits that assume no distribution."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from cascade_equivalence.agreement import Interval
from cascade_equivalence.study.arms import Arm

STAGES = (("asr", "ASR"), ("hear", "hearing"), ("answer", "answering"), ("llm", "LLM"))
AUDIO = "audio"
"""Not a stage: the seconds of speech of the item."""


@dataclass(frozen=True, slots=True)
class StageLatency:
    """One stage of one arm, or its `total`. per_audio: of seconds per second of speech, the median."""

    arm: str
    stage: str
    n: int
    median: Interval
    p95: Interval
    per_audio: Interval


def latencies(arms: Sequence[Arm]) -> list[StageLatency]:
    """Stages of every arm in order, and the total where there are several."""
    found = []
    for arm in arms:
        samples = arm.latency
        there = {stage for sample in samples for stage in sample} - {AUDIO}
        known = [(key, name) for key, name in STAGES if key in there]
        known += [(key, key) for key in sorted(there - {key for key, _ in STAGES})]
        rows = [(name, [sample[key] for sample in samples if key in sample]) for key, name in known]
        if len(rows) > 1:
            rows.append(("total", [sum(s for k, s in sample.items() if k != AUDIO) for sample in samples]))
        for name, values in rows:
            total = name == "total" or len(rows) == 1
            found.append(
                StageLatency(
                    arm=arm.name,
                    stage=name,
                    n=len(values),
                    median=quantile(values, 0.5),
                    p95=quantile(values, 0.95),
                    per_audio=_per_audio(values, [s.get(AUDIO) for s in samples]) if total else Interval(None),
                )
            )
    return found


FOR_P95 = 72
"""Items from which on P95 has an upper limit at 95 %: 0.95^n ≤ 0.025."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one request to an arm costs. seconds: quantiles of one request at a time; mean: of the same seconds.

    bytes: of all its weights as loaded, where that was recorded. price: of a thousand requests, where the study says
    what an hour of its machine costs.
    """

    arm: str
    n: int
    median: Interval
    p95: Interval
    mean: float
    stages: Mapping[str, float]
    """Stage → its median seconds."""
    audio: float | None
    """Median seconds of speech of the items."""
    bytes: int | None
    price: float | None


def costs(arms: Sequence[Arm], gpu_hour: float | None = None) -> tuple[Cost, ...]:
    """Of every arm whose single items were timed."""
    found = []
    for arm in arms:
        totals = [sum(s for stage, s in sample.items() if stage != AUDIO) for sample in arm.latency]
        if not totals:
            continue
        mean = sum(totals) / len(totals)
        stages = {row.stage: row.median.value for row in latencies([arm]) if row.stage != "total"}
        found.append(
            Cost(
                arm=arm.name,
                n=len(totals),
                median=quantile(totals, 0.5),
                p95=quantile(totals, 0.95),
                mean=mean,
                stages={stage: value for stage, value in stages.items() if value is not None},
                audio=quantile([sample[AUDIO] for sample in arm.latency if AUDIO in sample], 0.5).value,
                bytes=arm.bytes,
                price=None if gpu_hour is None else 1000 * mean / 3600 * gpu_hour,
            )
        )
    return tuple(found)


def quantile(values: Sequence[float], q: float, level: float = 0.95) -> Interval:
    """A quantile with order-statistic limits at `level`; a limit that n values cannot give is None.

    Source: David & Nagaraja (2003), Order Statistics, section 7.1.
    """
    ranked, n = sorted(values), len(values)
    if not n:
        return Interval(None)
    place = q * (n - 1)
    below = math.floor(place)
    above = min(below + 1, n - 1)
    value = ranked[below] + (place - below) * (ranked[above] - ranked[below])
    tail = (1.0 - level) / 2.0
    # P(at most k of n values lie below the quantile).
    at_most = list(accumulate(math.comb(n, j) * q**j * (1 - q) ** (n - j) for j in range(n + 1)))
    low = max((k + 1 for k in range(n) if at_most[k] <= tail), default=0)
    high = min((k for k in range(1, n + 1) if 1.0 - at_most[k - 1] <= tail), default=0)
    return Interval(value, ranked[low - 1] if low else None, ranked[high - 1] if high else None)


def _per_audio(values: Sequence[float], audio: Sequence[float | None]) -> Interval:
    ratios = sorted(v / a for v, a in zip(values, audio, strict=False) if a)
    return quantile(ratios, 0.5)
