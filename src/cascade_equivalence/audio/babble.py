"""Multi-talker babble from recorded talkers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from cascade_equivalence.audio.clip import Samples, read_clip
from cascade_equivalence.audio.level import active_power
from cascade_equivalence.audio.recordings import Recordings, find_recordings
from cascade_equivalence.errors import AudioError, UsageError
from cascade_equivalence.hashing import sha256_file

TALKERS = (3, 7)
"""Fewest and most talkers summed."""


@dataclass(frozen=True, slots=True)
class Talker:
    """Speech of one babble voice: all its recordings in a row, shape (n,), active level 1."""

    name: str
    samples: Samples


@lru_cache(maxsize=4)
def talkers_digest(source: Path) -> str:
    """Hash of a babble manifest's or folder's recordings and of who speaks them: equal digests make equal babble."""
    if source.is_dir():
        return find_recordings(source).sha256
    from cascade_equivalence.tasks.manifest import read_manifest

    digest = hashlib.sha256()
    for item in read_manifest(source):
        if item.audio:
            digest.update(f"{item.speaker or item.id}\x1f{sha256_file(item.audio)}\x1f".encode())
    return digest.hexdigest()


@lru_cache(maxsize=4)
def read_talkers(manifest: Path) -> tuple[Talker, ...]:
    """The talkers of a manifest, by its `speaker`, or of a folder. Raises `UsageError` for fewer than three."""
    if manifest.is_dir():
        return talkers_of(find_recordings(manifest))
    from cascade_equivalence.tasks.manifest import read_manifest

    items = read_manifest(manifest)
    return _talkers(manifest, [(item.speaker or item.id, item.audio, item.id) for item in items if item.audio])


@lru_cache(maxsize=4)
def talkers_of(recordings: Recordings) -> tuple[Talker, ...]:
    """The talkers of a folder: a subfolder is one talker, and so is each file beside the subfolders.

    Raises `UsageError` if there are fewer than three.
    """
    names = [(file.relative_to(recordings.path).parts[0], file, None) for file in recordings.files]
    return _talkers(recordings.path, names)


def _talkers(source: Path, files: Sequence[tuple[str, Path, str | None]]) -> tuple[Talker, ...]:
    """Talkers of (name, file, id for errors)."""
    recordings: dict[str, list[Samples]] = {}
    for name, file, item in files:
        samples = read_clip(file, item).samples
        level = active_power(samples)
        if level == 0:
            raise AudioError(f"babble recording {file} is silent; take it out")
        recordings.setdefault(name, []).append(samples / np.float32(np.sqrt(level)))
    if len(recordings) < TALKERS[0]:
        raise UsageError(f"{source}: babble needs at least {TALKERS[0]} talkers, there are {len(recordings)}")
    return tuple(Talker(name, np.concatenate(parts)) for name, parts in sorted(recordings.items()))


def babble(talkers: Sequence[Talker], length: int, generator: np.random.Generator) -> Samples:
    """Sum 3 to 7 different talkers at equal active level, each from a random place, repeated where too short.

    Returns `length` samples, unscaled.
    """
    count = int(generator.integers(TALKERS[0], min(TALKERS[1], len(talkers)) + 1))
    chosen = generator.choice(len(talkers), size=count, replace=False)
    total = np.zeros(length, dtype=np.float32)
    for index in chosen:
        samples = talkers[index].samples
        start = int(generator.integers(len(samples)))
        total += np.take(samples, np.arange(start, start + length), mode="wrap")
    return total
