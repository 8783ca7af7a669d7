"""Recorded clips of a data set: decoded once, and kept unless no arm could be asked about them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from cascade_equivalence.audio.clip import Clip, from_samples
from cascade_equivalence.errors import AudioError

LONGEST = 40.0
"""Seconds. The lines that MELD's test set cuts wrongly last four and five minutes; no line lasts this long."""

SILENCE = -60.0
"""dBFS (root mean square) under which a clip is silent."""


class Excluded(Exception):
    """A clip that no arm is asked about, with the reason."""


def decode(audio: Mapping[str, Any] | None, name: str) -> Clip:
    """The clip of a hub's audio struct (`bytes`, `path`), 16 kHz mono. Raises `Excluded` with the reason."""
    import soundfile

    data = (audio or {}).get("bytes")
    if not data:
        raise Excluded("there is no sound")
    try:
        samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
        if len(samples) > LONGEST * rate:
            raise Excluded(f"{len(samples) / rate:.0f} s long, wrongly cut (more than {LONGEST:.0f} s)")
        clip = from_samples(samples, rate, name)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise Excluded(f"cannot be decoded ({error})") from None
    except AudioError as error:
        raise Excluded(str(error).removeprefix(name).strip()) from None
    level = float(np.sqrt(np.mean(clip.samples.astype(np.float64) ** 2)))
    if level < 10 ** (SILENCE / 20):
        raise Excluded(f"silent (under {SILENCE:.0f} dBFS)")
    return clip
