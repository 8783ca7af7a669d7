"""Granite Speech by transformers' own class: a conformer and a query transformer, and an LLM under a LoRA.

The LoRA is on where there is audio and off where there is text, as its authors run it: without it the LLM is the one it
was made from. transformers' feature extractor needs torchaudio; the few lines it takes are here instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cascade_equivalence.audio.clip import RATE, Clip
from cascade_equivalence.systems.backbone import Backbone
from cascade_equivalence.systems.speech.adapter import Adapter, Family, Wanted
from cascade_equivalence.systems.speech.checkpoint import causal, from_pretrained, load_tokenizer, on_meta
from cascade_equivalence.systems.speech.lora import Lora, WithLora, check_lora, require_lora
from cascade_equivalence.systems.speech.speech_llm import SpeechLLM

CLASS = "GraniteSpeechForConditionalGeneration"
GRANITE_SPEECH = Adapter(
    family="granite_speech",
    architecture=CLASS,
    opening="",
    closing="",
    audio_tower="model.encoder",
    connector="model.projector",
    language_model="model.language_model",
    layers="model.language_model.layers",
    tokens_per_s=10.0,
    longest_s=math.inf,
    chunked=True,
    positions="window",
)
N_FFT, WINDOW, HOP, MELS = 512, 400, 160, 80
LEAST = 2 * N_FFT
"""Samples that a clip is filled up to: below, there is no whole frame to reflect at its ends."""


def log_mel(samples: Tensor) -> Tensor:
    """Features of clips of one length, shape (clips, samples) to (clips, frames / 2, 2 × mels).

    As transformers' extractor, which is torchaudio's `MelSpectrogram` at its defaults (power, HTK scale, no norm): the
    decimal log, cut 8 below each clip's own loudest, scaled; two frames stacked, an odd last one left out.
    """
    from transformers.audio_utils import mel_filter_bank

    window = torch.hann_window(WINDOW, device=samples.device)
    spectrum = torch.stft(
        samples, N_FFT, HOP, WINDOW, window=window, center=True, pad_mode="reflect", return_complex=True
    )
    filters = mel_filter_bank(N_FFT // 2 + 1, MELS, 0.0, RATE / 2, RATE, norm=None, mel_scale="htk")
    mel = spectrum.abs().square().transpose(1, 2) @ torch.from_numpy(filters).float().to(samples.device)
    logs = mel.clamp(min=1e-10).log10()
    logs = torch.maximum(logs, logs.amax((1, 2), keepdim=True) - 8.0) / 4 + 1
    frames = logs.shape[1] // 2 * 2
    return logs[:, :frames].reshape(len(logs), frames // 2, 2 * MELS)


class GraniteEars:
    """The class's own encoder and projector, on clips of one length at a time: neither knows of filling."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def hear(self, clips: Sequence[Clip]) -> list[Tensor]:
        """See `Ears.hear`."""
        by_length: dict[int, list[int]] = {}
        for index, clip in enumerate(clips):
            by_length.setdefault(max(len(clip.samples), LEAST), []).append(index)
        found: dict[int, Tensor] = {}
        weight = next(self._model.parameters())
        with torch.inference_mode():
            for length, indices in by_length.items():
                filled = [np.pad(clips[i].samples, (0, length - len(clips[i].samples))) for i in indices]
                features = log_mel(torch.from_numpy(np.stack(filled)).to(weight.device))
                states = self._model.encoder(features.to(weight.dtype)).last_hidden_state
                found |= dict(zip(indices, self._model.projector(states), strict=True))
        return [found[index] for index in range(len(clips))]


def _module(name: str) -> str:
    """Where a module of the published LoRA is in the LLM, whatever stands before its layers there."""
    head, mark, rest = name.partition("layers.")
    return f"model.layers.{rest}" if mark and (not head or head.endswith(".")) else name


def _asks_for_lora(config: Mapping[str, Any]) -> bool:
    return bool(config.get("has_lora_adapter", True))


def _layout(directory: Path, config: Mapping[str, Any]) -> None:
    model = on_meta(CLASS, directory)
    if _asks_for_lora(config):
        require_lora(directory)
        check_lora(causal(model), directory, _module)


def _load(wanted: Wanted) -> SpeechLLM:
    """With its LoRA, `backbone` has it on and `matched` is the same model with it off; without, both are without."""
    name, directory = wanted.name, wanted.directory
    model = from_pretrained(CLASS, name, directory, wanted.placement)
    llm, tokenizer = causal(model), load_tokenizer(name, directory)
    if wanted.lora and _asks_for_lora(wanted.config):
        switch = Lora(llm, directory, _module)
        backbone = Backbone(name, WithLora(llm, switch, True), tokenizer)
        matched = Backbone(f"{name} without LoRA", WithLora(llm, switch, False), tokenizer)
    else:
        backbone = matched = Backbone(name, llm, tokenizer)
    return SpeechLLM(
        name=name,
        adapter=GRANITE_SPEECH,
        root=model,
        backbone=backbone,
        matched=matched,
        ears=GraniteEars(model.model),
    )


FAMILY = Family(GRANITE_SPEECH, _load, _layout, llm="language_model", lora=".")
