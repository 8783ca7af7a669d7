"""Qwen2-Audio by transformers' own class: its audio tower and projector, and its language model as a causal LM."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from cascade_equivalence.audio.clip import RATE, Clip
from cascade_equivalence.errors import AudioError, ModelError
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

CLASS = "Qwen2AudioForConditionalGeneration"
QWEN2_AUDIO = Adapter(
    family="qwen2_audio",
    architecture=CLASS,
    opening="<|audio_bos|>",
    closing="<|audio_eos|>",
    audio_tower="model.audio_tower",
    connector="model.multi_modal_projector",
    language_model="model.language_model",
    layers="model.language_model.layers",
    tokens_per_s=25.0,
    longest_s=30.0,
    chunked=False,
)


class Qwen2AudioEars:
    """Features filled up to the model's 30 s, of which the encoder attends to those that are there.

    A longer clip is refused: the model's own processor would cut it silently.
    """

    def __init__(self, model: Any, features: Any) -> None:
        self._model = model
        self._features = features

    def hear(self, clips: Sequence[Clip]) -> list[torch.Tensor]:
        """See `Ears.hear`."""
        from transformers.masking_utils import create_bidirectional_mask

        for clip in clips:
            if len(clip.samples) > self._features.n_samples:
                raise AudioError(
                    f"a clip of {clip.seconds:.1f} s is longer than the {self._features.n_samples / RATE:.0f} s that "
                    "Qwen2-Audio hears; leave the item out (where:) or cut its audio"
                )
        tower = self._model.audio_tower
        with torch.inference_mode():
            found = self._features(
                [clip.samples for clip in clips],
                sampling_rate=RATE,
                return_tensors="pt",
                padding="max_length",
                return_attention_mask=True,
            )
            frames = found.attention_mask.sum(-1).to(tower.device)
            convolved, positions = tower._get_feat_extract_output_lengths(frames)
            steps = found.input_features.shape[-1] // 2
            there = torch.arange(steps, device=tower.device) < convolved[:, None]
            mask = create_bidirectional_mask(
                config=tower.config,
                inputs_embeds=torch.zeros(len(clips), steps, 1, device=tower.device, dtype=tower.dtype),
                attention_mask=there.long(),
            )
            states = tower(found.input_features.to(tower.device, tower.dtype), attention_mask=mask).last_hidden_state
            projected = self._model.multi_modal_projector(states)
            return [row[:length] for row, length in zip(projected, positions.clamp(min=0).tolist(), strict=True)]


def _load(wanted: Wanted) -> SpeechLLM:
    name, directory = wanted.name, wanted.directory
    model = from_pretrained(CLASS, name, directory, wanted.placement)
    backbone = Backbone(name, causal(model), load_tokenizer(name, directory))
    expect_tokens(backbone, (QWEN2_AUDIO.opening, QWEN2_AUDIO.closing), directory)
    return SpeechLLM(
        name=name,
        adapter=QWEN2_AUDIO,
        root=model,
        backbone=backbone,
        matched=backbone,
        ears=Qwen2AudioEars(model.model, _features(directory)),
    )


def _features(directory: Path) -> Any:
    from transformers import WhisperFeatureExtractor

    try:
        return WhisperFeatureExtractor.from_pretrained(directory, local_files_only=True)
    except Exception as error:  # whatever a library raises at files of others
        raise ModelError(f"{directory}: no preprocessor_config.json to read ({error}); fetch the model again") from None


FAMILY = Family(QWEN2_AUDIO, _load, class_layout(CLASS), llm="language_model")
