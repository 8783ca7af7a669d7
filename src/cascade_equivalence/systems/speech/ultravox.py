"""Ultravox: Whisper's encoder, frames stacked and projected into any causal LM. Our own composition of its layout.

Projector: `stack_factor` frames stacked → RMSNorm → linear → SwiGLU (values, then gates) → linear, with one more
RMSNorm after the second linear (up to v0.4.1) or before it (from v0.5, `projector_ln_mid`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from cascade_equivalence.audio.clip import RATE, Clip
from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems.backbone import Backbone
from cascade_equivalence.systems.linear import by_onednn
from cascade_equivalence.systems.loading import Placement
from cascade_equivalence.systems.speech.adapter import Adapter, Family, Parts, Wanted
from cascade_equivalence.systems.speech.checkpoint import account, fill, load_tokenizer, read_tensors, stored, width_of
from cascade_equivalence.systems.speech.composition import Composition
from cascade_equivalence.systems.speech.encoder import Tower, WhisperEncoder
from cascade_equivalence.systems.speech.speech_llm import SpeechLLM
from cascade_equivalence.turns import MAKING_A_MODEL

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

HOP = 160
"""Samples per feature frame."""
S = TypeVar("S")
_PREFIXES = ("multi_modal_projector.", "audio_tower.", "language_model.")


class RmsNorm(nn.Module):
    """Division by the root mean square of the last dimension, in float32, times a weight."""

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """x: (…, width)."""
        wide = x.float()
        normed = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        out: Tensor = self.weight * normed.to(x.dtype)
        return out


class UltravoxProjector(nn.Module):
    """Stacked encoder frames, shape (positions, stack × encoder width), to the LLM's width."""

    def __init__(self, width_in: int, inner: int, width_out: int, activation: str, norm_before_second: bool) -> None:
        super().__init__()
        self.gated = activation == "swiglu"
        middle = inner // 2 if self.gated else inner
        self.ln_pre = RmsNorm(width_in)
        self.linear_1 = nn.Linear(width_in, inner, bias=False)
        self.act: nn.Module = nn.SiLU() if self.gated else _activation(activation)
        self.linear_2 = nn.Linear(middle, width_out, bias=False)
        if norm_before_second:
            self.ln_mid: nn.Module = RmsNorm(middle)
            self.ln_post: nn.Module = nn.Identity()
        else:
            self.ln_mid = nn.Identity()
            self.ln_post = RmsNorm(width_out)

    def forward(self, frames: Tensor) -> Tensor:
        """See the class."""
        hidden = self.linear_1(self.ln_pre(frames))
        if self.gated:
            values, gates = hidden.chunk(2, -1)
            hidden = values * self.act(gates)
        else:
            hidden = self.act(hidden)
        out: Tensor = self.ln_post(self.linear_2(self.ln_mid(hidden)))
        return out


class UltravoxEars:
    """Whisper's encoder on the true length of a clip and the projector. Clips over 30 s are cut every 30 s, as the
    model was trained: features of the whole clip, one pass of the encoder per piece, positions joined."""

    def __init__(self, tower: Tower, features: Any, projector: UltravoxProjector, stack: int) -> None:
        self.tower = tower
        self.projector = projector.eval()
        by_onednn(self.projector)
        self._features = features
        self._stack = stack
        self._window = 2 * int(tower.encoder.embed_positions.weight.shape[0])

    def hear(self, clips: Sequence[Clip]) -> list[Tensor]:
        """See `Ears.hear`."""
        with torch.inference_mode():
            owners, pieces = [], []
            for index, clip in enumerate(clips):
                for piece in torch.split(self._extract(clip), self._window, 1):
                    owners.append(index)
                    pieces.append(piece)
            lengths = torch.tensor([piece.shape[1] for piece in pieces])
            batch = nn.utils.rnn.pad_sequence([piece.T for piece in pieces], batch_first=True).transpose(1, 2)
            weight = self.tower.encoder.conv1.weight
            encoded = self.tower(batch.to(weight.device, weight.dtype), lengths)
            stacked = [self._stacked(row[: -(-int(n) // 2)]) for row, n in zip(encoded, lengths, strict=True)]
            target = self.projector.linear_1.weight
            projected = self.projector(torch.cat(stacked).to(target.device, target.dtype))
            parts = torch.split(projected, [len(rows) for rows in stacked])
            return [
                torch.cat([part for part, owner in zip(parts, owners, strict=True) if owner == index])
                for index in range(len(clips))
            ]

    def _extract(self, clip: Clip) -> Tensor:
        """Log-mel features of the whole clip, shape (mels, ceil(samples / 160)), two frames at least."""
        missing = max(2 * HOP, -(-len(clip.samples) // HOP) * HOP) - len(clip.samples)
        features: Tensor = self._features(
            [np.pad(clip.samples, (0, missing))],
            sampling_rate=RATE,
            return_tensors="pt",
            padding="longest",
            truncation=False,
        ).input_features[0]
        return features

    def _stacked(self, frames: Tensor) -> Tensor:
        """(time, width) to (ceil(time / stack), stack × width), filled with zeros."""
        missing = -len(frames) % self._stack
        return nn.functional.pad(frames, (0, 0, 0, missing)).reshape(-1, self._stack * frames.shape[1])


def _parts(directory: Path, config: Mapping[str, Any]) -> Parts:
    names = stored(directory)
    tower, llm = (any(name.startswith(prefix) for name in names) for prefix in _PREFIXES[1:])
    # An encoder that was trained in part stands on the one it was started from.
    own_tower = tower and bool(config.get("audio_config"))
    return None if llm else config.get("text_model_id"), None if own_tower else config.get("audio_model_id")


def _layout(directory: Path, config: Mapping[str, Any]) -> None:
    tensors = stored(directory)
    if stray := sorted(key for key in tensors if not key.startswith(_PREFIXES)):
        raise ModelError(f"{directory}: unexpected tensor '{stray[0]}'; this is not an Ultravox checkpoint as known")
    if adapted := sorted(key for key in tensors if ".lora_" in key):
        raise ModelError(
            f"{directory}: '{adapted[0]}' is a LoRA that is not merged; merge it into the weights first "
            "(merge_and_unload, which publishing does), so that LLM and encoder are whole"
        )
    projector, tower, llm = (_under(prefix, tensors) for prefix in _PREFIXES)
    if any(key.startswith(("layers.", "linear_in.")) for key in projector):
        raise _transformer(str(directory))
    with torch.device("meta"):
        if tower and config.get("audio_config"):
            encoder = _whole_tower(config)
            account(encoder, tower, f"{directory}, audio_tower")
            width_in = int(encoder.conv2.weight.shape[0])
        elif "ln_pre.weight" in projector:
            width_in = projector["ln_pre.weight"].shape[0] // _stack(config)
        else:
            width_in = 0
        if "linear_2.weight" in projector:
            width_out = projector["linear_2.weight"].shape[0]
            account(_projector(config, width_in, width_out), projector, f"{directory}, multi_modal_projector")
        else:
            account(_projector(config, width_in, 1), projector, f"{directory}, multi_modal_projector")
        if llm:
            model = _own_llm(directory, config, torch.bfloat16)
            account(model, llm, f"{directory}, language_model", _tied(model))


def _stack(config: Mapping[str, Any]) -> int:
    return int(config.get("stack_factor", 8))


def _projector(config: Mapping[str, Any], width_in: int, width_out: int) -> UltravoxProjector:
    """width_in: of the encoder's states."""
    return UltravoxProjector(
        width_in=_stack(config) * width_in,
        inner=int(config.get("hidden_size", 4096)),
        width_out=width_out,
        activation=str(config.get("projector_act", "swiglu")),
        norm_before_second=bool(config.get("projector_ln_mid", False)),
    )


def _load(wanted: Wanted) -> SpeechLLM:
    name, directory, config, placement = wanted.name, wanted.directory, wanted.config, wanted.placement
    tensors = read_tensors(sorted({tensor.path for tensor in stored(directory).values()}))
    parts = {prefix: _under(prefix, tensors) for prefix in _PREFIXES}
    backbone = _language_model(name, directory, config, placement, parts["language_model."], wanted.llm)
    tower, features = _audio_tower(directory, config, placement, parts["audio_tower."], wanted.encoder)
    projector = _projector(config, int(tower.encoder.conv2.weight.shape[0]), width_of(backbone))
    fill(projector, parts["multi_modal_projector."], f"{directory}, multi_modal_projector with LLM '{backbone.name}'")
    projector.to(backbone.device, backbone.model.dtype)
    return SpeechLLM(
        name=name,
        adapter=ULTRAVOX,
        root=Composition(audio_tower=tower, multi_modal_projector=projector, language_model=backbone.model),
        backbone=backbone,
        matched=backbone,
        ears=UltravoxEars(tower, features, projector, _stack(config)),
    )


def _refuse(config: Mapping[str, Any], where: str) -> None:
    if config.get("num_projector_layers") or "transformer" in str(config.get("projector_type", "")).lower():
        raise _transformer(where)
    if config.get("audio_latency_block_size"):
        raise ModelError(
            f"{where}: 'audio_latency_block_size' (a streaming encoder) is not supported; use a checkpoint without it"
        )


def _transformer(where: str) -> ModelError:
    return ModelError(
        f"{where}: its projector is a transformer, which is not supported; use a checkpoint whose projector is "
        "feed-forward (v0.2 to v0.6)"
    )


def _under(prefix: str, tensors: Mapping[str, S]) -> dict[str, S]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _language_model(
    name: str,
    directory: Path,
    config: Mapping[str, Any],
    placement: Placement,
    tensors: Mapping[str, Tensor],
    llm: Backbone | None,
) -> Backbone:
    if not tensors:
        if llm is None:
            raise ModelError(f"{directory}: builds on LLM '{config.get('text_model_id')}'; load that and pass it on")
        return llm
    if llm is not None:
        raise ModelError(
            f"{directory}: brings an LLM of its own (language_model.*), which is not '{llm.name}'; it cannot share that"
        )
    model = _own_llm(directory, config, getattr(torch, placement.dtype))
    fill(model, tensors, f"{directory}, language_model", _tied(model))
    return Backbone(name, model.to(placement.device), load_tokenizer(name, directory))


def _own_llm(directory: Path, config: Mapping[str, Any], dtype: torch.dtype) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    geometry = dict(config.get("text_config") or {})
    if "model_type" not in geometry:
        raise ModelError(f"{directory / 'config.json'}: brings LLM tensors but no 'text_config' to read them by")
    try:
        config = AutoConfig.for_model(**geometry)
        with MAKING_A_MODEL:
            return AutoModelForCausalLM.from_config(config, dtype=dtype, trust_remote_code=False)
    except Exception as error:  # whatever a library raises at files of others
        raise ModelError(f"{directory / 'config.json'}: 'text_config' describes no LLM: {error}") from None


def _tied(model: Any) -> list[str]:
    return ["lm_head.weight"] if getattr(model.config, "tie_word_embeddings", False) else []


def _audio_tower(
    directory: Path,
    config: Mapping[str, Any],
    placement: Placement,
    tensors: Mapping[str, Tensor],
    encoder: WhisperEncoder | None,
) -> tuple[Tower, Any]:
    from transformers import WhisperFeatureExtractor
    from transformers.models.whisper.modeling_whisper import WhisperEncoder as Encoder

    if not tensors:
        if encoder is None:
            raise ModelError(
                f"{directory}: builds on audio encoder '{config.get('audio_model_id')}'; load that and pass it on"
            )
        return encoder.tower, encoder.features
    geometry = dict(config.get("audio_config") or {})
    if not geometry and encoder is None:
        raise ModelError(
            f"{directory / 'config.json'}: has no 'audio_config'; load audio encoder '{config.get('audio_model_id')}' "
            "and pass it on"
        )
    base = encoder.tower.encoder if encoder is not None else None
    tower = Encoder(base.config) if base is not None else _whole_tower(config)
    # A checkpoint may hold only those of the encoder's tensors that were trained.
    fill(tower, {**(base.state_dict() if base is not None else {}), **tensors}, f"{directory}, audio_tower")
    tower = tower.to(placement.device, getattr(torch, placement.dtype)).eval()
    features = encoder.features if encoder else WhisperFeatureExtractor(feature_size=tower.config.num_mel_bins)
    return Tower(tower), features


def _whole_tower(config: Mapping[str, Any]) -> Any:
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder as Encoder

    try:
        return Encoder(WhisperConfig(**config["audio_config"]))
    except Exception as error:  # whatever a library raises at files of others
        raise ModelError(f"config.json: 'audio_config' describes no encoder: {error}") from None


def _activation(name: str) -> nn.Module:
    from transformers.activations import ACT2FN

    if name not in ACT2FN:
        raise ModelError(f"projector_act '{name}' is not known; known are swiglu, {', '.join(sorted(ACT2FN))}")
    found: nn.Module = ACT2FN[name]
    return found


FAMILY = Family(ULTRAVOX, _load, _layout, _parts, llm="language_model", refuse=_refuse)
