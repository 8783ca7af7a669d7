"""Checkpoints, and what the cache holds of them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.fuzz import damage
from tests.fuzz.damage import as_json, changed, harmed
from tests.fuzz.door import Door
from tests.fuzz.room import Fault, called, inside, told


@cache
def _checkpoint() -> dict[str, bytes]:
    from tests.systems.speech import tiny

    with tempfile.TemporaryDirectory() as name:
        directory = tiny.write_granite(Path(name) / "granite")
        return {p.name: p.read_bytes() for p in directory.iterdir() if p.is_file()}


def _safetensors(data: bytes, done: Any, length: int | None) -> bytes:
    size = int.from_bytes(data[:8], "little")
    header = as_json(changed(json.loads(data[8 : 8 + size]), done))
    return struct.pack("<Q", len(header) if length is None else length) + header + data[8 + size :]


def _load(case: Any, room: Path) -> None:
    what, done, harm, length = case
    with inside(room) as given:
        directory = given / "model"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        files = dict(_checkpoint())
        names = sorted(files)
        name = names[what % len(names)] if what >= 0 else next(n for n in names if n.endswith(".safetensors"))
        if name.endswith(".json"):
            files[name] = as_json(changed(json.loads(files[name]), done))
        elif name.endswith(".safetensors"):
            files[name] = _safetensors(files[name], done, length)
        files[name] = harmed(files[name], harm)
        for other, data in files.items():
            (directory / other).write_bytes(data)
        told("systems", "check", directory, "--no-listen", "--device", "cpu", "--dtype", "float32", "--json")


def _cache(case: Any, room: Path) -> None:
    from cascade_equivalence.pocket.fetch import FILES, verify
    from cascade_equivalence.systems.digests import recall, remember, tensor_digests

    done, harm = case
    with inside(room) as given:
        (given / "model.bin").write_bytes(b"weights")
        listed = {"model.bin": hashlib.sha256(b"weights").hexdigest()}
        (given / FILES).write_bytes(harmed(as_json(changed(listed, done)), harm))
        called(lambda: verify(given))
        remember("fingerprints", "k", {"a": 1})
        kept = Path(os.environ["CEQ_CACHE"]) / "fingerprints" / "k.json"
        kept.write_bytes(harmed(as_json(changed({"state": [1, 2, 3, 4], "tensors": {"a": "b"}}, done)), harm))
        recall("fingerprints", "k")
        weights = given / "m.safetensors"
        weights.write_bytes(_checkpoint_like())
        tensor_digests(weights)
        from cascade_equivalence.systems import digests

        entry = kept.with_name(f"{digests._entry(weights)}.json")
        entry.write_bytes(kept.read_bytes())
        if called(lambda: tensor_digests(weights)).keys() != {"a"}:
            raise Fault("a damaged entry of the cache is believed")


def _checkpoint_like() -> bytes:
    header = json.dumps({"a": {"dtype": "F32", "shape": [2, 4], "data_offsets": [0, 32]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(32)


_length = st.sampled_from([None, None, None, 0, 2**40, 2**63, 2**64 - 1])

CHECKPOINTS = Door("checkpoints", st.tuples(st.integers(-3, 12), damage.changes(3), damage.harms(2), _length), _load)
CACHE = Door("cache", st.tuples(damage.changes(2), damage.harms(2)), _cache)
