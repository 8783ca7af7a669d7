"""Whisper's encoder on the true length of a clip instead of 30 s, its states kept for the next arm that listens."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from cascade_equivalence.audio.clip import RATE, Clip
from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems import attention
from cascade_equivalence.systems.linear import by_onednn
from cascade_equivalence.systems.loading import Placement
from cascade_equivalence.turns import MAKING_A_MODEL

FRAME = 320
"""Samples per encoder state (20 ms)."""
STEP = 32 * FRAME
"""Clips are filled with silence to a multiple of this (0.64 s), so that clips of like length share a batch."""
LONGEST = 30 * RATE
KEPT_BYTES = 512 << 20


class Tower(torch.nn.Module):
    """A Whisper encoder of transformers that takes features of any length; a module of its own, so that hooks hit."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder
        by_onednn(encoder)

    def forward(self, features: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """See `encoder_states`."""
        return encoder_states(self.encoder, features, lengths)


class WhisperEncoder:
    """The encoder of a Whisper checkpoint.

    A clip's states do not depend on the batch it stands in: clips are batched with those of equal padded length.
    """

    def __init__(self, name: str, directory: Path, placement: Placement) -> None:
        from transformers import WhisperFeatureExtractor, WhisperModel

        try:
            model = made(WhisperModel, directory, placement)
            self.features: Any = WhisperFeatureExtractor.from_pretrained(directory)
        except Exception as error:  # whatever a library raises at files of others
            raise ModelError(f"audio encoder '{name}' cannot be loaded from {directory}: {error}") from None
        self.tower = Tower(model.get_encoder().to(placement.device).eval())
        self.width: int = model.config.d_model
        self._placement = placement
        self._kept: OrderedDict[str, torch.Tensor] = OrderedDict()
        self._kept_bytes = 0

    def encode(self, clips: Sequence[Clip]) -> list[torch.Tensor]:
        """States of clips of 16 kHz and at most 30 s, shape (ceil(samples / 320), width) each."""
        wanted = {clip.sha256: clip for clip in clips if clip.sha256 not in self._kept}
        fresh: dict[str, torch.Tensor] = {}
        by_length: dict[int, list[Clip]] = {}
        for clip in wanted.values():
            by_length.setdefault(min(-(-len(clip.samples) // STEP) * STEP, LONGEST), []).append(clip)
        with torch.inference_mode():
            for length, group in sorted(by_length.items()):
                for clip, states in zip(group, self._run(group, length), strict=True):
                    fresh[clip.sha256] = states[: -(-len(clip.samples) // FRAME)]
        found = [fresh[clip.sha256] if clip.sha256 in fresh else self._kept[clip.sha256] for clip in clips]
        self._keep(fresh)
        return found

    def forget(self) -> None:
        """Drop the kept states: what is heard next is computed anew."""
        self._kept.clear()
        self._kept_bytes = 0

    def _run(self, clips: Sequence[Clip], length: int) -> torch.Tensor:
        features = self.features(
            [clip.samples for clip in clips],
            sampling_rate=RATE,
            return_tensors="pt",
            padding="max_length",
            max_length=length,
            truncation=True,
        ).input_features.to(self._placement.device, self.tower.encoder.dtype)
        states: torch.Tensor = self.tower(features)
        return states

    def _keep(self, fresh: dict[str, torch.Tensor]) -> None:
        for key, states in fresh.items():
            self._kept[key] = states.clone()
            self._kept_bytes += states.nbytes
        while self._kept_bytes > KEPT_BYTES:
            self._kept_bytes -= self._kept.popitem(last=False)[1].nbytes


def made(kind: Any, directory: Path, placement: Placement) -> Any:
    """A model of one of transformers' Whisper classes, with attention in blocks, where it was loaded: on the CPU."""
    with MAKING_A_MODEL:
        return kind.from_pretrained(
            directory,
            dtype=getattr(torch, placement.dtype),
            use_safetensors=True,
            attn_implementation=attention.register(),
        )


def encoder_states(encoder: Any, features: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
    """A Whisper encoder of transformers on features of any length: (batch, mels, 2 × time) to (batch, time, width).

    lengths: feature frames that are there, shape (batch,); what stands behind them is neither heard nor attended to.
    """
    # Its own forward insists on 30 s; its layers do not.
    hidden = torch.nn.functional.gelu(encoder.conv1(features))
    mask = None
    if lengths is not None and int(lengths.min()) < features.shape[2]:
        there = torch.arange(features.shape[2], device=features.device) < lengths.to(features.device)[:, None]
        # The second convolution would look one frame past an odd length, where an unpadded clip has nothing.
        hidden = hidden * there[:, None]
        mask = hidden.new_zeros(len(features), 1, 1, there[:, ::2].shape[1])
        mask.masked_fill_(~there[:, None, None, ::2], torch.finfo(hidden.dtype).min)
    hidden = torch.nn.functional.gelu(encoder.conv2(hidden)).permute(0, 2, 1)
    hidden = hidden + encoder.embed_positions.weight[: hidden.shape[1]]
    for layer in encoder.layers:
        out = layer(hidden, mask)
        hidden = out[0] if isinstance(out, tuple) else out
    states: torch.Tensor = encoder.layer_norm(hidden)
    return states
