"""Recordings that a study gives: noise, babble and impulse responses in a file or a folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cascade_equivalence.audio.clip import Samples, read_clip
from cascade_equivalence.errors import AudioError, UsageError
from cascade_equivalence.hashing import sha256_file

SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")


@dataclass(frozen=True, slots=True)
class Recordings:
    """The audio files at a path, in the order of their names. `sha256` hashes names (below the path) and contents."""

    path: Path
    files: tuple[Path, ...]
    sha256: str


def find_recordings(path: Path) -> Recordings:
    """A file, or all audio files below a folder. Raises `UsageError` if there are none."""
    if path.is_file():
        return Recordings(path, (path,), sha256_file(path))
    files = tuple(sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file()))
    if not files:
        raise UsageError(f"folder {path} has no recordings ({', '.join(SUFFIXES)})")
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(path).as_posix()}\x1f{sha256_file(file)}\x1f".encode())
    return Recordings(path, files, digest.hexdigest())


@lru_cache(maxsize=64)
def read_recording(path: Path) -> Samples:
    """A recording as 16 kHz mono, shape (n,); other rates are resampled. Raises `AudioError` if it is silent."""
    samples = read_clip(path).samples
    if not samples.any():
        raise AudioError(f"recording {path} is silent; take it out or give another")
    return samples
