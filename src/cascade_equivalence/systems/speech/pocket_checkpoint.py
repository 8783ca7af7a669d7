"""A pocket speech LLM on disk: `config.json` and `model.safetensors` (the connector) in one directory.

Large matrices are stored as 8-bit integers with one scale a row (a rounding of at most 0.4 % of the row's largest
weight), other floats as float16; names and sizes stand in `config.json`, with the sha256 of the weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cascade_equivalence.errors import ModelError
from cascade_equivalence.hashing import sha256_file
from cascade_equivalence.pocket.shipped import verify
from cascade_equivalence.systems.backbone import Backbone
from cascade_equivalence.systems.speech.adapter import POCKET, Family, Parts, Wanted
from cascade_equivalence.systems.speech.checkpoint import fill, read_tensors, width_of
from cascade_equivalence.systems.speech.composition import Composition
from cascade_equivalence.systems.speech.encoder import WhisperEncoder
from cascade_equivalence.systems.speech.pocket import CtcConnector, FrameConnector, PocketConfig, PocketEars
from cascade_equivalence.systems.speech.speech_llm import SpeechLLM

WEIGHTS = "model.safetensors"
SCALE = ".scale"
SMALL = 1 << 16
"""Weights from which on a matrix is stored in eight bits."""
CONNECTORS: dict[str, type[CtcConnector] | type[FrameConnector]] = {"ctc": CtcConnector, "frames": FrameConnector}


def save_connector(
    directory: Path, name: str, encoder: str, llm: str, connector: CtcConnector | FrameConnector
) -> None:
    """Write a connector, rounded, with the names of the encoder and LLM it stands between."""
    from safetensors.torch import save_file

    directory.mkdir(parents=True, exist_ok=True)
    save_file(pack(connector.state_dict()), directory / WEIGHTS)
    config = {
        "family": POCKET.family,
        "name": name,
        "encoder": encoder,
        "llm": llm,
        "connector": connector.config.to_json(),
        "sha256": {WEIGHTS: sha256_file(directory / WEIGHTS)},
    }
    (directory / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def pack(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Matrices of `SMALL` weights and more as int8 with `NAME.scale`, float32, (rows,); other floats as float16."""
    packed = {}
    for name, value in tensors.items():
        if value.ndim == 2 and value.numel() >= SMALL:
            scale = value.float().abs().amax(1).clamp_min(1e-8) / 127
            packed[name] = (value.float() / scale[:, None]).round().to(torch.int8).cpu()
            packed[name + SCALE] = scale.cpu()
        else:
            packed[name] = (value.half() if value.is_floating_point() else value).contiguous().cpu()
    return packed


def unpack(packed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What `pack` rounded, as floats. A scale without its matrix is left for `fill` to name."""
    tensors = dict(packed)
    for name in packed:
        matrix = name.removesuffix(SCALE)
        if name.endswith(SCALE) and matrix in packed and len(packed[matrix]) == len(packed[name]):
            tensors[matrix] = packed[matrix].float() * tensors.pop(name)[:, None]
    return tensors


def _parts(directory: Path, config: Mapping[str, Any]) -> Parts:
    return config.get("llm"), config.get("encoder")


def _layout(directory: Path, config: Mapping[str, Any]) -> None:
    _sizes(directory, config)
    verify(directory)


def _load(wanted: Wanted) -> SpeechLLM:
    """The connector of a directory between an encoder and an LLM that are there. It computes in float32."""
    name, directory, config, llm, encoder = (
        wanted.name,
        wanted.directory,
        wanted.config,
        wanted.llm,
        wanted.encoder,
    )
    if llm is None or encoder is None:
        missing = "llm" if llm is None else "encoder"
        raise ModelError(f"{directory / 'config.json'}: no '{missing}' named; install the package again")
    sizes = _sizes(directory, config)
    verify(directory)
    tensors = read_tensors([directory / WEIGHTS])
    connector = CONNECTORS[sizes.kind](sizes)
    fill(connector, unpack(tensors), str(directory / WEIGHTS))
    _check_fit(directory, config, sizes, connector, llm, encoder)
    connector.to(llm.device).float().eval()
    return SpeechLLM(
        name=name,
        adapter=replace(POCKET, positions="words") if sizes.kind == "ctc" else POCKET,
        root=Composition(audio_tower=encoder.tower, connector=connector, language_model=llm.model),
        backbone=llm,
        matched=llm,
        ears=PocketEars(encoder, connector, llm),
    )


def _sizes(directory: Path, config: Mapping[str, Any]) -> PocketConfig:
    try:
        sizes = PocketConfig(**config["connector"])
    except (KeyError, TypeError) as error:
        raise ModelError(f"{directory / 'config.json'}: 'connector' is not what it should be ({error})") from None
    if sizes.kind not in CONNECTORS:
        raise ModelError(
            f"{directory / 'config.json'}: connector kind '{sizes.kind}' is not one of {', '.join(CONNECTORS)}"
        )
    return sizes


def _check_fit(
    directory: Path,
    config: Mapping[str, Any],
    sizes: PocketConfig,
    connector: CtcConnector | FrameConnector,
    llm: Backbone,
    encoder: WhisperEncoder,
) -> None:
    if encoder.width != sizes.encoder_width:
        raise ModelError(
            f"{directory}: made for an encoder of width {sizes.encoder_width} ({config.get('encoder')}), not of "
            f"{encoder.width}; give it that encoder"
        )
    if (width := width_of(llm)) != sizes.llm_width:
        raise ModelError(
            f"{directory}: made for an LLM of width {sizes.llm_width} ({config.get('llm')}), but '{llm.name}' has "
            f"{width}; give it that LLM"
        )
    entries = int(llm.model.get_input_embeddings().weight.shape[0])
    if isinstance(connector, CtcConnector) and (
        int(connector.tokens.max()) >= entries or int(connector.tokens.min()) < 0
    ):
        raise ModelError(
            f"{directory}: speaks of token {int(connector.tokens.max())}, but LLM '{llm.name}' has {entries}; give it "
            f"the LLM it was made for ({config.get('llm')})"
        )


FAMILY = Family(POCKET, _load, _layout, _parts)
