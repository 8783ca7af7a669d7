"""Signals for the tests of the audio, and what is measured on them without the package's own code."""

from __future__ import annotations

import numpy as np

RATE = 16_000


def speech(seconds: float = 2.0, seed: int = 0) -> np.ndarray:
    """Bursts of noise with pauses, as speech has them."""
    generator = np.random.default_rng(seed)
    spoken = np.arange(int(RATE * seconds)) // (RATE // 2) % 2 == 0
    return (0.1 * generator.normal(size=len(spoken)) * spoken).astype(np.float32)


def voice(seconds: float = 2.0, seed: int = 0) -> np.ndarray:
    """A voiced, swelling sound: 30 harmonics of a gliding pitch under a syllable rhythm."""
    generator = np.random.default_rng(seed)
    t = np.arange(int(RATE * seconds)) / RATE
    phase = 2 * np.pi * np.cumsum(120 + 20 * np.sin(2 * np.pi * 0.7 * t + seed)) / RATE
    tone = sum(np.cos(k * phase + generator.uniform(0, 6)) / k for k in range(1, 30))
    return (0.1 * tone * np.clip(np.sin(2 * np.pi * 2 * t), 0, None)).astype(np.float32)


def active_level_db(samples: np.ndarray) -> float:
    """Level of the 20 ms frames that are at most 30 dB under the 95th percentile of frame levels, without the mean."""
    samples = np.asarray(samples, np.float64) - np.mean(samples, dtype=np.float64)
    usable = len(samples) - len(samples) % 320
    levels = [
        10 * np.log10(np.mean(np.asarray(samples[at : at + 320], np.float64) ** 2) + 1e-20)
        for at in range(0, usable, 320)
    ]
    # The percentile is one of energies, linear between two frames.
    loud = 10 * np.log10(np.percentile(10 ** (np.array(levels) / 10), 95))
    kept = [10 ** (level / 10) for level in levels if level > loud - 30]
    return float(10 * np.log10(np.mean(kept)))


def level_db(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.var(np.asarray(samples, np.float64))))


def lag(reference: np.ndarray, other: np.ndarray) -> int:
    """Samples by which `other` comes later, by the full cross-correlation."""
    from scipy.signal import correlate

    return int(np.argmax(correlate(other, reference, mode="full"))) - (len(reference) - 1)


def band_db(samples: np.ndarray, low: float, high: float) -> float:
    """Power between two frequencies, by Welch's method."""
    from scipy.signal import welch

    frequencies, density = welch(samples, RATE, nperseg=1024)
    inside = (frequencies >= low) & (frequencies < high)
    return float(10 * np.log10(density[inside].sum() + 1e-20))
