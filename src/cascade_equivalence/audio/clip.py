"""Clips: mono float32 waveforms with a content hash; reading any file, keeping FLAC."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cascade_equivalence.errors import AudioError
from cascade_equivalence.whole import whole, why_not

RATE = 16_000
"""Samples per second of every clip."""

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Clip:
    """A mono waveform, float32 in [-1, 1], shape (n,), at `rate` samples per second."""

    samples: Samples
    rate: int = RATE

    @cached_property
    def sha256(self) -> str:
        """Hash of the rate and the samples as 16-bit integers, which is what is stored."""
        header = f"{self.rate}:".encode()
        return hashlib.sha256(header + pcm16(self.samples).tobytes()).hexdigest()

    @property
    def seconds(self) -> float:
        """Duration."""
        return len(self.samples) / self.rate


def pcm16(samples: Samples) -> NDArray[np.int16]:
    """Round to 16-bit integers, clipping at full scale."""
    return np.clip(np.round(samples * 32767.0), -32768, 32767).astype(np.int16)


def stored(samples: Samples) -> Clip:
    """The clip as it reads back from its 16-bit file: what every arm hears, made now or read again later."""
    return Clip(pcm16(samples).astype(np.float32) / np.float32(32767.0))


def read_clip(path: Path, item: str | None = None) -> Clip:
    """Read wav, flac, ogg, opus or mp3 at any rate and channel count as a 16 kHz mono clip.

    Channels are averaged, other rates resampled (soxr, high quality); a peak up to twice full scale is brought to it.
    Raises `AudioError` naming the file (and `item`, where given) if it is missing, not audio, cut off, over an hour, at
    an absurd rate, empty, silent, not finite, or if its channels cancel each other; for an item also under 10 ms.
    """
    from cascade_equivalence.audio.sound_file import LEAST_SECONDS, read_sound

    name = f"item '{item}': {path}" if item else f"{path}"
    sound = read_sound(path, name)
    if item and len(sound.samples) < LEAST_SECONDS * sound.rate:
        raise AudioError(f"{name} has {1000 * len(sound.samples) / sound.rate:.2g} ms of sound; take it out")
    return from_samples(sound.samples, sound.rate, name)


def from_samples(samples: Samples, rate: int, name: str) -> Clip:
    """A 16 kHz mono clip of samples of shape (n,) or (n, channels); `name` is what errors call it."""
    mono = samples.mean(axis=1, dtype=np.float32) if samples.ndim == 2 else samples.astype(np.float32)
    if not len(mono):
        raise AudioError(f"{name} has no samples")
    if not np.isfinite(mono).all():
        raise AudioError(f"{name} has {int((~np.isfinite(mono)).sum())} samples that are NaN or infinite")
    if rate != RATE:
        import soxr

        mono = soxr.resample(mono, rate, RATE, quality="HQ").astype(np.float32)
        if not len(mono):
            raise AudioError(f"{name} is too short to resample")
    # A resampler overshoots; clipping would change the sound.
    peak = float(np.abs(mono).max())
    return stored(mono if peak <= 1 else mono / np.float32(peak))


def write_flac(clip: Clip, path: Path) -> None:
    """Write a 16-bit FLAC so that `path` holds either the whole file or nothing."""
    import soundfile

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as part:
            soundfile.write(part, pcm16(clip.samples), clip.rate, format="FLAC", subtype="PCM_16")
    except (soundfile.SoundFileError, RuntimeError, OSError) as error:
        raise AudioError(f"{path} cannot be written ({why_not(error)})") from None


def read_flac(path: Path) -> Clip:
    """Read a clip that `write_flac` stored, sample by sample as it was. Raises `AudioError`."""
    import soundfile

    try:
        samples, rate = soundfile.read(path, dtype="int16")
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise AudioError(f"stored clip {path} cannot be read ({error}); delete it and run again") from None
    return Clip(samples.astype(np.float32) / np.float32(32767.0), rate)
