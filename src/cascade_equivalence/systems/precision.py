"""Values of stored tensors at a common precision: decoded and rounded block by block, with numpy alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade_equivalence.systems.tensors import Tensor

NAMES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32", "F64": "float64"}
"""Precisions with values to compare, the lowest first."""
BLOCK_ELEMENTS = 1 << 20
_WIDTH = {"BF16": 2, "F16": 2, "F32": 4, "F64": 8}

Bits = NDArray[Any]
Values = NDArray[np.float64]


def lower(left: str, right: str) -> str:
    """The dtype with fewer significant bits: bfloat16 < float16 < float32 < float64."""
    order = list(NAMES)
    return min(left, right, key=order.index)


def blocks(tensor: Tensor, dtype: str, size: int) -> Iterator[tuple[Bits, Values]]:
    """The first `size` elements of a tensor as they are at `dtype`: bit patterns and values, in equal blocks."""
    width = _WIDTH[tensor.dtype]
    for raw in tensor.blocks(BLOCK_ELEMENTS * width, size * width):
        yield rounded(raw, tensor.dtype, dtype)


def rounded(raw: bytes, stored: str, dtype: str) -> tuple[Bits, Values]:
    """Bit patterns and values of raw data of dtype `stored`, rounded to nearest even at `dtype`."""
    values: NDArray[Any]
    if stored == "BF16":
        values = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
    else:
        values = np.frombuffer(raw, {"F16": "<f2", "F32": "<f4", "F64": "<f8"}[stored])
    with np.errstate(over="ignore", invalid="ignore"):
        if dtype == "BF16":
            single = values.astype(np.float32)
            bits = single.view(np.uint32)
            up = np.where(np.isnan(single), bits | 0x400000, bits + (0x7FFF + ((bits >> 16) & 1)))
            halves = (up >> 16).astype(np.uint16)
            return halves, (halves.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
        at = values.astype({"F16": np.float16, "F32": np.float32, "F64": np.float64}[dtype])
    unsigned = {2: np.uint16, 4: np.uint32, 8: np.uint64}[at.itemsize]
    return at.view(unsigned), at.astype(np.float64)
