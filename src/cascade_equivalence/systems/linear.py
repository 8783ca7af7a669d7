"""Linear layers in float32 on a CPU, computed by oneDNN.

torch sends them to MKL, which does not use AVX-512 on processors of other makers than its own: on an AMD EPYC with it
oneDNN is 2.3 times as fast from 16 rows on (benchmarks/processor.py). Weights stay where and as they are.
"""

from __future__ import annotations

from functools import cache
from typing import Any, cast

import torch
from torch import nn

LEAST_ROWS = 3
"""Below them there is nothing to gain."""


def product(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """`torch.nn.functional.linear`; float32 on a CPU where no gradient is asked for comes from oneDNN.

    Values differ from torch's in the order of summation alone. oneDNN's do not depend on the number of threads; MKL's
    do at some numbers of rows (5 to 7, 9 to 11).
    """
    alone = torch.is_grad_enabled() or input.device.type != "cpu" or input.dtype != torch.float32
    few = input.numel() < LEAST_ROWS * weight.shape[1]
    if alone or few or weight.dtype != torch.float32 or not _can():
        return nn.functional.linear(input, weight, bias)
    made = torch.ops.mkldnn._linear_pointwise(input, weight, bias, "none", [], "")
    return cast(torch.Tensor, made)


class OneDnnLinear(nn.Linear):
    """A linear layer that computes by `product`."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """See `nn.Linear`."""
        return product(input, self.weight, self.bias)


def by_onednn(model: nn.Module) -> None:
    """Let a model's plain linear layers compute so, where this torch can."""
    if not _can():
        return
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = OneDnnLinear


@cache
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
