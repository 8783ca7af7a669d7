"""GGUF → a transformers directory (safetensors, config, tokenizer)."""

from __future__ import annotations

from pathlib import Path

from cascade_equivalence.errors import ModelError
from cascade_equivalence.turns import MAKING_A_MODEL


def convert(source: Path, target: Path) -> None:
    """De-quantise `source/model.gguf` to float32 and save model and tokenizer into `target`."""
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        raise ModelError(f"{error}; install cascade-equivalence[models]") from None

    with MAKING_A_MODEL:
        model = AutoModelForCausalLM.from_pretrained(source, gguf_file="model.gguf", dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file="model.gguf")
    # transformers marks the model as quantised although every tensor is float32 now, and then refuses to save.
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.hf_quantizer = None
    model.is_quantized = False
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
