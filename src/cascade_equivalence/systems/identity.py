"""Identities: what exactly answered. Weights by content, runtime, precision, decoding."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from cascade_equivalence.errors import ModelError
from cascade_equivalence.hashing import digest_of
from cascade_equivalence.systems.digests import tensor_digests
from cascade_equivalence.systems.loading import Placement, origin
from cascade_equivalence.systems.templates import template_of
from cascade_equivalence.systems.tensors import (
    ADAPTER,
    EMBEDDING,
    HEAD,
    INDEX,
    beneath,
    read_directory,
    roots,
    select,
    shards,
)

Say = Callable[[str], None]


def _nothing(line: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Identity:
    """One model as it was run.

    source: where it came from: a hub id with its commit, or a directory's name. weights: hash of all tensors by content
    (None: cannot be known). device: its type ("cuda"), since which one of them answers changes nothing. modules: role
    ("language_model", "audio_tower", "connector") → fingerprint, of a model that is made of several; empty for a plain
    one.
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
        """Hash of everything above but name and source: equal digests answer equally.

        Where the weights cannot be known, name and source stand for them: two such models are not the same one.
        """
        known = self.weights is not None
        facts = {k: v for k, v in asdict(self).items() if not (known and k in {"name", "source"})}
        if not self.modules:
            del facts["modules"]
        return digest_of(facts)


def identify(
    name: str,
    directory: Path,
    placement: Placement,
    say: Say = _nothing,
    lora: str | None = None,
    /,
    **decoding: Any,
) -> Identity:
    """The identity of a model directory as `placement` runs it. Tokenizer and chat template count as decoding.

    say: is told of files that take long to hash. lora: folder of a LoRA that belongs to the model.
    """
    vocabulary = [p for p in sorted(directory.iterdir()) if p.name.startswith(("tokenizer", "chat_template", "vocab"))]
    tokens = hashlib.sha256(b"".join(p.read_bytes() for p in vocabulary)).hexdigest()
    if (template := template_of(directory)) is not None:
        decoding["template"] = hashlib.sha256(template.encode()).hexdigest()[:16]
    return Identity(
        name=name,
        source=origin(directory),
        weights=fingerprint(directory, say, lora),
        runtime=runtime(),
        device=placement.device.partition(":")[0],
        dtype=placement.dtype,
        batch_size=placement.batch_size,
        decoding={**decoding, "search": "greedy", "tokenizer": tokens[:16]},
    )


def fingerprint(directory: Path, say: Say = _nothing, lora: str | None = None) -> str:
    """Hash of all tensors of a directory's weights (see `tensors.shards`), by name, dtype, shape and bytes.

    The order of tensors and shards does not matter. lora: folder in it with a LoRA, whose tensors and settings count
    too. Raises `ModelError` if there are no tensors or a file is cut.
    """
    tensors: dict[str, str] = {}
    for path in shards(directory):
        if not path.is_file():
            raise ModelError(f"{path}: named in {INDEX} and missing; fetch the model again")
        tensors |= tensor_digests(path, say)
    if lora is not None:
        folder = directory / lora
        tensors |= {f"{ADAPTER}:{name}": digest for name, digest in tensor_digests(folder / ADAPTER, say).items()}
        settings = folder / "adapter_config.json"
        tensors[settings.name] = hashlib.sha256(settings.read_bytes() if settings.is_file() else b"").hexdigest()
    return digest_of(tensors)


def fingerprints(directory: Path, modules: Mapping[str, str], say: Say = _nothing) -> dict[str, str]:
    """Hash of each submodule's tensors: role → tensor-name prefix ("" is everything) to role → fingerprint.

    A tensor under several prefixes belongs to the longest. Names count relative to the submodule, so a speech LLM's
    language model has the fingerprint of the same tensors in a directory of their own, and a head tied to the
    embedding has no weight of its own, stored or not. Another precision is another fingerprint: see `match`. Raises
    `ModelError` if a prefix has no tensors.
    """
    tensors = read_directory(directory)
    hashed = {path: tensor_digests(path, say) for path in {tensor.path for tensor in tensors.values()}}
    digests = {name: hashed[tensor.path][name] for name, tensor in tensors.items()}
    found = {}
    for role, prefix in modules.items():
        own = select(digests, prefix, [other for other in modules.values() if _inner(other, prefix)])
        if not own:
            raise ModelError(f"{directory}: no tensors under '{prefix}' ({role}); there are {roots(tensors)}")
        if own.get(HEAD) == own.get(EMBEDDING):
            own.pop(HEAD, None)
        elif EMBEDDING not in own:
            own[EMBEDDING] = own.pop(HEAD)
        found[role] = digest_of(own)
    return found


def _inner(other: str, prefix: str) -> bool:
    return beneath(other, prefix) and not beneath(prefix, other)


def same_arm(left: Sequence[Identity], right: Sequence[Identity]) -> bool:
    """Whether two arms, given as their models in the order audio meets them, are identical by fingerprint.

    That is: as many models, all weights known, and the same digests (weights, runtime, device, dtype, batch size,
    decoding). Opaque models are never identical. Prompts are the caller's to compare.
    """
    return len(left) == len(right) and all(
        a.weights is not None and b.weights is not None and a.digest() == b.digest()
        for a, b in zip(left, right, strict=True)
    )


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
