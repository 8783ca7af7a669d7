"""What is erased as "text": targets at audio positions, made from the words that were said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from cascade_equivalence.errors import AnalysisError


def text_proxy(
    table: Tensor,
    tokens: Sequence[Sequence[int]],
    positions: Sequence[int],
    *,
    components: int = 64,
    placing: Literal["spread", "mean"] = "spread",
) -> Tensor:
    """Principal components of the token embeddings of each transcript, (sum of positions, components), float32.

    table: (vocabulary, d), the backbone's input embeddings; tokens: the ids of each transcript; positions: how many
    audio positions each clip has. Components are those of all tokens said, by occurrence. "spread" puts a transcript's
    tokens at its positions in order, each for an equal time, which is where they are roughly; "mean" gives every
    position the mean over the transcript. With fewer distinct tokens than components there are fewer columns.
    """
    if len(tokens) != len(positions) or not all(len(t) for t in tokens):
        raise AnalysisError(
            f"{len(tokens)} transcripts for {len(positions)} clips, or one without a token: leave it out"
        )
    said = table[torch.tensor([t for transcript in tokens for t in transcript], device=table.device)].double()
    centred = said - said.mean(0)
    values, vectors = torch.linalg.eigh(centred.T @ centred)
    count = min(components, int((values > values[-1] * 1e-12).sum()))
    projected = centred @ vectors[:, -count:].flip(1)
    rows = []
    for part, places in zip(torch.split(projected, [len(t) for t in tokens]), positions, strict=True):
        if placing == "mean":
            rows.append(part.mean(0).expand(places, -1))
        else:
            rows.append(part[_spread(len(part), places)])
    return torch.cat(rows).float()


def repeated(values: Tensor, positions: Sequence[int]) -> Tensor:
    """One row per clip at every position of it: (clips, k) to (sum of positions, k). The bag of characters, say."""
    if len(values) != len(positions):
        raise AnalysisError(f"{len(values)} rows for {len(positions)} clips")
    return values.repeat_interleave(torch.tensor(list(positions), device=values.device), dim=0)


def _spread(tokens: int, positions: int) -> Tensor:
    return torch.from_numpy(((np.arange(positions) + 0.5) * tokens / positions).astype(np.int64))
