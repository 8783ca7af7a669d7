"""From a model's name in a study to a local directory, device and dtype."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cascade_equivalence.errors import ModelError
from cascade_equivalence.pocket import fetch, shipped
from cascade_equivalence.pocket.registry import EMBEDDED

Role = Literal["asr", "llm"]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and how a model runs: a torch device and dtype by name, trials per batch."""

    device: str
    dtype: str
    batch_size: int


def locate(model_id: str, say: Callable[[str], None]) -> Path:
    """The local directory of a model: embedded (pulled if missing), shipped, a path, or a hub id (huggingface_hub).

    Embedded and shipped models are checked file by file. Raises `ModelError`.
    """
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
    if Path(model_id).is_dir():
        return Path(model_id).resolve()
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.utils.tqdm import disable_progress_bars

        disable_progress_bars()
        say(f"{model_id}: from the Hugging Face hub or its local cache")
        return Path(
            snapshot_download(model_id, allow_patterns=["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"])
        )
    except Exception as error:
        raise ModelError(
            f"model '{model_id}' is neither embedded ({', '.join([*EMBEDDED, *shipped.SHIPPED])}), nor a directory, "
            f"nor to be had from the hub: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        ) from None


def place(role: Role, device: str, dtype: str, batch_size: int | None) -> Placement:
    """Resolve `auto`.

    Device: CUDA, else MPS, else CPU. dtype: bfloat16 on an accelerator; on a CPU float32 for LLMs, whose
    label scores are compared to 1e-3, and bfloat16 for ASR where the processor multiplies it natively.
    """
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ModelError(f"device '{device}': {error}") from None
    if dtype == "auto":
        on_cpu = resolved.type == "cpu" and not (role == "asr" and _native_bfloat16())
        dtype = "float32" if on_cpu else "bfloat16"
    return Placement(device, dtype, batch_size or 16)


def _native_bfloat16() -> bool:
    import torch

    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in probes)
