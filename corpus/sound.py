"""From the synthesiser's waveform to a file of the corpus: trim, colour, level, encode."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

Waveform = NDArray[np.float32]

FILE_RATE = 16_000
"""Hz; what both embedded recognisers take."""
MARGIN = 0.15
"""Seconds of silence left before and after the speech."""
LEVEL = -23.0
"""dBFS, root mean square of the frames that hold speech."""
PEAK = 0.97
"""No sample above this; louder clips are turned down as a whole."""
OPUS_BITS = {"topic": 14_500, "sentiment": 14_500, "retest": 14_500, "babble": 16_000}
OTHER_OPUS_BITS = 13_500
"""Bits per second asked of the encoder; short clips come out some 10 % above (container)."""

_FRAME = 0.02
_SPEECH = 35.0
"""A frame holds speech if it is at most so many dB below the loudest frame."""


def _frame_levels(wave: Waveform, rate: int) -> NDArray[np.float64]:
    """Level of each 20 ms frame, dBFS; shape (frames,)."""
    size = int(_FRAME * rate)
    frames = wave[: len(wave) // size * size].reshape(-1, size).astype(np.float64)
    return 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)


def trim(wave: Waveform, rate: int) -> Waveform:
    """Cut or fill the silence before and after the speech to `MARGIN` seconds."""
    levels = _frame_levels(wave, rate)
    speech = np.flatnonzero(levels > levels.max() - 45.0)
    size, margin = int(_FRAME * rate), int(MARGIN * rate)
    first, last = speech[0] * size, (speech[-1] + 1) * size
    padded = np.pad(wave, margin)
    cut = padded[first : last + 2 * margin].copy()
    fade = np.linspace(0.0, 1.0, size, dtype=np.float32)
    cut[:size] *= fade
    cut[-size:] *= fade[::-1]
    return cut


def raise_pitch(wave: Waveform, factor: float) -> Waveform:
    """Play `factor` times as fast: pitch and formants up by the factor, duration down by it."""
    if factor == 1.0:
        return wave
    # Read as if sampled at factor × 24 kHz; only the ratio of the two rates matters to the resampler.
    return np.asarray(soxr.resample(wave, 24_000 * factor, 24_000), np.float32)


def stretch(wave: Waveform, rate: int, factor: float) -> Waveform:
    """`factor` times as long at the same pitch: overlap-add of similar pieces (WSOLA, Verhelst and Roelands 1993)."""
    if factor == 1.0:
        return wave
    hop, reach = int(0.02 * rate), int(0.01 * rate)
    size = 2 * hop
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    padded = np.pad(wave, size + reach).astype(np.float64)
    frames = int(len(wave) * factor / hop) + 1
    out = np.zeros((frames + 1) * hop)
    at = reach
    for number in range(frames):
        if number:
            # What would follow the last piece by itself, and where around the nominal place it is found again.
            natural = padded[at + hop : at + hop + size]
            nominal = min(reach + int(number * hop / factor), len(padded) - size - reach)
            area = padded[nominal - reach : nominal + reach + size]
            energy = np.convolve(area**2, np.ones(size), "valid")
            at = nominal - reach + int(np.argmax(np.correlate(area, natural, "valid") / np.sqrt(energy + 1e-9)))
        out[number * hop : number * hop + size] += window * padded[at : at + size]
    return out[hop:].astype(np.float32)


def set_level(wave: Waveform, rate: int, level: float) -> Waveform:
    """Bring the active speech level to `level` dBFS, as far as the peaks allow."""
    levels = _frame_levels(wave, rate)
    active = levels[levels > levels.max() - _SPEECH]
    gain = 10 ** ((level - 10 * np.log10(np.mean(10 ** (active / 10)))) / 20)
    return np.asarray(wave * min(gain, PEAK / float(np.abs(wave).max())), np.float32)


def finish(wave: Waveform, rate: int, *, tempo: float = 1.0, pitch: float = 1.0, level: float = LEVEL) -> Waveform:
    """The corpus's clip at `FILE_RATE` from the synthesiser's output at `rate`.

    tempo: how many times as fast; pitch: factor on the pitch; level: active level, dBFS.
    """
    # Raising the pitch shortens the clip by the same factor, which the stretch takes back.
    coloured = raise_pitch(stretch(wave, rate, pitch / tempo), pitch)
    clip = np.asarray(soxr.resample(coloured, rate, FILE_RATE), np.float32)
    return set_level(trim(clip, FILE_RATE), FILE_RATE, level)


def write_opus(path: Path, wave: Waveform, bits: int) -> None:
    """Write Ogg Opus, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    # libsndfile maps the level linearly to 256 … 6 kbit/s.
    level = 1.0 - (bits - 6_000) / 250_000
    soundfile.write(part, wave, FILE_RATE, format="OGG", subtype="OPUS", compression_level=level)
    part.replace(path)
