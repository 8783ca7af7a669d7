"""Levels: the power of the parts of a signal in which somebody speaks."""

from __future__ import annotations

import numpy as np

from cascade_equivalence.audio.clip import RATE, Samples

FRAME = RATE // 50
"""20 ms."""

ACTIVE_WITHIN_DB = 30.0
"""Frames within this distance of the loud ones (95th percentile) count as active."""


def power(samples: Samples) -> float:
    """Mean square of all samples."""
    return float(np.mean(np.square(samples, dtype=np.float64)))


def active_power(samples: Samples) -> float:
    """Mean square over the active 20 ms frames; 0 for silence.

    The idea of ITU-T P.56 (pauses do not lower the speech level) with a relative threshold instead of its
    envelope follower. Signals under one frame are taken whole.
    """
    frames = len(samples) // FRAME
    if frames == 0:
        return power(samples)
    energies = np.square(samples[: frames * FRAME], dtype=np.float64).reshape(frames, FRAME).mean(axis=1)
    threshold = np.percentile(energies, 95) * 10 ** (-ACTIVE_WITHIN_DB / 10)
    active = energies[energies > threshold] if threshold > 0 else energies[energies > 0]
    return float(active.mean()) if len(active) else 0.0
