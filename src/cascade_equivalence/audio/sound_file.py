"""Decoding sound files of any kind, and one check of what came out against what the file promises."""

from __future__ import annotations

import io
import re
import unicodedata
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade_equivalence.audio import mp3
from cascade_equivalence.errors import AudioError

RATES = (1_000, 768_000)
"""Hz, the sample rates that are read."""
MOST_SECONDS = 3_600
LEAST_SECONDS = 0.01
MOST_CHANNELS = 64
MOST_BYTES = 1 << 30

SILENT = 1e-9
"""Power (mean square around the mean) under which nothing is left of a sound in 16 bits."""
CANCELLED = 0.01
"""Share of the channels' power that their mean must keep."""
OFFSET = 1e4
"""Power of a constant offset, against the sound's, over which there is hardly any sound."""
LOUDEST = 2.0
"""Peak up to which a sound is scaled to full scale, as a codec's overshoot; louder is no sound in −1 … 1."""

_BLOCK = 1 << 16
_SLACK = 64
"""Bytes by which a container may be off."""
_PROMISE = re.compile(r"^\s*(?:data|SSND|Data Size|riff|Riff size)\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE)
_FRAMES = re.compile(r"Calculated frame count (\d+) does not match value from 'ds64' chunk of (\d+)")
# What writes to a pipe cannot know its length and puts the largest number there.
_UNKNOWN = 0x7FFFF000
_NIST = re.compile(rb"sample_count -i (\d+)")
_DECODER_ERRORS = (RuntimeError, TypeError, ValueError, OverflowError, OSError, MemoryError, AttributeError)


@dataclass(frozen=True, slots=True)
class Sound:
    """A decoded file: mono float32 samples, shape (n,), at `rate`."""

    samples: NDArray[np.float32]
    rate: int


def read_sound(path: Path, name: str) -> Sound:
    """The mean of a file's channels, checked. `name` is what errors call it.

    Raises `AudioError` if the file is missing, no audio, shorter than it says, over an hour, of an absurd rate, empty,
    silent, far beyond full scale, or if its channels cancel each other.
    """
    path = existing(path, name)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise AudioError(f"{name} has more than {MOST_BYTES >> 20} MB; cut it into clips")
        return _decoded(path, name)
    except _DECODER_ERRORS as error:
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
    except (OSError, ValueError):
        alike = []
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
        promised = _promised(file, path)
    got = len(sound.samples)
    if promised is not None and got < promised:
        raise AudioError(
            f"{name} is cut off: it promises {promised / sound.rate:.2f} s and holds {got / sound.rate:.2f} s; "
            "fetch it again"
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


def _mixed(file: Any, name: str) -> Sound:
    parts: list[NDArray[np.float32]] = []
    channels = file.channels
    total, square, peak, count = np.zeros(channels), np.zeros(channels), 0.0, 0
    while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
        parts.append(block.mean(axis=1, dtype=np.float32))
        if not np.isfinite(block).all():
            continue
        wide = block.astype(np.float64)
        total += wide.sum(axis=0)
        square += np.square(wide).sum(axis=0)
        peak = max(peak, float(np.abs(block).max()))
        count += len(block)
    mono = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    if not len(mono):
        raise AudioError(f"{name} has no samples")
    if bad := int((~np.isfinite(mono)).sum()):
        raise AudioError(f"{name} has {bad} samples that are NaN or infinite")
    _check_sound(mono, float((square / count - np.square(total / count)).mean()), peak, channels, name)
    return Sound(mono if peak <= 1 else mono / np.float32(peak), file.samplerate)


def _check_sound(mono: NDArray[np.float32], each: float, peak: float, channels: int, name: str) -> None:
    """each: mean power of the single channels around their means; peak: of any channel."""
    mean = float(mono.mean(dtype=np.float64))
    power = float(np.square(mono.astype(np.float64) - mean).mean())
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


def _promised(file: Any, path: Path) -> int | None:
    """Frames that the container promises, where it holds fewer than that."""
    log, frames = file.extra_info, int(file.frames)
    for said, held in _PROMISE.findall(log):
        if int(held) + _SLACK < int(said) < _UNKNOWN:
            return frames + (int(said) - int(held)) * frames // max(int(held), 1) + 1
    for held, said in _FRAMES.findall(log):
        if int(held) < int(said) < _UNKNOWN:
            return int(said)
    if file.format == "NIST":
        with path.open("rb") as stream:
            found = _NIST.search(stream.read(1024))
        return int(found.group(1)) if found else None
    if file.format == "OGG" and not _has_last_page(path):
        return frames + 1
    return frames if file.format in ("FLAC", "WAV", "WAVEX", "AIFF", "CAF", "AU", "W64", "RF64") else None


def _has_last_page(path: Path) -> bool:
    """Whether the last page of an Ogg file is marked as such, and whole."""
    with path.open("rb") as stream:
        stream.seek(0, io.SEEK_END)
        stream.seek(max(0, stream.tell() - (1 << 17)))
        end = stream.read()
    last = end.rfind(b"OggS")
    page = end[last:] if last >= 0 else b""
    if len(page) < 27 or not page[5] & 4:
        return False
    sizes = page[27 : 27 + page[26]]
    return len(page) >= 27 + page[26] + sum(sizes)
