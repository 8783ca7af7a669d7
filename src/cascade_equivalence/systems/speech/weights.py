"""Where the tensors of a speech LLM's language model lie: what fingerprints and match are told."""

from __future__ import annotations

from pathlib import Path

from cascade_equivalence.systems.match import Weights
from cascade_equivalence.systems.speech.families import read_family
from cascade_equivalence.systems.speech.loading import lora_of
from cascade_equivalence.systems.tensors import ADAPTER, read_header


def language_model_weights(directory: Path, base: Path | None, bare: bool = False) -> Weights:
    """The language model of the speech LLM in `directory`.

    base: the directory of the LLM it builds on, where that lies elsewhere. bare: without what the speech LLM adds to
    it and can switch off (a LoRA). Raises `ModelError`.
    """
    family = read_family(directory)[0]
    if base is not None:
        # Tensors of an LLM in the speech LLM's own files overlay the one it builds on.
        return Weights(base) if family.llm is None else Weights(base, on_top=Weights(directory, family.llm))
    folder = None if bare else lora_of(directory)
    on_top = None if folder is None else Weights(directory / folder, _above_layers(directory / folder), file=ADAPTER)
    return Weights(directory, family.llm or "", family.audio, on_top=on_top)


def submodules(directory: Path) -> dict[str, str]:
    """Role → tensor-name prefix of a checkpoint that holds its language model; empty for one that does not."""
    family, config = read_family(directory)
    if family.llm is None or family.parts(directory, config)[0] is not None:
        return {}
    return {"language_model": family.llm, **{f"audio {part}": part for part in family.audio}}


def _above_layers(folder: Path) -> str:
    """What stands before the layers in a LoRA's names: they tell of the model it was trained in, not of this one."""
    heads = {name.partition("layers.")[0].rstrip(".") for name in read_header(folder / ADAPTER)}
    return heads.pop() if len(heads) == 1 else ""
