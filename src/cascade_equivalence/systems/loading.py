"""From a model's name in a study to a local directory, device and dtype."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cascade_equivalence.errors import ModelError
from cascade_equivalence.pocket import fetch, shipped
from cascade_equivalence.pocket.registry import EMBEDDED

Role = Literal["asr", "llm"]
Check = Callable[[Mapping[str, Any], str], Sequence[str]]
"""Looks at a config.json (and what to call it), raises `ModelError`, or returns patterns of further files."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and how a model runs: a torch device and dtype by name, trials per batch."""

    device: str
    dtype: str
    batch_size: int


def locate(
    model_id: str,
    say: Callable[[str], None],
    revision: str | None = None,
    check: Check | None = None,
) -> Path:
    """The local directory of a model: embedded (pulled if missing), shipped, a path, or a hub id (huggingface_hub).

    revision: branch, tag or commit of a hub id. check: is given config.json and a name for it before any weights are
    fetched, and returns patterns of further files to fetch. Embedded and shipped models are checked file by file.
    Raises `ModelError`.
    """
    local = _local(model_id, say)
    if local is None:
        from cascade_equivalence.systems.hub import fetch_snapshot

        return fetch_snapshot(model_id, revision, say, check)
    if revision is not None:
        raise ModelError(f"model '{model_id}' is no hub id and has no revision '{revision}'; leave revision: out")
    if check is not None and (path := local / "config.json").is_file():
        check(read_config(path), str(path))
    return local


def _local(model_id: str, say: Callable[[str], None]) -> Path | None:
    if model_id in EMBEDDED:
        model = EMBEDDED[model_id]
        if not fetch.is_pulled(model):
            say(f"{model.name}: about {model.download_mb} MB to fetch, once, into {fetch.cache_dir()}")
        directory = fetch.pull(model, say)
        fetch.verify(directory)
        return directory
    if model_id in shipped.SHIPPED:
        shipped.verify(directory := shipped.SHIPPED[model_id].directory)
        return directory
    return Path(model_id).resolve() if Path(model_id).is_dir() else None


def read_config(path: Path) -> dict[str, Any]:
    """A JSON object of a model's directory. Raises `ModelError`."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read ({error}); fetch the model again") from None
    if not isinstance(found, dict):
        raise ModelError(f"{path} does not hold a JSON object; fetch the model again")
    return found


def fits_role(name: str, role: Role, config: Mapping[str, Any], where: str) -> Sequence[str]:
    """A `Check` that a model is of the kind that an arm needs: transformers loads Whisper's decoder as an LLM too, and
    answers come out of it. Raises `ModelError`."""
    kind, whisper = config.get("model_type"), config.get("model_type") == "whisper"
    if role == "asr" and not whisper:
        raise ModelError(
            f"model '{name}' is an arm's asr and no Whisper ({where}: model_type {kind!r}); name it as llm"
        )
    if role == "llm" and (whisper or config.get("is_encoder_decoder") is True):
        raise ModelError(
            f"model '{name}' is an arm's llm and no causal language model ({where}: model_type {kind!r}); "
            "an ASR is named as asr"
        )
    return ()


def origin(directory: Path) -> str:
    """Where a model's directory came from: `owner/name@commit` in the hub's cache, else the directory's name."""
    if directory.parent.name == "snapshots" and (kept := directory.parent.parent.name).startswith("models--"):
        return f"{kept.removeprefix('models--').replace('--', '/')}@{directory.name[:12]}"
    return directory.name


def place(role: Role, device: str, dtype: str, batch_size: int | None) -> Placement:
    """Resolve `auto`.

    Device: CUDA, else MPS, else CPU. dtype: bfloat16 on an accelerator that computes in it, else float16; on a CPU
    float32 for LLMs, whose label scores are compared to 1e-3, and bfloat16 for ASR where the processor multiplies it
    natively.
    """
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ModelError(f"device '{device}': {error}") from None
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(resolved.type, True):
        raise ModelError(f"device '{device}': there is none that torch can use here; give device: cpu, or auto")
    if resolved.type == "cuda":
        # One name for one device: models that share weights are found by it.
        index = torch.cuda.current_device() if resolved.index is None else resolved.index
        if index >= torch.cuda.device_count():
            raise ModelError(
                f"device '{device}': there are {torch.cuda.device_count()} CUDA devices; give cuda:0 or up"
            )
        device, resolved = f"cuda:{index}", torch.device("cuda", index)
    if dtype == "auto":
        dtype = _half(resolved)
        if resolved.type == "cpu" and not (role == "asr" and _native_bfloat16()):
            dtype = "float32"
    return Placement(device, dtype, batch_size or 16)


def _half(device: Any) -> str:
    """bfloat16, but on CUDA devices that only emulate it (T4, V100)."""
    import torch

    if device.type == "cuda" and torch.cuda.is_available():
        with torch.cuda.device(device):
            return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    return "bfloat16"


def _native_bfloat16() -> bool:
    import torch

    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in probes)
