"""Clips inside a page: stored FLAC, checked against its hash, to a small Ogg Opus as a data URI."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cascade_equivalence.audio.clip import Clip
from cascade_equivalence.audio.store import ClipStore
from cascade_equivalence.errors import AudioError
from cascade_equivalence.run.layout import CLIPS

Audio = Literal["all", "some", "none"]
AUDIO: tuple[Audio, ...] = ("all", "some", "none")
"""Of which trials the page holds the sound: all that it shows, those shown as cards, or none."""

_SMALL = 0.98
"""libsndfile's compression level for Opus: about 11 kbit/s for speech at 16 kHz."""
_BLOCK = 16_000


@dataclass(frozen=True, slots=True)
class Sound:
    """A clip for a page. uri: None where it cannot be played; why: then the reason."""

    uri: str | None
    why: str | None = None


def embed(directory: Path, hashes: Iterable[str]) -> dict[str, Sound]:
    """The stored clips of a run directory by hash, each as a data URI if it is the clip that was heard."""
    wanted = list(dict.fromkeys(hashes))
    # libsndfile works outside Python's lock.
    with ThreadPoolExecutor(max(1, min(4, os.cpu_count() or 1))) as pool:
        return dict(zip(wanted, pool.map(lambda sha256: _embed(directory, sha256), wanted), strict=True))


def _embed(directory: Path, sha256: str) -> Sound:
    store = ClipStore(directory / CLIPS)
    try:
        if not store.path(sha256).is_file():
            return Sound(None, "The clip is not in the run directory.")
        coded = _opus(store.get(sha256))
    except (AudioError, OSError, RuntimeError):
        return Sound(
            None, "The stored clip is not the one that was heard: its content does not have the recorded hash."
        )
    return Sound("data:audio/ogg;base64," + base64.b64encode(coded).decode("ascii"))


def _opus(clip: Clip) -> bytes:
    import soundfile

    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", clip.rate, 1, format="OGG", subtype="OPUS", compression_level=_SMALL) as file:
        for start in range(0, len(clip.samples), _BLOCK):
            file.write(clip.samples[start : start + _BLOCK])
    return buffer.getvalue()
