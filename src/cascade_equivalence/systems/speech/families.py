"""The families of speech LLMs: one module and one line each."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems.loading import read_config
from cascade_equivalence.systems.speech.adapter import Family

FAMILIES = {
    "pocket": "pocket_checkpoint",
    "ultravox": "ultravox",
    "qwen2_audio": "qwen2_audio",
    "phi4_multimodal": "phi4_multimodal",
    "granite_speech": "granite_speech",
    "voxtral": "voxtral",
}
"""`model_type` (or our own `family`) of config.json → module of this package, which has a `FAMILY`."""
_ELSEWHERE = {
    "phi4mm": "this revision of Phi-4-multimodal needs remote code, which is not run; use its revision refs/pr/70, in "
    "transformers' own layout (revision: refs/pr/70)",
}
"""`model_type`s that are not loaded, and what is instead."""


def family_of(config: Mapping[str, Any], where: str) -> Family:
    """The family of a checkpoint from its config.json, before any of its weights are there.

    where: what errors call it. Raises `ModelError` for a family that is not known, or a variant that is not loaded.
    """
    name = str(config.get("family") or config.get("model_type"))
    if name in _ELSEWHERE:
        raise ModelError(f"{where}: {_ELSEWHERE[name]}")
    if name not in FAMILIES:
        raise ModelError(f"{where}: '{name}' is not a family of speech LLMs known here ({', '.join(FAMILIES)})")
    module = import_module(f"cascade_equivalence.systems.speech.{FAMILIES[name]}")
    family: Family = module.FAMILY
    if family.refuse is not None:
        family.refuse(config, where)
    return family


def read_family(directory: Path) -> tuple[Family, dict[str, Any]]:
    """The family of the checkpoint in a directory, and its config.json. Raises `ModelError`."""
    path = directory / "config.json"
    config = read_config(path)
    return family_of(config, str(path)), config


def decide(config: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """What `locate` asks of a speech LLM before it fetches weights: further files that the family needs.

    Raises `ModelError` as `family_of`.
    """
    return family_of(config, where).fetch
