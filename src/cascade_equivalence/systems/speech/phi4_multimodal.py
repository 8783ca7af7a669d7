"""Phi-4-multimodal by transformers' own class, its speech LoRA on (the speech LLM) or off (the LLM it was built on).

transformers keeps the LoRA outside the model, as a peft adapter in the checkpoint's folder `speech-lora`; peft itself
is not needed here (see `lora`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cascade_equivalence.audio.clip import RATE, Clip
from cascade_equivalence.errors import AudioError, ModelError
from cascade_equivalence.systems.backbone import Backbone
from cascade_equivalence.systems.speech.adapter import Adapter, Family, Wanted
from cascade_equivalence.systems.speech.checkpoint import from_pretrained, load_tokenizer, on_meta
from cascade_equivalence.systems.speech.lora import Lora, WithLora, check_lora, require_lora
from cascade_equivalence.systems.speech.speech_llm import SpeechLLM

CLASS = "Phi4MultimodalForCausalLM"
PHI4_MULTIMODAL = Adapter(
    family="phi4_multimodal",
    architecture=CLASS,
    opening="",
    closing="",
    audio_tower="model.embed_tokens_extend.audio_embed.encoder",
    connector="model.embed_tokens_extend.audio_embed",
    language_model="model",
    layers="model.layers",
    tokens_per_s=12.5,
    longest_s=40.0,
    chunked=True,
)

LORA = "speech-lora"
"""Folder of a checkpoint with its speech LoRA."""
_FOR_TEXT = 1024
"""Positions kept free for the prompt's text before its rotary embedding changes to that of long texts."""


class Phi4Ears:
    """The class's own audio embedding, on clips of one length at a time.

    Its encoder's mask adds to attention and does not forbid it, so a filled-up clip would hear the filling. Over 40 s
    the encoder works in windows of 40 s by itself.
    """

    def __init__(self, model: Any, features: Any) -> None:
        self._model = model
        self._features = features

    def hear(self, clips: Sequence[Clip]) -> list[torch.Tensor]:
        """See `Ears.hear`."""
        by_length: dict[tuple[int, int], list[int]] = {}
        for index, clip in enumerate(clips):
            # The encoder of transformers 5.23 works in windows on a single clip only; on a batch it fails.
            own = index if clip.seconds > PHI4_MULTIMODAL.longest_s else -1
            by_length.setdefault((len(clip.samples), own), []).append(index)
        found: dict[int, torch.Tensor] = {}
        with torch.inference_mode():
            for indices in by_length.values():
                found |= dict(zip(indices, self._run([clips[i] for i in indices]), strict=True))
        return [found[index] for index in range(len(clips))]

    def _run(self, clips: Sequence[Clip]) -> torch.Tensor:
        missing = max(self._features.win_length - len(clips[0].samples), 0)
        extracted = self._features(
            [np.pad(clip.samples, (0, missing)) for clip in clips], sampling_rate=RATE, return_tensors="pt"
        )
        positions = int(extracted.audio_embed_sizes[0])
        config = self._model.config
        if (most := config.original_max_position_embeddings - _FOR_TEXT) < positions:
            raise AudioError(
                f"a clip of {clips[0].seconds:.1f} s fills {positions} positions, more than the {most} that leave room "
                "for a prompt in Phi-4-multimodal's short context; leave the item out (where:) or cut its audio"
            )
        table = self._model.model.embed_tokens.weight
        shape = (len(clips), positions)
        states: torch.Tensor = self._model.model.embed_tokens_extend.audio_embed(
            torch.full(shape, config.audio_config.audio_token_id, device=table.device),
            torch.zeros(*shape, config.hidden_size, device=table.device, dtype=table.dtype),
            audio_input_features=extracted.audio_input_features,
            audio_embed_sizes=[positions] * len(clips),
        )
        return states


def _load(wanted: Wanted) -> SpeechLLM:
    """With its LoRA, `backbone` has it on and `matched` is the same model with it off; without, both are without."""
    from transformers import Phi4MultimodalFeatureExtractor

    name, directory = wanted.name, wanted.directory
    model = from_pretrained(CLASS, name, directory, wanted.placement)
    tokenizer = load_tokenizer(name, directory)
    try:
        features = Phi4MultimodalFeatureExtractor.from_pretrained(directory, local_files_only=True)
    except Exception as error:  # whatever a library raises at files of others
        raise ModelError(f"{directory}: no preprocessor_config.json to read ({error}); fetch the model again") from None
    if wanted.lora:
        require_lora(directory / LORA)
        switch = Lora(model, directory / LORA)
        backbone = Backbone(name, WithLora(model, switch, True), tokenizer)
        matched = Backbone(f"{name} without LoRA", WithLora(model, switch, False), tokenizer)
    else:
        backbone = matched = Backbone(name, model, tokenizer)
    return SpeechLLM(
        name=name,
        adapter=PHI4_MULTIMODAL,
        root=model,
        backbone=backbone,
        matched=matched,
        ears=Phi4Ears(model, features),
    )


def _layout(directory: Path, config: Mapping[str, Any]) -> None:
    model = on_meta(CLASS, directory)
    if (directory / LORA).is_dir():
        check_lora(model, directory / LORA)


FAMILY = Family(
    PHI4_MULTIMODAL,
    _load,
    _layout,
    llm="",
    audio=("model.embed_tokens_extend",),
    lora=LORA,
    fetch=(f"{LORA}/*.json", f"{LORA}/*.safetensors"),
)
