"""Voxtral by transformers' own class: Whisper's encoder on whole windows, four states a position, and its LLM.

All positions of a window stand in the prompt, those of the silence behind a clip too, as the model was trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cascade_equivalence.audio.clip import RATE, Clip
from cascade_equivalence.systems.backbone import Backbone
from cascade_equivalence.systems.speech.adapter import Adapter, Family, Wanted
from cascade_equivalence.systems.speech.checkpoint import (
    causal,
    class_layout,
    expect_tokens,
    from_pretrained,
    load_tokenizer,
)
from cascade_equivalence.systems.speech.speech_llm import SpeechLLM

CLASS = "VoxtralForConditionalGeneration"
VOXTRAL = Adapter(
    family="voxtral",
    architecture=CLASS,
    opening="[BEGIN_AUDIO]",
    closing="",
    audio_tower="model.audio_tower",
    connector="model.multi_modal_projector",
    language_model="model.language_model",
    layers="model.language_model.layers",
    tokens_per_s=12.5,
    longest_s=30.0,
    chunked=True,
    positions="window",
)
HOP = 160
"""Samples per feature frame."""


class VoxtralEars:
    """The class's own encoder and projector on a clip filled up to whole windows. Features are those of the whole clip,
    as its processor makes them; a clip's windows do not see each other."""

    def __init__(self, model: Any, features: Any) -> None:
        self._model = model
        self._features = features
        self._frames = 2 * int(model.config.audio_config.max_source_positions)

    def hear(self, clips: Sequence[Clip]) -> list[Tensor]:
        """See `Ears.hear`."""
        windows: list[Tensor] = []
        counts: list[int] = []
        for clip in clips:
            count = max(-(-len(clip.samples) // (self._frames * HOP)), 1)
            filled = np.pad(clip.samples, (0, count * self._frames * HOP - len(clip.samples)))
            found = self._features(filled, sampling_rate=RATE, return_tensors="pt", truncation=False, padding=False)
            windows += torch.split(found.input_features[0], self._frames, 1)
            counts.append(count)
        weight = self._model.multi_modal_projector.linear_1.weight
        with torch.inference_mode():
            states = self._model.audio_tower(torch.stack(windows).to(weight.device, weight.dtype)).last_hidden_state
            projected = self._model.multi_modal_projector(states.reshape(len(windows), -1, weight.shape[1]))
        return [part.flatten(0, 1) for part in torch.split(projected, counts)]


def _load(wanted: Wanted) -> SpeechLLM:
    from transformers import WhisperFeatureExtractor

    name, directory = wanted.name, wanted.directory
    model = from_pretrained(CLASS, name, directory, wanted.placement)
    backbone = Backbone(name, causal(model), load_tokenizer(name, directory))
    expect_tokens(backbone, (VOXTRAL.opening,), directory)
    features = WhisperFeatureExtractor(feature_size=model.config.audio_config.num_mel_bins)
    return SpeechLLM(
        name=name,
        adapter=VOXTRAL,
        root=model,
        backbone=backbone,
        matched=backbone,
        ears=VoxtralEars(model.model, features),
    )


FAMILY = Family(VOXTRAL, _load, class_layout(CLASS), llm="language_model")
