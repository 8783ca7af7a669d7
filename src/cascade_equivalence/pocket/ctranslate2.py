"""CTranslate2 Whisper → a transformers directory (safetensors, config, tokenizer, feature extractor).

The binary layout is CTranslate2's model format, version 6: u32 version, string specification, u32 revision, u32
count, then per tensor its name, rank, dimensions, type and bytes; then aliases. Little-endian throughout.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from cascade_equivalence.errors import ModelError

_DTYPES: dict[int, type[np.generic]] = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
_MULTILINGUAL_VOCABULARY = 51865


def _unpack(file: BinaryIO, layout: str) -> tuple[Any, ...]:
    return struct.unpack("<" + layout, file.read(struct.calcsize("<" + layout)))


def _string(file: BinaryIO) -> str:
    (length,) = _unpack(file, "H")
    return file.read(length).rstrip(b"\0").decode()


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Every named tensor of a CTranslate2 `model.bin`. Raises `ModelError` if the file is cut or of another kind."""
    tensors: dict[str, NDArray[Any]] = {}
    try:
        with path.open("rb") as file:
            _version, specification = *_unpack(file, "I"), _string(file)
            if specification != "WhisperSpec":
                raise ModelError(f"{path}: holds '{specification}', not a Whisper model")
            _revision, count = _unpack(file, "II")
            for _ in range(count):
                name = _string(file)
                (rank,) = _unpack(file, "B")
                shape = _unpack(file, f"{rank}I")
                kind, size = _unpack(file, "BI")
                tensors[name] = np.frombuffer(file.read(size), dtype=_DTYPES[kind]).reshape(shape)
    except (struct.error, KeyError, ValueError) as error:
        raise ModelError(f"{path}: not a complete CTranslate2 model ({error})") from None
    return tensors


def transformers_state(tensors: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Rename to `WhisperForConditionalGeneration`'s keys, splitting the fused q/k/v; Whisper's k has no bias."""
    state: dict[str, NDArray[Any]] = {}

    def linear(source: str, target: str, bias: bool = True) -> None:
        state[f"{target}.weight"] = tensors[f"{source}/weight"]
        if bias:
            state[f"{target}.bias"] = tensors[f"{source}/bias"]

    def split(source: str, target: str, names: str) -> None:
        weights = np.split(tensors[f"{source}/weight"], len(names))
        biases = np.split(tensors[f"{source}/bias"], len(names))
        for name, weight, bias in zip(names, weights, biases, strict=True):
            state[f"{target}.{name}_proj.weight"] = weight
            if name != "k":
                state[f"{target}.{name}_proj.bias"] = bias

    def norm(source: str, target: str) -> None:
        state[f"{target}.weight"] = tensors[f"{source}/gamma"]
        state[f"{target}.bias"] = tensors[f"{source}/beta"]

    for side in ("encoder", "decoder"):
        state[f"model.{side}.embed_positions.weight"] = tensors[f"{side}/position_encodings/encodings"]
        norm(f"{side}/layer_norm", f"model.{side}.layer_norm")
        for i in range(_layers(tensors, side)):
            source, target = f"{side}/layer_{i}", f"model.{side}.layers.{i}"
            split(f"{source}/self_attention/linear_0", f"{target}.self_attn", "qkv")
            linear(f"{source}/self_attention/linear_1", f"{target}.self_attn.out_proj")
            norm(f"{source}/self_attention/layer_norm", f"{target}.self_attn_layer_norm")
            if side == "decoder":
                linear(f"{source}/attention/linear_0", f"{target}.encoder_attn.q_proj")
                split(f"{source}/attention/linear_1", f"{target}.encoder_attn", "kv")
                linear(f"{source}/attention/linear_2", f"{target}.encoder_attn.out_proj")
                norm(f"{source}/attention/layer_norm", f"{target}.encoder_attn_layer_norm")
            linear(f"{source}/ffn/linear_0", f"{target}.fc1")
            linear(f"{source}/ffn/linear_1", f"{target}.fc2")
            norm(f"{source}/ffn/layer_norm", f"{target}.final_layer_norm")
    for conv in ("conv1", "conv2"):
        linear(f"encoder/{conv}", f"model.encoder.{conv}")
    state["model.decoder.embed_tokens.weight"] = tensors["decoder/embeddings/weight"]
    return state


def convert(source: Path, target: Path) -> None:
    """Write `source/{model.bin,config.json,tokenizer.json}` as a transformers Whisper directory, float16 kept."""
    try:
        import torch
        from transformers import (
            GenerationConfig,
            WhisperConfig,
            WhisperFeatureExtractor,
            WhisperForConditionalGeneration,
            WhisperTokenizer,
        )
    except ImportError as error:
        raise ModelError(f"{error}; install cascade-equivalence[models]") from None

    tensors = read_tensors(source / "model.bin")
    decoding = json.loads((source / "config.json").read_text(encoding="utf-8"))
    vocabulary, width = tensors["decoder/embeddings/weight"].shape
    multilingual = vocabulary >= _MULTILINGUAL_VOCABULARY
    end = 50257 if multilingual else 50256
    heads = width // 64
    config = WhisperConfig(
        vocab_size=vocabulary,
        num_mel_bins=tensors["encoder/conv1/weight"].shape[1],
        d_model=width,
        encoder_layers=_layers(tensors, "encoder"),
        decoder_layers=_layers(tensors, "decoder"),
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=tensors["encoder/layer_0/ffn/linear_0/weight"].shape[0],
        decoder_ffn_dim=tensors["decoder/layer_0/ffn/linear_0/weight"].shape[0],
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=end + 1,
    )
    with torch.device("meta"):
        model = WhisperForConditionalGeneration(config)
    state = {k: torch.from_numpy(v.copy()) for k, v in transformers_state(tensors).items()}
    state["proj_out.weight"] = state["model.decoder.embed_tokens.weight"]
    try:
        model.load_state_dict(state, assign=True, strict=True)
    except RuntimeError as error:
        raise ModelError(f"{source.name}: tensors do not fit Whisper: {error}") from None
    model.tie_weights()

    tokenizer = WhisperTokenizer.from_pretrained(source)
    special = {"eos_token_id": end, "pad_token_id": end, "bos_token_id": end}
    no_timestamps = tokenizer.convert_tokens_to_ids("<|notimestamps|>")
    language = {}
    if multilingual:
        language = {
            "lang_to_id": {f"<|{c}|>": tokenizer.convert_tokens_to_ids(f"<|{c}|>") for c in ("en",)},
            "task_to_id": {
                "transcribe": tokenizer.convert_tokens_to_ids("<|transcribe|>"),
                "translate": tokenizer.convert_tokens_to_ids("<|translate|>"),
            },
        }
    model.generation_config = GenerationConfig(
        **special,
        **language,
        decoder_start_token_id=end + 1,
        is_multilingual=multilingual,
        no_timestamps_token_id=no_timestamps,
        suppress_tokens=decoding["suppress_ids"],
        begin_suppress_tokens=decoding["suppress_ids_begin"],
        max_length=448,
        return_timestamps=False,
    )
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    WhisperFeatureExtractor(feature_size=config.num_mel_bins).save_pretrained(target)


def _layers(tensors: dict[str, NDArray[Any]], side: str) -> int:
    indices = {name.split("/")[1] for name in tensors if name.startswith(f"{side}/layer_")}
    return len([i for i in indices if i != "layer_norm"])
