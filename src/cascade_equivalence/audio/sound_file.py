"""Decoding sound files of any kind, and one check of what came out against what the file promises."""

from __future__ import annotations

import contextlib
import io
import unicodedata
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade_equivalence.audio import mp3
from cascade_equivalence.audio.containers import broken_off, second_start, why_damaged
from cascade_equivalence.errors import AudioError
from cascade_equivalence.reading.text import LFS_POINTER

RATES = (1_000, 768_000)
"""Hz, the sample rates that are read."""
MOST_SECONDS = 3_600
MOST_FRAMES = 60_000_000
"""An hour at 16 kHz, twenty minutes at 48 kHz: what fits into memory several times."""
MOST_SAMPLES = 4 * MOST_FRAMES
"""Of all channels together."""
LEAST_SECONDS = 0.01
MOST_CHANNELS = 64
MOST_BYTES = 1 << 30

SILENT = 1e-9
"""Power (mean square around the mean) under which nothing is left of a sound in 16 bits."""
CANCELLED = 0.01
"""Share of the channels' power that their mean must keep."""
MOST_CANCELLED = 0.25
"""Share of the channels' energy that may stand in stretches where the mean keeps less than that."""
OFFSET = 1e4
"""Power of a constant offset, against the sound's, over which there is hardly any sound."""
LOUDEST = 2.0
"""Peak up to which a sound is scaled to full scale, as a codec's overshoot; louder is no sound in −1 … 1."""

_BLOCK = 1 << 16
_STRETCH = 1 << 10
"""Samples over which channels are compared."""
_DECODER_ERRORS = (RuntimeError, TypeError, ValueError, OverflowError, OSError, MemoryError, AttributeError)


@dataclass(frozen=True, slots=True)
class Sound:
    """A decoded file: mono float32 samples, shape (n,), at `rate`."""

    samples: NDArray[np.float32]
    rate: int


def read_sound(path: Path, name: str) -> Sound:
    """The mean of a file's channels, checked. `name` is what errors call it.

    Raises `AudioError` if the file is missing, no audio, damaged, shorter than it says, over an hour or 60 million
    samples, of an absurd rate, empty, silent, far beyond full scale, or if its channels cancel each other.
    """
    path = existing(path, name)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise AudioError(f"{name} has more than {MOST_BYTES >> 20} MB; cut it into clips")
        return _decoded(path, name)
    except _DECODER_ERRORS as error:
        with contextlib.suppress(OSError), path.open("rb") as stream:
            if stream.read(len(LFS_POINTER)) == LFS_POINTER:
                raise AudioError(f"{name} is a pointer of Git LFS, not the sound; `git lfs pull` fetches it") from None
        said = " ".join(str(error).split()) or type(error).__name__
        raise AudioError(f"{name} cannot be read as audio ({said})") from None


def existing(path: Path, name: str) -> Path:
    """The file, also where its name on disk is the same text in another Unicode form. Raises `AudioError`."""
    if _is_file(path):
        return path
    for form in ("NFC", "NFD"):
        if _is_file(other := Path(unicodedata.normalize(form, str(path)))):
            return other
    said = f"{name.removesuffix(str(path))}audio file {path} is missing"
    if "\\" in str(path) and _is_file(Path(str(path).replace("\\", "/"))):
        raise AudioError(f"{said}; write its path with / instead of \\")
    try:
        alike = [p.name for p in path.parent.iterdir() if p.name.casefold() == path.name.casefold()]
        kind = "" if not path.exists() else "a folder" if path.is_dir() else "a device or a pipe"
    except (OSError, ValueError):
        alike, kind = [], ""
    if kind:
        raise AudioError(f"{said.removesuffix(' is missing')} is no file but {kind}")
    raise AudioError(f"{said}; there is {alike[0]}: names differ in case" if alike else said)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, or with a NUL in it
        return False


def _decoded(path: Path, name: str) -> Sound:
    import soundfile

    with ExitStack() as stack:
        stream: Any = stack.enter_context(path.open("rb", buffering=0))  # its descriptor is read on
        tail = mp3.tagged(stream) if mp3.is_mp3(stream.read(16)) else None
        if tail is not None and tail.cut is not None:
            raise AudioError(f"{name} is cut off: {tail.cut}; fetch it again")
        stream.seek(0)
        # The descriptor alone: by a name ending in .raw soundfile would take any file for headerless samples.
        source: Any = stream.fileno() if tail is None else io.BytesIO(tail.data)
        file = stack.enter_context(soundfile.SoundFile(source, closefd=False))
        _check_header(file, name)
        sound = _mixed(file, name)
        promised = broken_off(file, path)
        damage = why_damaged(file)
    if damage is not None:
        raise AudioError(f"{name} is damaged: {damage}; fetch it again")
    got = len(sound.samples)
    if promised is not None and got < promised:
        raise AudioError(
            f"{name} is cut off: it promises {promised / sound.rate:.2f} s and holds {got / sound.rate:.2f} s; "
            "fetch it again"
        )
    if (start := second_start(path, file.format)) is not None:
        raise AudioError(
            f"{name} is several files in one: a second one begins at byte {start}, and only the first would be read; "
            "split it, or join the sounds"
        )
    return sound


def _check_header(file: Any, name: str) -> None:
    rate, channels, frames = file.samplerate, file.channels, file.frames
    if not RATES[0] <= rate <= RATES[1]:
        raise AudioError(f"{name} has a rate of {rate} Hz; {RATES[0]} to {RATES[1]} Hz are read")
    if channels > MOST_CHANNELS:
        raise AudioError(f"{name} has {channels} channels, more than {MOST_CHANNELS}")
    if file.format == "FLAC" and frames > 1 << 40:
        raise AudioError(
            f"{name} does not say its length (an encoder on a pipe wrote it); rewrite it: ffmpeg -i IN OUT"
        )
    if frames > MOST_SECONDS * rate:
        raise AudioError(f"{name} is {frames / rate:.0f} s long, over {MOST_SECONDS} s; cut it into clips")
    if frames > MOST_FRAMES or frames * channels > MOST_SAMPLES:
        raise _too_many(name)


def _too_many(name: str) -> AudioError:
    one, all_of_them = MOST_FRAMES // 1_000_000, MOST_SAMPLES // 1_000_000
    return AudioError(
        f"{name} has over {one} million samples, or over {all_of_them} million in all channels; cut it into clips, or "
        "lower its rate"
    )


def _mixed(file: Any, name: str) -> Sound:
    parts: list[NDArray[np.float32]] = []
    channels = file.channels
    total, square, peak, count, energy = np.zeros(channels), np.zeros(channels), 0.0, 0, np.zeros(2)
    read, both = 0, np.zeros(2)  # of the mean of the channels: its sum and its square's
    while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
        read += len(block)
        if read > min(MOST_FRAMES, MOST_SECONDS * file.samplerate) or read * channels > MOST_SAMPLES:
            raise _too_many(name)  # a header may say less
        parts.append(block.mean(axis=1, dtype=np.float32))
        if not np.isfinite(block).all():
            continue
        wide = block.astype(np.float64)
        total += wide.sum(axis=0)
        square += np.square(wide).sum(axis=0)
        peak = max(peak, float(np.abs(block).max()))
        count += len(block)
        middle = parts[-1].astype(np.float64)
        both += middle.sum(), np.square(middle).sum()
        energy += _cancelled(wide)
    mono = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    if not len(mono):
        raise AudioError(f"{name} has no samples")
    if bad := int((~np.isfinite(mono)).sum()):
        raise AudioError(f"{name} has {bad} samples that are NaN or infinite")
    mean = float(both[0] / count)
    each = float((square / count - np.square(total / count)).mean())
    _check_sound(mean, max(float(both[1] / count) - mean * mean, 0.0), each, peak, channels, name)
    if energy[0] > MOST_CANCELLED * energy[1]:
        raise AudioError(
            f"{name}: for {100 * energy[0] / energy[1]:.0f} % of its sound its channels cancel each other (one is "
            "inverted there); give one channel alone"
        )
    return Sound(mono if peak <= 1 else mono / np.float32(peak), file.samplerate)


def _cancelled(block: NDArray[np.float64]) -> NDArray[np.float64]:
    """Energy of the channels of a block, shape (n, channels): that in stretches where their mean keeps nothing of it,
    and all."""
    many = len(block) // _STRETCH
    if block.shape[1] == 1 or not many:
        return np.zeros(2)
    parts = block[: many * _STRETCH].reshape(many, _STRETCH, -1)
    each, kept = parts.var(axis=1).mean(axis=1), parts.mean(axis=2).var(axis=1)
    each[each <= SILENT] = 0
    return np.array([each[kept < CANCELLED * each].sum(), each.sum()])


def _check_sound(mean: float, power: float, each: float, peak: float, channels: int, name: str) -> None:
    """mean, power: of the channels' mean, the power around it; each: mean power of the single channels around their
    means; peak: of any channel."""
    if peak > LOUDEST:
        raise AudioError(f"{name} has samples up to {peak:.4g}, far beyond full scale; scale it to −1 … 1")
    if channels > 1 and each > SILENT and power < CANCELLED * each:
        raise AudioError(f"{name}: its channels cancel each other (one is inverted); give one channel alone")
    if power <= SILENT and abs(mean) > 1e-3:
        raise AudioError(f"{name} is silent but for a constant offset of {mean:.3g}; take it out")
    if power <= SILENT:
        raise AudioError(f"{name} is silent; take it out")
    if mean * mean > OFFSET * power:
        raise AudioError(f"{name} has a constant offset of {mean:.3g} and hardly any sound; remove the offset")
