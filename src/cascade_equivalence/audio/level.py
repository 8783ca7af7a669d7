"""Levels: the power of the parts of a signal in which somebody speaks."""

from __future__ import annotations

import numpy as np

from cascade_equivalence.audio.clip import RATE, Samples

FRAME = RATE // 50
"""20 ms."""

ACTIVE_WITHIN_DB = 30.0
"""Frames within this distance of the loud ones (95th percentile) count as active."""


_ROUNDING = 1e-12


def power(samples: Samples) -> float:
    """Mean square around the mean: a constant offset is no sound."""
    wide = samples.astype(np.float64)
    return float(np.mean(np.square(wide - wide.mean())))


def active_power(samples: Samples) -> float:
    """Mean square around the signal's mean over the active 20 ms frames; 0 for silence.

    The idea of ITU-T P.56 (pauses do not lower the speech level) with a relative threshold instead of its
    envelope follower. Signals under one frame are taken whole.
    """
    frames = len(samples) // FRAME
    if frames == 0:
        return power(samples)
    wide = samples.astype(np.float64)
    energies = np.square((wide - wide.mean())[: frames * FRAME]).reshape(frames, FRAME).mean(axis=1)
    # What rounding leaves of a constant signal is silence.
    energies[energies <= _ROUNDING * float(np.square(wide).mean())] = 0.0
    threshold = np.percentile(energies, 95) * 10 ** (-ACTIVE_WITHIN_DB / 10)
    active = energies[energies > threshold] if threshold > 0 else energies[energies > 0]
    return float(active.mean()) if len(active) else 0.0
