"""Sound files."""

from __future__ import annotations

import io
import struct
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from cascade_equivalence.errors import CeqError
from tests.fuzz import damage
from tests.fuzz.damage import harmed
from tests.fuzz.door import Door
from tests.fuzz.room import Fault, called, inside


@cache
def _sounds() -> dict[str, bytes]:
    import soundfile

    wave = (0.3 * np.sin(np.arange(3200) * 0.2) + 0.05 * np.random.default_rng(0).normal(size=3200)).astype(np.float32)
    forms = {
        "wav": ("WAV", "PCM_16"), "wav float": ("WAV", "FLOAT"), "wav 24": ("WAVEX", "PCM_24"),
        "flac": ("FLAC", "PCM_16"), "ogg": ("OGG", "VORBIS"), "opus": ("OGG", "OPUS"), "mp3": ("MP3", "MPEG_LAYER_III"),
        "aiff": ("AIFF", "PCM_16"), "w64": ("W64", "PCM_16"), "caf": ("CAF", "PCM_16"), "au": ("AU", "PCM_16"),
        "rf64": ("RF64", "PCM_16"), "nist": ("NIST", "PCM_16"),
    }  # fmt: skip
    found = {}
    for name, (form, subtype) in forms.items():
        out = io.BytesIO()
        soundfile.write(out, np.stack([wave, 0.5 * wave], 1), 16_000, format=form, subtype=subtype)
        found[name] = out.getvalue()
    found["raw"] = b"\x00\x01" * 4000
    return found


_FORMS = (*"wav wav flac flac ogg opus mp3 aiff w64 caf au rf64 nist raw".split(), "wav float", "wav 24")  # noqa: SIM905
_NUMBERS = (0, 1, 2, 7, 100, 16_000, 768_001, 2**31 - 1, 2**31, 2**32 - 1)
_LIES = (
    *(struct.pack("<I", n) for n in _NUMBERS),
    *(struct.pack("<f", x) for x in (float("nan"), float("inf"), 1e30)),
    *(b"\x00\x00", b"\xff\xff", b"data", b"LIST"),
)


def _hear(case: Any, room: Path) -> None:
    from cascade_equivalence.audio.clip import RATE, read_clip

    form, lies, harm, suffix = case
    data = bytearray(_sounds()[form])
    for place, lie in lies:
        data[place : place + len(lie)] = lie
    with inside(room) as given:
        path = given / f"said{suffix}"
        path.write_bytes(harmed(bytes(data), harm))
        clip = called(lambda: read_clip(path, "i0"))
        if isinstance(clip, CeqError):
            if "i0" not in str(clip):
                raise Fault(f"an error that does not name the item: {clip}")
            return
        samples = clip.samples
        if clip.rate != RATE or samples.ndim != 1 or not len(samples):
            raise Fault(f"a clip of shape {samples.shape} at {clip.rate} Hz")
        if not np.isfinite(samples).all() or np.abs(samples).max() > 1.0001:
            raise Fault("samples out of bounds")
        if clip.seconds > 3601:
            raise Fault(f"{clip.seconds} s out of {len(data)} bytes")


_lies = st.lists(st.tuples(st.integers(0, 60), st.sampled_from(_LIES)), max_size=3)
_names = st.sampled_from([".wav", ".raw", ".flac", ".ogg", ".mp3", ""])

SOUND = Door("sound", st.tuples(st.sampled_from(_FORMS), _lies, damage.harms(), _names), _hear)
