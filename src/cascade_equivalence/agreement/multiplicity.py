"""Adjustment of p-values for the number of comparisons in a family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray


def adjust(pvalues: Sequence[float], method: Literal["bh", "holm"] = "bh") -> NDArray[np.float64]:
    """(m,) p-values → (m,) adjusted p-values in the same order.

    bh: false discovery rate, Benjamini & Hochberg (1995), JRSS B 57, 289-300.
    holm: family-wise error, Holm (1979), Scand. J. Statist. 6, 65-70.
    """
    p = np.asarray(pvalues, dtype=np.float64)
    if p.ndim != 1 or not bool(((p >= 0.0) & (p <= 1.0)).all()):
        raise ValueError("p-values must be one list of numbers between 0 and 1")
    m = len(p)
    if m == 0:
        return p
    order = np.argsort(p, kind="stable")
    ranked = p[order]
    if method == "bh":
        stepped = np.minimum.accumulate((ranked * m / np.arange(1, m + 1))[::-1])[::-1]
    elif method == "holm":
        stepped = np.maximum.accumulate(ranked * np.arange(m, 0, -1))
    else:
        raise ValueError(f"unknown method {method!r}: use 'bh' or 'holm'")
    out = np.empty(m)
    out[order] = np.minimum(stepped, 1.0)
    return out
