"""Where the tensors of a speech LLM's language model lie, family by family: what fingerprints and match are told."""

from __future__ import annotations

from pathlib import Path

from cascade_equivalence.systems.match import Weights
from cascade_equivalence.systems.speech.adapter import LORA
from cascade_equivalence.systems.speech.loading import adapter_of, language_model_of

INSIDE = {"qwen2_audio": "language_model", "phi4_multimodal": "", "ultravox": "language_model"}
"""Prefix of the language model's tensor names where it is part of the checkpoint."""
AUDIO = {"phi4_multimodal": ("model.embed_tokens_extend",)}
"""Prefixes beneath it that are not the language model's."""


def language_model_weights(directory: Path, base: Path | None, bare: bool = False) -> Weights:
    """The language model of the speech LLM in `directory`.

    base: the directory of the LLM it builds on, where that lies elsewhere. bare: without what the speech LLM adds to
    it and can switch off (a LoRA). Raises `ModelError`.
    """
    family = adapter_of(directory).family
    if family == "ultravox" and base is not None:
        return Weights(base, on_top=Weights(directory, INSIDE[family]))
    if base is not None:
        return Weights(base)
    lora = directory / LORA
    on_top = Weights(lora) if lora.is_dir() and not bare else None
    return Weights(directory, INSIDE[family], AUDIO.get(family, ()), on_top=on_top)


def submodules(directory: Path) -> dict[str, str]:
    """Role → tensor-name prefix of a checkpoint that holds its language model; empty for one that does not."""
    family = adapter_of(directory).family
    if family not in INSIDE or language_model_of(directory) is not None:
        return {}
    audio = {f"audio {part}": part for part in AUDIO.get(family, ())}
    return {"language_model": INSIDE[family], **audio}
