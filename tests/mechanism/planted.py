"""Models whose mechanism is known because it was put there: no training, all in a few matrices.

A clip says five words of one class. Its audio positions carry the words (in known directions, or as the product of two
signs), a loudness, and noise. Blocks 0 and 1 pass the audio on; at block 2 the last position reads it off the audio
positions; block 3 answers there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

Carrier = Literal["text", "signs", "loudness"]
WIDTH, WORDS, POSITIONS, HAND_OFF = 32, 8, 5, 2


def _directions() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=generator, dtype=torch.float64))[0].float()


AXES = _directions()
WORD_AXES, LOUD_AXIS, SIGN_AXES, ANSWER_AXES = AXES[:8], AXES[8], AXES[9:11], AXES[11:13]
NOISE_AXES = AXES[13:]


@dataclass(frozen=True)
class Clips:
    """states: (clips, positions, width); words: (clips, positions); labels and loud: (clips,) of 0 and 1."""

    states: Tensor
    words: np.ndarray
    loudness: np.ndarray
    labels: np.ndarray


def clips(carrier: Carrier, count: int, seed: int) -> Clips:
    """Words of one class per clip (class = word // 4); loudness independent of it. The label is what decides."""
    rng = np.random.default_rng(seed)
    kind, loud = rng.integers(2, size=count), rng.integers(2, size=count)
    words = 4 * kind[:, None] + rng.integers(4, size=(count, POSITIONS))
    level = (2.0 * loud - 1)[:, None] + 0.2 * rng.standard_normal((count, POSITIONS))
    states = torch.from_numpy(level[:, :, None]).float() * LOUD_AXIS
    noise = torch.from_numpy(rng.standard_normal((count, POSITIONS, len(NOISE_AXES)))).float()
    states = states + noise @ NOISE_AXES
    if carrier == "signs":
        first = rng.integers(2, size=words.shape) * 2 - 1
        signs = np.stack([first, first * np.where(words >= 4, 1, -1)], -1)
        states = states + torch.from_numpy(signs).float() @ SIGN_AXES
    else:
        states = states + 2 * WORD_AXES[torch.from_numpy(words)]
    return Clips(states, words, level, loud if carrier == "loudness" else kind)


class Pass(nn.Module):
    """A block that only turns the noise."""

    def forward(self, states: Tensor) -> Tensor:
        return states + 0.1 * (states @ NOISE_AXES.T).roll(1, -1) @ NOISE_AXES


class Read(nn.Module):
    """The hand-off: the last position gets what the carrier says, averaged over the audio."""

    def __init__(self, carrier: Carrier) -> None:
        super().__init__()
        self.carrier = carrier

    def forward(self, states: Tensor) -> Tensor:
        audio = states[:, :POSITIONS]
        if self.carrier == "text":
            by_class = (audio @ WORD_AXES.T).unflatten(-1, (2, 4)).sum(-1).mean(1)
            evidence = by_class[:, 1] - by_class[:, 0]
        elif self.carrier == "signs":
            evidence = (audio @ SIGN_AXES.T).prod(-1).mean(1)
        else:
            evidence = (audio @ LOUD_AXIS).mean(1)
        last = states[:, -1] + evidence[:, None] * (ANSWER_AXES[1] - ANSWER_AXES[0])
        return torch.cat([states[:, :-1], last[:, None]], 1)


class Planted(nn.Module):
    """Audio states and one question position in; the logits of two answers out."""

    def __init__(self, carrier: Carrier) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Pass(), Pass(), Read(carrier), Pass()])

    def forward(self, audio: Tensor) -> Tensor:
        states = torch.cat([audio, torch.zeros(len(audio), 1, WIDTH)], 1)
        for block in self.layers:
            states = block(states)
        return states[:, -1] @ ANSWER_AXES.T
