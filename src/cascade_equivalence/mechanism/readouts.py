"""Two independent readouts of states, fitted on text only: a ridge to the token embeddings, and token centroids.

Where the raw logit lens is blind even on text, these say what a layer holds. Two, since a model can be trained to hide
from one of them; neither may have been used in training.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cascade_equivalence.errors import AnalysisError
from cascade_equivalence.mechanism.lens import TopTokens
from cascade_equivalence.mechanism.splits import split_by_group

PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_HELD_OUT = 0.2
_CHUNK = 512


@dataclass(frozen=True)
class Readout:
    """x ↦ the tokens whose direction is nearest to ((x - mean) / deviation) · weight by cosine.

    weight: (d, e), or None for the identity. directions: (m, e) of unit length for the token ids (m,). accuracy: share
    of held-out text positions where the best token is the one that stands there: what the readout can do at all.
    """

    mean: Tensor
    deviation: Tensor
    weight: Tensor | None
    directions: Tensor
    ids: Tensor
    accuracy: float

    def read(self, hidden: Tensor, top: int = 1) -> TopTokens:
        """The k nearest tokens of states (..., d), with their cosines. Raises `AnalysisError` on NaN."""
        if not bool(torch.isfinite(hidden).all()):
            raise AnalysisError("states are NaN or infinite: no token can be read from them")
        flat = hidden.reshape(-1, hidden.shape[-1]).to(self.mean)
        best = []
        for part in torch.split(flat, _CHUNK):
            rows = (part - self.mean) / self.deviation
            rows = rows if self.weight is None else rows @ self.weight
            best.append((torch.nn.functional.normalize(rows, dim=-1) @ self.directions.T).topk(top))
        shape = (*hidden.shape[:-1], top)
        ids = self.ids[torch.cat([b.indices for b in best])]
        return TopTokens(ids.cpu().reshape(shape), torch.cat([b.values for b in best]).cpu().reshape(shape))


def text_lens(states: Tensor, tokens: Tensor, table: Tensor, sentences: NDArray[Any], *, seed: int = 0) -> Readout:
    """Ridge from the states of a layer at text positions to the embedding of the token that stands there.

    states: (n, d) and tokens: (n,) of text; table: (vocabulary, e), the LLM's input embeddings, centred and brought to
    unit length; sentences: (n,) ids. The penalty is that with the least error on a fifth of the sentences.
    """
    states, tokens = _text(states, tokens)
    split = split_by_group(sentences, _HELD_OUT, seed)
    directions = torch.nn.functional.normalize(table.float() - table.float().mean(0), dim=-1)
    mean, deviation = _scale(states[split.train])
    rows, goals = (states - mean) / deviation, directions[tokens].double()
    train, held = torch.from_numpy(split.train), torch.from_numpy(split.test)
    values, vectors = torch.linalg.eigh((rows[train].T @ rows[train]).double())
    crossed = vectors.T @ (rows[train].T.double() @ goals[train])
    penalties = [p * len(train) for p in PENALTIES]
    weights = [(vectors @ (crossed / (values.clamp(min=0) + p)[:, None])).float() for p in penalties]
    errors = [float((rows[held] @ w - goals[held]).square().sum()) for w in weights]
    weight = weights[int(np.argmin(errors))]
    return _tested(Readout(mean, deviation, weight, directions, torch.arange(len(table)), 0.0), states, tokens, held)


def token_centroids(
    states: Tensor, tokens: Tensor, sentences: NDArray[Any], *, least: int = 3, seed: int = 0
) -> Readout:
    """The mean z-scored state of every token that occurs `least` times or more in the training sentences.

    It can name no other token: `accuracy` counts them as errors.
    """
    states, tokens = _text(states, tokens)
    split = split_by_group(sentences, _HELD_OUT, seed)
    mean, deviation = _scale(states[split.train])
    train = torch.from_numpy(split.train)
    ids, index, counts = torch.unique(tokens[train], return_inverse=True, return_counts=True)
    sums = torch.zeros(len(ids), states.shape[1]).index_add_(0, index, (states[train] - mean) / deviation)
    often = counts >= least
    if not bool(often.any()):
        raise AnalysisError(f"no token occurs {least} times: give more text")
    centroids = torch.nn.functional.normalize(sums[often] / counts[often][:, None], dim=-1)
    found = Readout(mean, deviation, None, centroids, ids[often], 0.0)
    return _tested(found, states, tokens, torch.from_numpy(split.test))


def _text(states: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    if len(states) != len(tokens):
        raise AnalysisError(f"{len(states)} states for {len(tokens)} tokens")
    if not bool(torch.isfinite(states).all()):
        raise AnalysisError("states are NaN or infinite: drop those positions")
    return states.float().cpu(), tokens.long().cpu()


def _scale(states: Tensor) -> tuple[Tensor, Tensor]:
    mean, deviation = states.mean(0), states.std(0, correction=0)
    return mean, torch.where(deviation > 0, deviation, 1.0)


def _tested(readout: Readout, states: Tensor, tokens: Tensor, held: Tensor) -> Readout:
    right = readout.read(states[held]).ids[:, 0] == tokens[held]
    accuracy = float(right.float().mean())
    return replace(readout, accuracy=accuracy)
