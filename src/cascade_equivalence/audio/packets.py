"""Packet loss, left as gaps or concealed."""

from __future__ import annotations

import numpy as np

from cascade_equivalence.audio.clip import RATE, Samples

PACKET = RATE // 50
"""20 ms, what voice calls send."""

_LAGS = (RATE // 400, RATE * 15 // 1000)
"""Pitch periods looked for: 2.5 to 15 ms (400 to 67 Hz)."""
_WINDOW = RATE // 50
_HOLD, _GONE = RATE // 100, RATE * 60 // 1000
"""A concealed gap keeps its level for 10 ms and has faded out after 60 ms."""
_FADE = RATE // 200


def lose(samples: Samples, share: float, concealed: bool, generator: np.random.Generator) -> Samples:
    """Lose a share (0 to 1) of the 20 ms packets, at places drawn without bursts, the count rounded.

    Lost packets are silence; `concealed` repeats the last pitch period and fades it out, as ITU-T G.711 Appendix I
    does in outline.
    """
    packets = -(-len(samples) // PACKET)
    lost = np.zeros(packets, dtype=bool)
    lost[generator.choice(packets, size=round(share * packets), replace=False)] = True
    kept = np.repeat(~lost, PACKET)[: len(samples)]
    out = np.where(kept, samples, np.float32(0)).astype(np.float32)
    if concealed:
        edges = np.flatnonzero(np.diff(np.concatenate([[False], lost, [False]]).astype(np.int8)))
        for first, last in edges.reshape(-1, 2):
            _conceal(out, first * PACKET, min(last * PACKET, len(out)))
    return out


def _conceal(samples: Samples, start: int, stop: int) -> None:
    """Fill samples[start:stop] from what was before, and fade the filling into what comes after, in place."""
    past = samples[max(0, start - _WINDOW - _LAGS[1]) : start]
    if not past.any():
        return
    period = past[-_pitch(past) :]
    end = min(stop + _FADE, len(samples))
    age = np.arange(end - start)
    level = np.clip((_GONE - age) / (_GONE - _HOLD), 0, 1)
    filling = np.take(period, age, mode="wrap") * level
    samples[start:stop] = filling[: stop - start]
    weight = (np.arange(end - stop) + 1) / (_FADE + 1)
    samples[stop:end] = weight * samples[stop:end] + (1 - weight) * filling[stop - start :]


def _pitch(past: Samples) -> int:
    """The lag at which the last 20 ms resemble what was before most (normalised correlation)."""
    padded = np.concatenate([np.zeros(max(0, _WINDOW + _LAGS[1] - len(past)), np.float32), past]).astype(np.float64)
    recent = padded[-_WINDOW:]
    lags = np.arange(_LAGS[0], _LAGS[1] + 1)
    before = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[len(padded) - _WINDOW - lags]
    likeness = before @ recent / np.sqrt(np.square(before).sum(axis=1) + 1e-12)
    return min(int(lags[likeness.argmax()]), len(past))
