"""Multi-talker babble from recorded talkers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from cascade_equivalence.audio.clip import Samples, read_clip
from cascade_equivalence.audio.level import active_power
from cascade_equivalence.audio.recordings import Recordings, find_recordings, read_recording
from cascade_equivalence.errors import AudioError, UsageError
from cascade_equivalence.hashing import sha256_file

TALKERS = (3, 7)
"""Fewest and most talkers summed."""

_KEPT_WHOLE = 200
"""Recordings that are all kept in memory."""


@dataclass(frozen=True, slots=True)
class Talker:
    """Speech of one babble voice: all its recordings in a row, shape (n,), active level 1; or what reads them."""

    name: str
    speech: Samples | Callable[[], Samples]

    @property
    def samples(self) -> Samples:
        """The waveform, shape (n,)."""
        return self.speech() if callable(self.speech) else self.speech


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

    Where that gives fewer than three (MUSAN's speech lies in two folders), each file is a talker. Raises `UsageError`
    if there are fewer than three of them.
    """
    inside = [file.relative_to(recordings.path) for file in recordings.files]
    names = [path.parts[0] for path in inside]
    if len(set(names)) < TALKERS[0]:
        names = [path.as_posix() for path in inside]
    return _talkers(recordings.path, [(name, file, None) for name, file in zip(names, recordings.files, strict=True)])


def _talkers(source: Path, files: Sequence[tuple[str, Path, str | None]]) -> tuple[Talker, ...]:
    """Talkers of (name, file, id for errors)."""
    recordings: dict[str, list[tuple[Path, str | None]]] = {}
    for name, file, item in files:
        recordings.setdefault(name, []).append((file, item))
    if len(recordings) < TALKERS[0]:
        raise UsageError(f"{source}: babble needs at least {TALKERS[0]} talkers, there are {len(recordings)}")
    # MUSAN's 60 hours of speech are 14 GB as samples: many files are read when their talker is drawn.
    later = len(files) > _KEPT_WHOLE
    return tuple(
        Talker(name, partial(_read_again, tuple(parts)) if later else _read(tuple(parts)))
        for name, parts in sorted(recordings.items())
    )


def _read(parts: tuple[tuple[Path, str | None], ...]) -> Samples:
    """The recordings of one talker in a row, each at active level 1."""
    read = []
    for file, item in parts:
        samples = read_clip(file, item).samples
        level = active_power(samples)
        if level == 0:
            raise AudioError(f"babble recording {file} is silent; take it out")
        read.append(samples / np.float32(np.sqrt(level)))
    return np.concatenate(read)


@lru_cache(maxsize=16)
def _read_again(parts: tuple[tuple[Path, str | None], ...]) -> Samples:
    return _read(parts)


def forget_recordings() -> None:
    """Have all recordings read again when they are next needed: files of the same names may hold others by now."""
    for kept in (talkers_digest, read_talkers, _read_again, read_recording):
        kept.cache_clear()


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
