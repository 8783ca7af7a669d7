"""sha256 of every tensor of a safetensors file, computed once per file.

Kept under `fingerprints/` in the cache, one small JSON file per path. An entry holds as long as the file's size,
times and inode are those it had when it was read; a file touched within the last seconds is not recorded, since its
next change might leave the same time behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from pathlib import Path

from cascade_equivalence.pocket import fetch
from cascade_equivalence.systems.tensors import Tensor, read_header

SETTLED_S = 2.0
"""Age at which a file's times tell a later change: coarser than the clock of any file system in use."""


def tensor_digests(path: Path) -> dict[str, str]:
    """Tensor name → hash of dtype, shape and bytes, from the cache if the file is as it was.

    Raises `ModelError` if the file is cut short or no safetensors file.
    """
    if (kept := known_digests(path)) is not None:
        return kept
    before = _state(path)
    found = {name: _digest(tensor) for name, tensor in read_header(path).items()}
    if _state(path) == before and time.time() - max(before[1:3]) / 1e9 > SETTLED_S:
        _keep(path, before, found)
    return found


def known_digests(path: Path) -> dict[str, str] | None:
    """What `tensor_digests` would return if that needs no hashing, else None."""
    try:
        kept = json.loads(_entry(path).read_text(encoding="utf-8"))
        tensors: dict[str, str] = kept["tensors"]
        if tuple(kept["state"]) == _state(path) and tensors.keys() == read_header(path).keys():
            return tensors
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return None


def _digest(tensor: Tensor) -> str:
    digest = hashlib.sha256(f"{tensor.dtype}{list(tensor.shape)}".encode())
    for block in tensor.blocks():
        digest.update(block)
    return digest.hexdigest()


def _state(path: Path) -> tuple[int, int, int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


def _entry(path: Path) -> Path:
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:32]
    return fetch.cache_dir() / "fingerprints" / f"{name}.json"


def _keep(path: Path, state: tuple[int, int, int, int], tensors: dict[str, str]) -> None:
    # A cache that cannot be written costs time, not results.
    entry = _entry(path)
    with contextlib.suppress(OSError):
        entry.parent.mkdir(parents=True, exist_ok=True)
        handle, work = tempfile.mkstemp(prefix=".", dir=entry.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump({"state": state, "tensors": tensors}, file)
                file.flush()
                os.fsync(file.fileno())
            Path(work).replace(entry)
        finally:
            Path(work).unlink(missing_ok=True)
