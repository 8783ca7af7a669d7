"""Reverberation: recorded impulse responses and simulated rooms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade_equivalence.audio.clip import RATE, Samples
from cascade_equivalence.audio.level import active_power
from cascade_equivalence.audio.recordings import Recordings, read_recording
from cascade_equivalence.errors import AudioError, UsageError
from cascade_equivalence.seeds import rng

ROOMS = 4
"""Rooms simulated per reverberation time and distance; a clip is in one of them."""

DISTANCE = 1.5
"""Metres from the talker to the microphone where a condition does not say."""

Vector = NDArray[np.float64]
"""A place or a size, metres, shape (3,)."""

_SMALLEST, _LARGEST = (6.0, 4.5, 2.6), (8.0, 6.0, 3.2)
_WALL = 0.5
"""Metres that talker and microphone keep from walls."""
_HEIGHT = (1.0, 1.8)
_TRIES = 10_000
_CORRECTIONS, _NEAR = 3, 0.05


@dataclass(frozen=True, slots=True)
class Response:
    """An impulse response, shape (n,), and the sample at which the direct sound arrives."""

    samples: Samples
    direct: int


def reverberate(samples: Samples, response: Response) -> Samples:
    """Convolve, the direct sound staying where it was in time; the tail beyond the end is cut."""
    from scipy.signal import fftconvolve

    start = response.direct
    wet = fftconvolve(samples, response.samples)[start : start + len(samples)]
    return np.asarray(wet, np.float32)


def at_level_of(wet: Samples, dry: Samples) -> Samples:
    """`wet` scaled to the active-speech level of `dry`; silence stays silent."""
    power = active_power(wet)
    return (wet * np.sqrt(active_power(dry) / power)).astype(np.float32) if power else wet


def recorded_response(recordings: Recordings, generator: np.random.Generator) -> Response:
    """One of the recordings as an impulse response; its strongest sample is the direct sound."""
    samples = read_recording(recordings.files[int(generator.integers(len(recordings.files)))])
    return Response(samples, int(np.abs(samples).argmax()))


@lru_cache(maxsize=32)
def simulated_response(rt60: float, distance: float, room: int, seed: int) -> Response:
    """The impulse response of a shoebox room by the image method; a talker at 1 m has a direct sound of 1.

    rt60: seconds, as a -5 to -35 dB line through the decay measures it. distance: metres. room: 0 to ROOMS - 1, which
    draws size (6-8 × 4.5-6 × 2.6-3.2 m) and places. Raises `AudioError` without pyroomacoustics, `UsageError` if no
    such room can be made.
    """
    generator = rng("room", repr(rt60), repr(distance), str(room), str(seed))
    size = generator.uniform(_SMALLEST, _LARGEST)
    talker, microphone = _places(size, distance, generator)
    # Sabine's formula holds for diffuse fields; flat rooms ring longer, so what the room measures corrects it.
    aimed = rt60
    response = _image_method(aimed, size, talker, microphone)
    for _ in range(_CORRECTIONS):
        measured = decay_time(response)
        if abs(measured / rt60 - 1) < _NEAR:
            break
        aimed *= rt60 / measured
        response = _image_method(aimed, size, talker, microphone)
    alone = _image_method(rt60, size, talker, microphone, reflections=False)
    level = distance * np.sqrt(np.square(alone).sum())
    return Response((response / level).astype(np.float32), int(np.abs(alone).argmax()))


def decay_time(response: Samples | NDArray[np.float64]) -> float:
    """RT60 in seconds, extrapolated from -5 to -35 dB of Schroeder's backward integral (T30 of ISO 3382-1)."""
    energy = np.cumsum(np.square(response, dtype=np.float64)[::-1])[::-1]
    decibels = 10 * np.log10(energy[energy > 0] / energy[0])
    kept = np.flatnonzero((decibels <= -5) & (decibels >= -35))
    slope, _ = np.polyfit(kept / RATE, decibels[kept], 1)
    return float(-60 / slope)


def _image_method(
    rt60: float, size: Vector, talker: Vector, microphone: Vector, reflections: bool = True
) -> NDArray[np.float64]:
    acoustics = _pyroomacoustics()
    try:
        absorption, order = acoustics.inverse_sabine(rt60, size)
    except ValueError:
        raise UsageError(
            f"no room of {size[0]:.1f} × {size[1]:.1f} × {size[2]:.1f} m has a reverberation time of {rt60:.2f} s"
        ) from None
    room = acoustics.ShoeBox(
        size, fs=RATE, materials=acoustics.Material(absorption), max_order=order if reflections else 0
    )
    room.add_source(talker)
    room.add_microphone(microphone)
    room.compute_rir()
    return np.asarray(room.rir[0][0], np.float64)


def _places(size: Vector, distance: float, generator: np.random.Generator) -> tuple[Vector, Vector]:
    """Talker and microphone `distance` apart, both away from the walls."""
    low = np.array([_WALL, _WALL, _HEIGHT[0]])
    high = np.array([size[0] - _WALL, size[1] - _WALL, _HEIGHT[1]])
    for _ in range(_TRIES):
        talker = generator.uniform(low, high)
        direction = generator.standard_normal(3) * (1, 1, 0.1)
        microphone = talker + distance * direction / np.linalg.norm(direction)
        if (microphone >= low).all() and (microphone <= high).all():
            return talker, microphone
    raise UsageError(f"no place for a talker at {distance:g} m in a room of {size[0]:.1f} × {size[1]:.1f} m")


def _pyroomacoustics() -> Any:
    try:
        import pyroomacoustics
    except ImportError:
        raise AudioError(
            "simulated rooms need pyroomacoustics, which is not installed: pip install 'cascade-equivalence[rooms]' "
            "(or give recorded impulse responses: reverb:<file or folder>)"
        ) from None
    return pyroomacoustics
