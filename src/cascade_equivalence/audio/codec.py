"""Codecs and the telephone band: encode, decode, and put back in time.

In memory through libsndfile, or through the ffmpeg program where libsndfile was built without the codec.
"""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from cascade_equivalence.audio.clip import RATE, Samples
from cascade_equivalence.errors import AudioError
from cascade_equivalence.seeds import rng

TELEPHONE = 8000
"""Hz, the sample rate of telephone codecs."""

BAND = (300.0, 3400.0)
"""Hz, the classical telephone band."""

Tool = Literal["libsndfile", "ffmpeg"]

_BLOCK = 16_000
"""Samples per write: libsndfile's Opus encoder cannot take long signals in one go."""
_TAPS = 257
_EVERY = 256


@dataclass(frozen=True, slots=True)
class Codec:
    """A codec at its sample rate. libsndfile: container and subtype; ffmpeg: encoder and container."""

    name: str
    rate: int
    container: str
    subtype: str
    encoder: str
    muxer: str


CODECS = {
    codec.name: codec
    for codec in (
        Codec("opus", RATE, "OGG", "OPUS", "libopus", "ogg"),
        Codec("mp3", RATE, "MP3", "MPEG_LAYER_III", "libmp3lame", "mp3"),
        Codec("ulaw", TELEPHONE, "RAW", "ULAW", "pcm_mulaw", "mulaw"),
        Codec("gsm", TELEPHONE, "RAW", "GSM610", "libgsm", "gsm"),
    )
}


def transcode(samples: Samples, codec: str, kilobits: float | None = None, tool: Tool | None = None) -> Samples:
    """Encode and decode 16 kHz samples, shape (n,): the result has the same length and is aligned with them.

    `kilobits` per second for opus (variable rate, on average) and mp3 (constant). µ-law (G.711) and GSM 06.10 work at
    8 kHz. Delays are found once per codec and rate and removed. `tool`: the one there is. Raises `AudioError` if
    there is none.
    """
    found = CODECS[codec]
    tool = tool or _tool(found)
    delay = _delay(codec, kilobits, tool)
    narrow = _resample(samples, RATE, found.rate)
    # Encoders drop the end of a signal that is shorter than their delay and a frame.
    padded = np.concatenate([narrow, np.zeros(delay + found.rate // 10, np.float32)])
    decoded = _round_trip(padded, found, kilobits, tool)[delay : delay + len(narrow)]
    return fit(_resample(fit(decoded, len(narrow)), found.rate, RATE), len(samples))


def narrowband(samples: Samples) -> Samples:
    """The telephone band without a codec: 8 kHz, 300 to 3400 Hz, linear phase, aligned."""
    from scipy.signal import fftconvolve, firwin

    taps = firwin(_TAPS, BAND, pass_zero=False, fs=TELEPHONE)
    narrow = fftconvolve(_resample(samples, RATE, TELEPHONE), taps)[_TAPS // 2 :].astype(np.float32)
    return fit(_resample(narrow, TELEPHONE, RATE), len(samples))


def fit(samples: Samples, length: int) -> Samples:
    """Cut or filled up with silence to `length`."""
    return np.pad(samples[:length], (0, max(0, length - len(samples))))


def tool_for(codec: Codec, subtypes: Collection[str], ffmpeg: str | None) -> Tool:
    """What can run a codec, given libsndfile's subtypes of its container and ffmpeg's path. Raises `AudioError`."""
    if codec.subtype in subtypes:
        return "libsndfile"
    if ffmpeg:
        return "ffmpeg"
    raise AudioError(
        f"codec '{codec.name}': this libsndfile was built without {codec.subtype}, and there is no ffmpeg; "
        "install ffmpeg, or the soundfile wheel from PyPI, which brings a full libsndfile"
    )


def _tool(codec: Codec) -> Tool:
    import soundfile

    container = soundfile.available_formats().get(codec.container)
    subtypes = soundfile.available_subtypes(codec.container) if container else ()
    return tool_for(codec, subtypes, shutil.which("ffmpeg"))


@lru_cache(maxsize=64)
def _delay(codec: str, kilobits: float | None, tool: Tool) -> int:
    """Samples by which a codec's output lags: MP3 below 64 kbit/s has no room for the tag that tells players.

    Found by cross-correlation on a second of noise whose level changes like speech.
    """
    found = CODECS[codec]
    generator = rng("codec delay")
    level = np.repeat(generator.uniform(0.0, 0.3, found.rate // _EVERY + 1), _EVERY)[: found.rate]
    probe = np.convolve(generator.standard_normal(found.rate), np.ones(4) / 4, mode="same") * level
    out = _round_trip(probe.astype(np.float32), found, kilobits, tool)
    size = 2 * max(len(out), len(probe))
    product = np.fft.rfft(out, size) * np.conj(np.fft.rfft(probe, size))
    likeness = np.fft.irfft(product, size)[: found.rate // 2]
    return int(likeness.argmax())


def _round_trip(samples: Samples, codec: Codec, kilobits: float | None, tool: Tool) -> Samples:
    return _ffmpeg(samples, codec, kilobits) if tool == "ffmpeg" else _libsndfile(samples, codec, kilobits)


def _libsndfile(samples: Samples, codec: Codec, kilobits: float | None) -> Samples:
    import soundfile

    options: dict[str, object] = {"format": codec.container, "subtype": codec.subtype}
    # libsndfile maps its compression level, 1 to 0, linearly to these rates.
    if kilobits is not None and codec.name == "opus":
        options["compression_level"] = 1 - (kilobits - 6) / 250
    elif kilobits is not None:
        options |= {"compression_level": 1 - (kilobits - 8) / 152, "bitrate_mode": "CONSTANT"}
    raw = {"format": "RAW", "subtype": codec.subtype, "samplerate": codec.rate, "channels": 1}
    buffer = io.BytesIO()
    try:
        with soundfile.SoundFile(buffer, "w", codec.rate, 1, **options) as file:
            for start in range(0, len(samples), _BLOCK):
                file.write(samples[start : start + _BLOCK])
        buffer.seek(0)
        decoded, _ = soundfile.read(buffer, dtype="float32", **(raw if codec.container == "RAW" else {}))
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise AudioError(f"codec '{codec.name}' failed in libsndfile ({error}); update soundfile") from None
    return np.asarray(decoded, np.float32)


def _ffmpeg(samples: Samples, codec: Codec, kilobits: float | None) -> Samples:
    wave = ["-f", "f32le", "-ar", str(codec.rate), "-ac", "1"]
    rate = ["-b:a", f"{kilobits:g}k"] if kilobits is not None else []
    raw = ["-ar", str(codec.rate), "-ac", "1"] if codec.muxer == "mulaw" else []
    encoded = _pipe(samples.tobytes(), *wave, "-i", "-", "-c:a", codec.encoder, *rate, "-f", codec.muxer, "-")
    decoded = _pipe(encoded, "-f", codec.muxer, *raw, "-i", "-", *wave, "-")
    return np.frombuffer(decoded, np.float32)


def _pipe(data: bytes, *arguments: str) -> bytes:
    command = ["ffmpeg", "-v", "error", *arguments]
    try:
        return subprocess.run(command, input=data, capture_output=True, check=True).stdout
    except FileNotFoundError:
        raise AudioError("ffmpeg is not installed, and a codec needs it") from None
    except subprocess.CalledProcessError as error:
        said = " ".join(error.stderr.decode(errors="replace").split())
        raise AudioError(f"ffmpeg failed: {said}; does it have the codec? (ffmpeg -encoders)") from None


def _resample(samples: Samples, rate: int, to: int) -> Samples:
    if rate == to:
        return samples
    import soxr

    return np.asarray(soxr.resample(samples, rate, to, quality="HQ"), np.float32)
