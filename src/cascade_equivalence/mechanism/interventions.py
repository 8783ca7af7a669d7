"""Changing what decoder blocks pass on: erasure at all chosen layers at once, and interchange at one layer.

Context managers over forward hooks. They act on block outputs, in every pass of the model while they are open: prefill
and every decoding step. A key-value cache that was filled outside must not be used inside, nor the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from cascade_equivalence.errors import AnalysisError
from cascade_equivalence.mechanism.layers import Stage, checked_layers, output_of, with_output

Scope = Literal["audio", "all"]


@contextmanager
def erasing(
    blocks: Sequence[nn.Module],
    erasers: Mapping[int, Callable[[Tensor], Tensor]],
    stage: Stage,
    scope: Scope = "audio",
) -> Iterator[None]:
    """Apply an eraser to the output of each layer it is given for.

    scope "audio": at the audio positions of `stage.layout` alone; decoding steps then see the erased positions through
    the cache and are themselves untouched. "all": at every position of every pass, generated tokens included; no
    layout is needed. Without erasers nothing is hooked, and every bit stays. Raises `AnalysisError` for a layer that
    does not exist, and during the pass if the layout is not that of the pass.

    Erasers fitted in float64 are best given in the model's precision: `eraser.to(device, torch.float32)`.
    """

    def hook(erase: Callable[[Tensor], Tensor]) -> Callable[[Any, Any, Any], Any]:
        def changed(_module: Any, _inputs: Any, result: Any) -> Any:
            states = output_of(result)
            if scope == "all":
                return with_output(result, erase(states))
            if stage.layout is None:
                return None
            mask = stage.layout.mask(states)
            if not bool(mask.any()):
                return None
            states = states.clone()
            states[mask] = erase(states[mask])
            return with_output(result, states)

        return changed

    with _hooked(blocks, {layer: hook(eraser) for layer, eraser in erasers.items()}):
        yield


@contextmanager
def interchanging(blocks: Sequence[nn.Module], layer: int, donors: Sequence[Tensor], stage: Stage) -> Iterator[None]:
    """Put another clip's states at the audio positions of one layer's output.

    donors: per row (audio positions, d), collected at the same layer from a clip that says something else; bring them
    to the row's number of positions with `resized`. What earlier layers wrote into the cache stays the original's, so
    the answer follows the patch only if the words are still read from the audio positions above this layer. Raises
    `AnalysisError`.
    """

    def changed(_module: Any, _inputs: Any, result: Any) -> Any:
        if stage.layout is None:
            return None
        states = output_of(result)
        mask = stage.layout.mask(states)
        if not bool(mask.any()):
            return None
        if len(donors) != len(states):
            raise AnalysisError(f"{len(donors)} donors for a batch of {len(states)}")
        states = states.clone()
        for row, donor in enumerate(donors):
            places = int(mask[row].sum())
            if donor.shape != (places, states.shape[-1]):
                raise AnalysisError(
                    f"row {row}: donor states of shape {tuple(donor.shape)} for {places} audio positions of width "
                    f"{states.shape[-1]}: bring them to that length with resized()"
                )
            states[row, mask[row]] = donor.to(states)
        return with_output(result, states)

    with _hooked(blocks, {layer: changed}):
        yield


def resized(states: Tensor, positions: int) -> Tensor:
    """States (n, d) at `positions` places spread evenly over the same time: the nearest one each, none is mixed."""
    if positions < 1 or not len(states):
        raise AnalysisError(f"{len(states)} states cannot fill {positions} positions")
    places = (torch.arange(positions, dtype=torch.float64) + 0.5) * len(states) / positions
    return states[places.long().clamp(max=len(states) - 1).to(states.device)]


@contextmanager
def _hooked(blocks: Sequence[nn.Module], hooks: Mapping[int, Callable[[Any, Any, Any], Any]]) -> Iterator[None]:
    checked_layers(blocks, list(hooks))
    handles = [blocks[layer].register_forward_hook(hook) for layer, hook in hooks.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
