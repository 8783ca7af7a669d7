"""Clips as they go over the wire: 16-bit mono WAV."""

from __future__ import annotations

import base64
import io
import wave

from cascade_equivalence.audio.clip import Clip, pcm16


def wav(clip: Clip) -> bytes:
    """The clip as a WAV file, sample by sample what is stored."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(clip.rate)
        file.writeframes(pcm16(clip.samples).astype("<i2").tobytes())
    return out.getvalue()


def wav64(clip: Clip) -> str:
    """The same in base64, without a `data:` prefix."""
    return base64.b64encode(wav(clip)).decode("ascii")
