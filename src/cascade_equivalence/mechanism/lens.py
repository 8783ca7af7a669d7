"""The logit lens: what the unembedding reads from the states of each layer, and how much of it was said."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cascade_equivalence.errors import AnalysisError

Ints = NDArray[np.int64]

NOT_CONTENT = -1
_CHUNK = 512


@dataclass(frozen=True)
class TopTokens:
    """The k best tokens of each position, best first. ids and scores (log-probabilities, or cosines): (..., k)."""

    ids: Tensor
    scores: Tensor


def logit_lens(
    hidden: Tensor, norm: Callable[[Tensor], Tensor], unembed: Callable[[Tensor], Tensor], top: int = 1
) -> TopTokens:
    """Block outputs (..., d) through the model's final norm and unembedding; no training.

    `hidden` must come from hooks on the blocks: the last entry of transformers' `hidden_states` is normed already, and
    norming twice gives a lens that is not the model's own logits. `unembed` includes whatever the model does to its
    logits (a soft cap, a scale). Raises `AnalysisError` on NaN.
    """
    _finite(hidden)
    flat = hidden.reshape(-1, hidden.shape[-1])
    with torch.inference_mode():
        best = [unembed(norm(part)).float().log_softmax(-1).topk(top) for part in torch.split(flat, _CHUNK)]
    shape = (*hidden.shape[:-1], top)
    return TopTokens(
        torch.cat([b.indices for b in best]).cpu().reshape(shape),
        torch.cat([b.values for b in best]).cpu().reshape(shape),
    )


def _finite(hidden: Tensor) -> None:
    if not bool(torch.isfinite(hidden).all()):
        raise AnalysisError("states are NaN or infinite: no token can be read from them")


def content_classes(tokens: Sequence[str], special: Collection[int] = ()) -> Ints:
    """A class for each token, (vocabulary,): equal for tokens that differ in case or in a leading space.

    tokens: the text of each id. Special tokens, whitespace and punctuation are `NOT_CONTENT`.
    """
    numbers: dict[str, int] = {}
    classes = np.full(len(tokens), NOT_CONTENT, dtype=np.int64)
    for index, token in enumerate(tokens):
        text = token.lstrip("Ġ▁").strip().casefold()
        if index not in special and any(letter.isalnum() for letter in text):
            classes[index] = numbers.setdefault(text, len(numbers))
    return classes


@dataclass(frozen=True, slots=True)
class BagScores:
    """How far the content tokens read from a clip are those said in it, against other clips' words.

    precision: mean over clips of |read ∩ said| / |read| (distinct content tokens), clips where none is read left out
    and counted in `empty`; recall: mean of |read ∩ said| / |said|. low, high: 95 % percentile bootstrap of the
    precision over clips. The null pairs each clip with the words of another; p: share of such pairings (of all clips
    at once) that reach the precision, counting the observed one. Undefined values are None.
    """

    precision: float | None
    low: float | None
    high: float | None
    recall: float | None
    null_precision: float | None
    null_recall: float | None
    p: float | None
    clips: int
    empty: int


def bag_scores(
    read: Sequence[Any], said: Sequence[Any], classes: Ints, *, seed: int = 0, shuffles: int = 99
) -> BagScores:
    """Score the token ids read from each clip (any shape) against the token ids of what was said in it.

    classes: see `content_classes`. Raises `AnalysisError` for fewer than two clips, which have no null.
    """
    if len(read) != len(said) or len(read) < 2:
        raise AnalysisError(f"{len(read)} readings and {len(said)} transcripts: at least two of each are needed")
    found, spoken = [_bag(r, classes) for r in read], [_bag(s, classes) for s in said]
    precision, recall = _shares(found, spoken)
    rng = np.random.default_rng(seed)
    null = [_shares(found, _others(spoken, rng)) for _ in range(shuffles)]
    value = _mean(precision)
    null_means = [m for p, _ in null if (m := _mean(p)) is not None]
    defined = precision[np.isfinite(precision)]
    low = high = at_least = None
    if len(defined) >= 5:
        drawn = rng.multinomial(len(defined), np.full(len(defined), 1 / len(defined)), size=1000) / len(defined)
        low, high = (float(v) for v in np.percentile(drawn @ defined, [2.5, 97.5]))
    if value is not None and null_means:
        at_least = (1 + sum(m >= value for m in null_means)) / (1 + len(null_means))
    return BagScores(
        precision=value,
        low=low,
        high=high,
        recall=_mean(recall),
        null_precision=_mean(np.array([p for p, _ in null])),
        null_recall=_mean(np.array([r for _, r in null])),
        p=at_least,
        clips=len(read),
        empty=int((~np.isfinite(precision)).sum()),
    )


def _bag(ids: Any, classes: Ints) -> frozenset[int]:
    return frozenset(classes[np.asarray(ids, dtype=np.int64).ravel()].tolist()) - {NOT_CONTENT}


def _shares(found: Sequence[frozenset[int]], spoken: Sequence[frozenset[int]]) -> tuple[Any, Any]:
    common = [len(f & s) for f, s in zip(found, spoken, strict=True)]
    return (
        np.array([c / len(f) if f else np.nan for c, f in zip(common, found, strict=True)]),
        np.array([c / len(s) if s else np.nan for c, s in zip(common, spoken, strict=True)]),
    )


def _mean(values: Any) -> float | None:
    return float(np.nanmean(values)) if np.isfinite(values).any() else None


def _others(bags: Sequence[frozenset[int]], rng: np.random.Generator) -> list[frozenset[int]]:
    """Each clip gets the words of another one: a random cycle has no fixed point."""
    order = rng.permutation(len(bags))
    moved: list[frozenset[int]] = [frozenset()] * len(bags)
    for place, donor in zip(order, np.roll(order, 1), strict=True):
        moved[place] = bags[donor]
    return moved


def lens_words(ids: Any, classes: Ints) -> list[int]:
    """The tokens read from a clip in order, runs of one content class collapsed, the rest dropped.

    What the implicit cascade gives to the backbone LLM as the transcript of a layer.
    """
    kept: list[int] = []
    last = NOT_CONTENT
    for token in np.asarray(ids, dtype=np.int64).ravel().tolist():
        now = int(classes[token])
        if now not in (NOT_CONTENT, last):
            kept.append(token)
        last = now
    return kept
