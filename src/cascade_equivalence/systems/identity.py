"""Identities: what exactly answered. Weights by content, runtime, precision, decoding."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems.loading import Placement


@dataclass(frozen=True, slots=True)
class Identity:
    """One model as it was run.

    weights: hash of all tensors by content (None: cannot be known). modules: role ("language_model", "audio_tower",
    "connector") → fingerprint, of a model that is made of several; empty for a plain one.
    """

    name: str
    source: str
    weights: str | None
    runtime: str
    device: str
    dtype: str
    batch_size: int
    decoding: Mapping[str, Any]
    modules: Mapping[str, str] = field(default_factory=dict)

    def digest(self) -> str:
        """Hash of everything above but name and source: equal digests answer equally."""
        facts = {k: v for k, v in asdict(self).items() if k not in {"name", "source"}}
        if not self.modules:
            del facts["modules"]
        return digest_of(facts)


def digest_of(value: Any) -> str:
    """sha256 of a value's canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def identify(name: str, directory: Path, placement: Placement, **decoding: Any) -> Identity:
    """The identity of a model directory as `placement` runs it. The tokenizer's files count as decoding."""
    vocabulary = [p for p in sorted(directory.iterdir()) if p.name.startswith(("tokenizer", "chat_template", "vocab"))]
    tokens = hashlib.sha256(b"".join(p.read_bytes() for p in vocabulary)).hexdigest()
    return Identity(
        name=name,
        source=directory.name,
        weights=fingerprint(directory),
        runtime=runtime(),
        device=placement.device,
        dtype=placement.dtype,
        batch_size=placement.batch_size,
        decoding={**decoding, "search": "greedy", "tokenizer": tokens[:16]},
    )


@lru_cache(maxsize=16)
def fingerprint(directory: Path) -> str:
    """Hash of all tensors in a directory's safetensors files, by name, dtype, shape and bytes, read as a stream.

    The order of tensors and shards does not matter. Raises `ModelError` if there are none or one is cut.
    """
    tensors: dict[str, str] = {}
    for path in sorted(directory.glob("*.safetensors")):
        with path.open("rb") as file:
            try:
                header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
                start = file.tell()
                for name, entry in header.items():
                    if name == "__metadata__":
                        continue
                    begin, end = entry["data_offsets"]
                    digest = hashlib.sha256(f"{entry['dtype']}{entry['shape']}".encode())
                    file.seek(start + begin)
                    remaining = end - begin
                    while remaining:
                        block = file.read(min(remaining, 1 << 24))
                        if not block:
                            raise ModelError(f"{path}: cut short; fetch the model again")
                        digest.update(block)
                        remaining -= len(block)
                    tensors[name] = digest.hexdigest()
            except (ValueError, KeyError, TypeError) as error:
                raise ModelError(f"{path}: not a safetensors file ({error}); fetch the model again") from None
    if not tensors:
        raise ModelError(f"{directory}: no safetensors files (other formats are not loaded)")
    return digest_of(tensors)


def runtime() -> str:
    """Versions of what computes."""
    return ", ".join(f"{name} {_version(name)}" for name in ("torch", "transformers"))


def environment() -> dict[str, str]:
    """Versions and machine, for the journal."""
    packages = ("cascade-equivalence", "torch", "transformers", "numpy", "scipy", "soundfile", "soxr")
    return {name: _version(name) for name in packages} | {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
