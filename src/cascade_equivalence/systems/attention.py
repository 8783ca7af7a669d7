"""Attention of Whisper in bfloat16 on a CPU, in blocks that stay in the cache.

torch's own kernel for it is two to seven times slower on processors where oneDNN multiplies bfloat16 in hardware
(benchmarks/processor.py). Scores are rounded to bfloat16 and summed in float32.
"""

from __future__ import annotations

from typing import Any

import torch

NAME = "ceq_blocks"
SCORES = 1 << 20
"""At a time: 4 MB in float32."""


def register() -> str:
    """Make it known to transformers; returns the name to load a model with."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward
    from transformers.masking_utils import sdpa_mask

    def forward(
        module: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        **settings: Any,
    ) -> tuple[torch.Tensor, None]:
        plain = query.device.type == "cpu" and query.dtype == torch.bfloat16 and query.shape[:2] == key.shape[:2]
        causal = getattr(module, "is_causal", False) and query.shape[2] > 1
        if not plain or causal or attention_mask is not None or torch.is_grad_enabled():
            return sdpa_attention_forward(module, query, key, value, attention_mask, **settings)  # type: ignore[no-any-return]
        scale = settings.get("scaling")
        return attend(query, key, value, query.shape[-1] ** -0.5 if scale is None else scale).transpose(1, 2), None

    AttentionInterface.register(NAME, forward)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    return NAME


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float) -> torch.Tensor:
    """softmax(scale · q kᵀ) v, without a mask; shapes (batch, heads, positions, width), bfloat16."""
    if query.shape[2] == 1:
        return _block(query, key, value, scale)
    out = torch.empty_like(query)
    step = block(key)
    for row in range(query.shape[0]):
        for at in range(0, query.shape[2], step):
            out[row, :, at : at + step] = _block(query[row, :, at : at + step], key[row], value[row], scale)
    return out


def block(key: torch.Tensor) -> int:
    """Queries at a time."""
    return max(16, SCORES // (key.shape[1] * key.shape[2]))


def _block(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float) -> torch.Tensor:
    scores = (query @ key.transpose(-1, -2)).float().mul_(scale)
    return scores.softmax(-1).to(query.dtype) @ value
