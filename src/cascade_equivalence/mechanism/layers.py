"""Which layers are looked at, and where in a batch the audio stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cascade_equivalence.errors import AnalysisError

# The paper's set of a 32-block LLM is not the even spacing, which would take 19 and 23.
_PAPER = {32: (0, 4, 8, 12, 16, 20, 24, 28, 31)}


def default_layers(blocks: int, count: int = 9) -> tuple[int, ...]:
    """The paper's nine layers of a 32-block LLM, otherwise as many evenly spaced ones from the first to the last."""
    if count == 9 and blocks in _PAPER:
        return _PAPER[blocks]
    return tuple(sorted({round(float(x)) for x in np.linspace(0, blocks - 1, count)}))


def decoder_blocks(model: nn.Module, path: str) -> Sequence[nn.Module]:
    """The list of decoder blocks at a dotted module path, such as `model.layers`. Raises `AnalysisError`."""
    module: Any = model
    for number, name in enumerate(path.split(".")):
        module = getattr(module, name, None)
        if module is None:
            there = ".".join(path.split(".")[: number + 1])
            raise AnalysisError(f"{type(model).__name__} has no module '{there}': check the adapter's path '{path}'")
    if not isinstance(module, nn.ModuleList) or not len(module):
        raise AnalysisError(f"'{path}' of {type(model).__name__} is a {type(module).__name__}, not a list of blocks")
    return list(module)


def checked_layers(blocks: Sequence[nn.Module], layers: Sequence[int]) -> tuple[int, ...]:
    """The layers as they are, if all exist. Raises `AnalysisError`."""
    for layer in layers:
        if not 0 <= layer < len(blocks):
            raise AnalysisError(f"layer {layer} does not exist: the model has layers 0 to {len(blocks) - 1}")
    return tuple(layers)


@dataclass(frozen=True)
class Layout:
    """Where things stand in one forward pass of (batch, length) positions, padding and cached prefix aside.

    audio: per row the half-open spans [first, last) of audio positions, counted in this pass's own sequence (after
    the cached prefix, padding included). text: likewise, text positions to be collected.
    """

    length: int
    audio: tuple[tuple[tuple[int, int], ...], ...]
    text: tuple[tuple[tuple[int, int], ...], ...] = ()

    def __post_init__(self) -> None:
        if self.text and len(self.text) != len(self.audio):
            raise AnalysisError(f"audio spans of {len(self.audio)} rows, text spans of {len(self.text)}")
        for row, spans in enumerate((*self.audio, *self.text)):
            for first, last in spans:
                if not 0 <= first <= last <= self.length:
                    raise AnalysisError(
                        f"row {row % len(self.audio)}: positions {first} to {last} of a pass of {self.length}"
                    )

    @classmethod
    def left_padded(cls, lengths: Sequence[int], audio: Sequence[tuple[int, int]], behind: int = 0) -> Layout:
        """Rows of `lengths` positions aligned at their end, then `behind` more; audio counts from a row's start."""
        longest = max(lengths)
        spans = tuple(
            ((longest - length + first, longest - length + last),)
            for length, (first, last) in zip(lengths, audio, strict=True)
        )
        return cls(longest + behind, spans)

    @property
    def rows(self) -> int:
        """Batch size."""
        return len(self.audio)

    def mask(self, states: Tensor, kind: str = "audio") -> Tensor:
        """(batch, length) booleans on the CPU for the output of a block, (batch, length, d).

        A pass of one position behind a longer one is a decoding step, which has no audio. Raises `AnalysisError` for
        any other shape: the layout then is not that of this pass.
        """
        batch, length = states.shape[:2]
        mask = torch.zeros(batch, length, dtype=torch.bool)
        if batch == self.rows and length == self.length:
            for row, spans in enumerate(self.audio if kind == "audio" else self.text):
                for first, last in spans:
                    mask[row, first:last] = True
        elif batch != self.rows or length != 1:
            raise AnalysisError(
                f"the layout is of {self.rows} × {self.length} positions and the pass of {batch} × {length}: "
                "set the stage's layout before every pass"
            )
        return mask


@dataclass
class Stage:
    """What hooks know of the pass that is running: whoever calls the model sets `layout` before each pass.

    None: nothing stands there that audio-only hooks may touch (a text prefix, a decoding step).
    """

    layout: Layout | None = field(default=None)


def output_of(result: Any) -> Tensor:
    """The hidden states among what a block returns (a tensor, or a tuple that starts with it)."""
    states: Tensor = result[0] if isinstance(result, tuple) else result
    return states


def with_output(result: Any, states: Tensor) -> Any:
    """What a block returned, with other hidden states."""
    return (states, *result[1:]) if isinstance(result, tuple) else states
