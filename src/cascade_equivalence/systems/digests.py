"""sha256 of every tensor of a safetensors file, computed once per file.

Kept under `fingerprints/` in the cache, one small JSON file per path. An entry holds as long as the file's size,
times and inode are those it had when it was read; a file touched within the last seconds is not recorded, since its
next change might leave the same time behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cascade_equivalence.pocket import fetch
from cascade_equivalence.systems.tensors import Tensor, read_header
from cascade_equivalence.whole import whole

SETTLED_S = 2.0
"""Age at which a file's times tell a later change: coarser than the clock of any file system in use."""


STEP = 4 << 30
"""Bytes after which it is said how far hashing is."""
LARGE = 1 << 30
"""Bytes from which on hashing a file takes seconds and is said."""


def tensor_digests(path: Path, say: Callable[[str], None] = lambda _: None) -> dict[str, str]:
    """Tensor name → hash of dtype, shape and bytes, from the cache if the file is as it was.

    say: is told of a large file that has to be read, and how far it is. Raises `ModelError` if the file is cut short or
    no safetensors file.
    """
    if (kept := known_digests(path)) is not None:
        return kept
    before = _state(path)
    tensors = read_header(path)
    total, done, said = before[0], 0, 0
    if total >= LARGE:
        say(f"hashing {path.name}, {total / 1e9:.1f} GB, once")
    found = {}
    for name, tensor in tensors.items():
        found[name] = _digest(tensor)
        done += tensor.end - tensor.begin
        if total >= LARGE and (steps := done // STEP) > said:
            said = steps
            say(f"hashing {path.name}: {done / 1e9:.0f} of {total / 1e9:.1f} GB")
    if _state(path) == before and time.time() - max(before[1:3]) / 1e9 > SETTLED_S:
        remember("fingerprints", _entry(path), {"state": before, "tensors": found})
    return found


def known_digests(path: Path) -> dict[str, str] | None:
    """What `tensor_digests` would return if that needs no hashing, else None."""
    kept = recall("fingerprints", _entry(path))
    try:
        tensors: dict[str, str] = (kept or {})["tensors"]
        if tuple((kept or {})["state"]) == _state(path) and tensors.keys() == read_header(path).keys():
            return tensors
    except (OSError, KeyError, TypeError, AttributeError):
        pass
    return None


def recall(room: str, key: str) -> dict[str, Any] | None:
    """What `remember` kept in a room of the cache under a key; None where there is nothing to read."""
    try:
        kept = json.loads(_file(room, key).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return kept if isinstance(kept, dict) else None


def remember(room: str, key: str, value: Mapping[str, Any]) -> None:
    """Keep a small JSON object. A cache that cannot be written costs time, not results."""
    entry = _file(room, key)
    with contextlib.suppress(OSError):
        entry.parent.mkdir(parents=True, exist_ok=True)
        with whole(entry, sync=True) as part:
            part.write_text(json.dumps(value), encoding="utf-8")


def _digest(tensor: Tensor) -> str:
    digest = hashlib.sha256(f"{tensor.dtype}{list(tensor.shape)}".encode())
    for block in tensor.blocks():
        digest.update(block)
    return digest.hexdigest()


def _state(path: Path) -> tuple[int, int, int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


def _entry(path: Path) -> str:
    return hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:32]


def _file(room: str, key: str) -> Path:
    return fetch.cache_dir() / room / f"{key}.json"
