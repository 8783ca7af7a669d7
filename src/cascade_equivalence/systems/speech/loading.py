"""Speech LLMs from directories."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems.backbone import Backbone
from cascade_equivalence.systems.loading import Placement, locate
from cascade_equivalence.systems.speech.adapter import POCKET
from cascade_equivalence.systems.speech.encoder import WhisperEncoder
from cascade_equivalence.systems.speech.pocket import CtcConnector, FrameConnector, PocketConfig, PocketEars
from cascade_equivalence.systems.speech.speech_llm import SpeechLLM


def _silently(message: str) -> None:
    """Say nothing."""


def _config(directory: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{directory}: config.json cannot be read ({error})") from None
    if config.get("family") != "pocket":
        raise ModelError(f"{directory}: no speech LLM of a known family (pocket)")
    return config


def language_model_of(directory: Path) -> str | Path | None:
    """The LLM that a checkpoint builds on, as a name or id, or a path where there is one; None if it is inside."""
    return str(_config(directory)["llm"])


def encoder_of(directory: Path) -> str | Path | None:
    """The audio encoder that a checkpoint builds on; as `language_model_of`."""
    return str(_config(directory)["encoder"])


def load_speech_llm(
    name: str,
    directory: Path,
    placement: Placement,
    llm: Backbone | None = None,
    encoder: WhisperEncoder | None = None,
) -> SpeechLLM:
    """A speech LLM on the given language model and encoder objects, or on its own. Raises `ModelError`."""
    from safetensors.torch import load_file

    config = PocketConfig(**_config(directory)["connector"])
    backbone = llm or Backbone.load(name, locate(_config(directory)["llm"], _silently), placement)
    ears = encoder or WhisperEncoder(name, locate(_config(directory)["encoder"], _silently), placement)
    connector = (CtcConnector if config.kind == "ctc" else FrameConnector)(config)
    connector.load_state_dict(load_file(directory / "model.safetensors"))
    connector.to(placement.device, getattr(torch, placement.dtype))
    return SpeechLLM(name, POCKET, backbone, PocketEars(ears, connector, backbone))
