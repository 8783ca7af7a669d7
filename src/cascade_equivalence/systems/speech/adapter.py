"""Adapters: what is to be known about a family of speech LLMs, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Adapter:
    """A family of speech LLMs.

    architecture: the transformers class, or None where the composition is our own. opening, closing: text around the
    audio, one token each. audio_tower, connector, language_model, layers: module paths from the model's root; `layers`
    is the list of the LLM's decoder blocks. tokens_per_s: audio positions that one second fills at most. longest_s:
    what the model takes in one piece; longer audio is cut into pieces of at most that length, or refused if `chunked`
    is False.
    """

    family: str
    architecture: str | None
    opening: str
    closing: str
    audio_tower: str
    connector: str
    language_model: str
    layers: str
    tokens_per_s: float
    longest_s: float
    chunked: bool


POCKET = Adapter(
    family="pocket",
    architecture=None,
    opening="",
    closing="",
    audio_tower="audio_tower",
    connector="connector",
    language_model="language_model",
    layers="language_model.model.layers",
    tokens_per_s=12.5,
    longest_s=30.0,
    chunked=True,
)

ULTRAVOX = Adapter(
    family="ultravox",
    architecture=None,
    opening="",
    closing="",
    audio_tower="audio_tower",
    connector="multi_modal_projector",
    language_model="language_model",
    layers="language_model.model.layers",
    tokens_per_s=6.25,
    longest_s=30.0,
    chunked=True,
)

QWEN2_AUDIO = Adapter(
    family="qwen2_audio",
    architecture="Qwen2AudioForConditionalGeneration",
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

PHI4_MULTIMODAL = Adapter(
    family="phi4_multimodal",
    architecture="Phi4MultimodalForCausalLM",
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
"""Folder of a Phi-4-multimodal checkpoint with its speech LoRA."""

ADAPTERS = {adapter.family: adapter for adapter in (POCKET, ULTRAVOX, QWEN2_AUDIO, PHI4_MULTIMODAL)}
