"""What the acoustic probes predict: loudness and pitch, at the rate of the audio positions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cascade_equivalence.errors import AnalysisError
from cascade_equivalence.mechanism.pitch import HOP, pitch

Floats = NDArray[np.float64]

_QUIETEST = 1e-5
"""-100 dB of full scale: digital silence and what 16 bits cannot tell from it."""


def energy(samples: NDArray[np.floating], rate: int, positions: int, step: float) -> Floats:
    """Natural log of the RMS amplitude of each position's window, shape (positions,).

    Position i covers [i·step, (i+1)·step) seconds; the last windows may reach beyond the end. Raises `AnalysisError`.
    """
    starts, ends = _windows(len(samples) / rate, positions, step)
    total = np.r_[0.0, np.cumsum(np.asarray(samples, dtype=np.float64) ** 2)]
    first = np.minimum(np.round(starts * rate).astype(int), len(samples) - 1)
    last = np.clip(np.round(ends * rate).astype(int), first + 1, len(samples))
    power = (total[last] - total[first]) / (last - first)
    logarithm: Floats = 0.5 * np.log(np.maximum(power, _QUIETEST**2))
    return logarithm


def position_pitch(
    samples: NDArray[np.floating], rate: int, positions: int, step: float, track: Floats | None = None
) -> Floats:
    """log2 of F0 in Hz, averaged over each position's voiced frames, shape (positions,).

    track: `pitch` of the samples, where it is known already.
    NaN where fewer than half of the window's frames are voiced: leave those positions out of the probe.
    """
    starts, ends = _windows(len(samples) / rate, positions, step)
    frames = np.log2(pitch(samples, rate) if track is None else track)
    times = HOP * np.arange(len(frames))
    averages = np.full(positions, np.nan)
    for position, (start, end) in enumerate(zip(starts, ends, strict=True)):
        window = frames[(times >= start) & (times < end)]
        voiced = window[np.isfinite(window)]
        if len(voiced) and 2 * len(voiced) >= len(window):
            averages[position] = voiced.mean()
    return averages


def _windows(seconds: float, positions: int, step: float) -> tuple[Floats, Floats]:
    if step <= 0 or positions < 1:
        raise AnalysisError(f"{positions} positions of {step} s: both must be positive")
    if (positions - 2) * step > seconds:
        raise AnalysisError(f"{positions} positions of {step} s do not fit {seconds:.2f} s of audio: check the rate")
    starts = step * np.arange(positions, dtype=np.float64)
    return starts, starts + step
