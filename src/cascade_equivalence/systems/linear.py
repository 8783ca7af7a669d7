"""Linear layers in float32 on a CPU, computed by oneDNN.

torch sends them to MKL, which does not use AVX-512 on processors of other makers than its own: on an AMD EPYC with it
oneDNN is 2.3 times as fast from 16 rows on (benchmarks/processor.py). Weights stay where and as they are.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import nn

LEAST_ROWS = 8
"""Below them there is nothing to gain."""


class OneDnnLinear(nn.Linear):
    """A linear layer whose float32 products on a CPU come from oneDNN wherever no gradient is asked for."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """See `nn.Linear`; values differ in the order of summation alone."""
        alone = torch.is_grad_enabled() or input.device.type != "cpu" or input.dtype != torch.float32
        if alone or self.weight.dtype != torch.float32 or input.numel() < LEAST_ROWS * self.in_features:
            return super().forward(input)
        made = torch.ops.mkldnn._linear_pointwise(input, self.weight, self.bias, "none", [], "")
        return cast(torch.Tensor, made)


def by_onednn(model: nn.Module) -> None:
    """Let a model's plain linear layers compute so, where this torch can."""
    if not _can():
        return
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = OneDnnLinear


def _can() -> bool:
    """Whether the operator is there and right; it is not part of torch's public face."""
    made: Any = None
    if torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        given, weight = torch.arange(64.0).reshape(8, 8), torch.eye(8)
        try:
            with torch.inference_mode():
                made = torch.ops.mkldnn._linear_pointwise(given, weight, None, "none", [], "")
        except (AttributeError, RuntimeError):
            return False
        return bool(torch.equal(made, given))
    return False
