"""Clips inside a page: stored FLAC to a small Ogg Opus as a data URI."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from cascade_equivalence.audio.store import ClipStore
from cascade_equivalence.errors import AudioError
from cascade_equivalence.run.layout import CLIPS

_SMALL = 0.9
"""libsndfile's compression level for Opus: about 20 kbit/s for speech at 16 kHz."""
_BLOCK = 16_000


def embed(directory: Path, sha256: str) -> str | None:
    """The stored clip of a run directory as a data URI, or None where it is gone, unreadable or another one."""
    import soundfile

    try:
        clip = ClipStore(directory / CLIPS).get(sha256)
        buffer = io.BytesIO()
        with soundfile.SoundFile(
            buffer, "w", clip.rate, 1, format="OGG", subtype="OPUS", compression_level=_SMALL
        ) as file:
            for start in range(0, len(clip.samples), _BLOCK):
                file.write(clip.samples[start : start + _BLOCK])
    except (AudioError, OSError, RuntimeError):
        return None
    return "data:audio/ogg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def link(sha256: str) -> str:
    """Where the clip's file is, seen from a report in the run directory."""
    return ClipStore(Path(CLIPS)).path(sha256).as_posix()
