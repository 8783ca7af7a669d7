"""Tiny checkpoints, written as the big ones are laid out."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

EMBED, HEAD = "model.embed_tokens.weight", "lm_head.weight"

Tensors = dict[str, torch.Tensor]


def llm(seed: int = 0, layers: int = 2, width: int = 8, rows: int = 12) -> Tensors:
    """A causal LM's tensors with a tied head, not stored."""
    draw = torch.Generator().manual_seed(seed)
    found = {EMBED: torch.randn(rows, width, generator=draw), "model.norm.weight": torch.ones(width)}
    for layer in range(layers):
        for name in ("self_attn.q_proj", "mlp.up_proj"):
            found[f"model.layers.{layer}.{name}.weight"] = torch.randn(width, width, generator=draw)
    return found


def lora(module: str, seed: int = 1, width: int = 8, rank: int = 2, adapter: str = "") -> Tensors:
    """A and B of a module."""
    draw = torch.Generator().manual_seed(seed)
    end = f".{adapter}.weight" if adapter else ".weight"
    return {
        f"{module}.lora_A{end}": torch.randn(rank, width, generator=draw),
        f"{module}.lora_B{end}": torch.randn(width, rank, generator=draw),
    }


def beneath(prefix: str, tensors: Tensors) -> Tensors:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def saved(directory: Path, tensors: Tensors, shards: int = 1, dtype: torch.dtype | None = None) -> Path:
    """Write a checkpoint, with an index if it has several shards. Tensors that share memory are stored apart."""
    directory.mkdir(parents=True)
    stored = {name: (t.to(dtype) if dtype else t).clone().contiguous() for name, t in tensors.items()}
    if shards == 1:
        save_file(stored, directory / "model.safetensors")
        return directory
    names = sorted(stored, reverse=True)
    files = {name: f"model-{i % shards:05}-of-{shards:05}.safetensors" for i, name in enumerate(names)}
    for file in set(files.values()):
        save_file({name: stored[name] for name in names if files[name] == file}, directory / file)
    (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}))
    return directory
