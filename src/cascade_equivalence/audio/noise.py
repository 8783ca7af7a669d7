"""Noise: coloured or recorded, and mixing it with speech at an SNR."""

from __future__ import annotations

import numpy as np

from cascade_equivalence.audio.clip import RATE, Samples
from cascade_equivalence.audio.level import active_power, power
from cascade_equivalence.audio.recordings import Recordings, read_recording
from cascade_equivalence.errors import AudioError

PEAK = 0.99
"""Where speech and noise are scaled down together."""

SLOPES = {"white": 0.0, "pink": 1.0, "brown": 2.0}
"""Power density falls as frequency to the minus this."""

LOWEST = 20.0
"""Hz; coloured noise has nothing below."""

_DRAWS = 20
_EMPTY = 1e-3


def coloured(colour: str, length: int, generator: np.random.Generator) -> Samples:
    """Gaussian noise of a colour, `length` samples, unscaled: white noise shaped in the frequency domain."""
    # The noise is periodic in its own length; a second more keeps the lowest frequencies apart in short clips.
    spectrum = np.fft.rfft(generator.standard_normal(length + RATE))
    frequencies = np.fft.rfftfreq(length + RATE, 1 / RATE)
    shape = np.zeros_like(frequencies)
    kept = frequencies >= LOWEST
    shape[kept] = frequencies[kept] ** (-SLOPES[colour] / 2)
    return np.fft.irfft(spectrum * shape, length + RATE)[:length].astype(np.float32)


def recorded(recordings: Recordings, length: int, generator: np.random.Generator) -> Samples:
    """`length` samples of one of the recordings from a random place, repeated where it is too short, unscaled.

    A stretch with under a thousandth of the recording's mean power is drawn again: amplifying the gap between
    two events would be another noise. Raises `AudioError` if there is none with more.
    """
    path = recordings.files[int(generator.integers(len(recordings.files)))]
    samples = read_recording(path)
    for _ in range(_DRAWS):
        start = int(generator.integers(len(samples)))
        stretch = np.take(samples, np.arange(start, start + length), mode="wrap")
        if power(stretch) > _EMPTY * power(samples):
            return stretch
    raise AudioError(f"recording {path} is silent nearly everywhere; cut it to where the sound is")


def mix(speech: Samples, noise: Samples, snr_db: float, name: str) -> tuple[Samples, float, float]:
    """Add noise at an SNR: active-speech power of `speech` over the mean power of `noise`.

    Returns the mixture, the SNR reached (dB) and the factor both were scaled by where the peak would pass
    0.99. Raises `AudioError` if either is silent: the ratio is not defined then.
    """
    speech_power, noise_power = active_power(speech), power(noise)
    if speech_power == 0 or noise_power == 0:
        silent = "speech" if speech_power == 0 else "noise"
        raise AudioError(f"{name}: the {silent} is silent, an SNR of {snr_db} dB cannot be made")
    gain = np.sqrt(speech_power / (noise_power * 10 ** (snr_db / 10)))
    scaled = (noise * gain).astype(np.float32)
    mixture, factor = limit(speech + scaled)
    return mixture, 10 * float(np.log10(speech_power / power(scaled))), factor


def limit(samples: Samples) -> tuple[Samples, float]:
    """Scale down to a peak of 0.99 where it is higher; the samples and the factor (1: not at all)."""
    peak = float(np.abs(samples).max())
    factor = PEAK / peak if peak > PEAK else 1.0
    return (samples * np.float32(factor)).astype(np.float32), factor
