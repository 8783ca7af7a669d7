"""The published layouts at full size: every name and shape held against the classes, without a weight read."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems.speech.loading import check_layout, load_speech_llm
from tests.shared_data import SHARED
from tests.systems.speech import tiny

pytestmark = pytest.mark.skipif(not (SHARED / "data" / "checkpoints").is_dir(), reason="published names not here")
Shapes = dict[str, list[int]]

ULTRAVOX = {
    "model_type": "ultravox",
    "audio_model_id": None,
    "audio_config": {"d_model": 1280, "encoder_layers": 32, "encoder_attention_heads": 20, "encoder_ffn_dim": 5120},
    "hidden_size": 4096,
    "stack_factor": 8,
    "projector_act": "swiglu",
    "projector_ln_mid": True,
}
ULTRAVOX["audio_config"] |= {"num_mel_bins": 128, "torch_dtype": "bfloat16"}  # type: ignore[operator]
OLD = {**ULTRAVOX, "audio_config": None, "audio_model_id": "openai/whisper-large-v3-turbo", "projector_ln_mid": False}
QWEN: dict[str, Any] = {
    "model_type": "qwen2_audio",
    "audio_config": {"model_type": "qwen2_audio_encoder"},
    "text_config": {"model_type": "qwen2", "intermediate_size": 11008, "max_position_embeddings": 8192},
    "audio_token_index": 151646,
}
QWEN["text_config"] |= {"rms_norm_eps": 1e-5, "rope_theta": 10000, "vocab_size": 156032, "use_mrope": False}
PHI: dict[str, Any] = {"model_type": "phi4_multimodal", "num_attention_heads": 24, "num_key_value_heads": 8}
PHI |= {"tie_word_embeddings": True, "audio_config": {"bias_max_distance": 500}}
PUBLISHED: dict[str, tuple[str, dict[str, Any], int]] = {
    "ultravox v0.4.1": ("ultravox_v0_4_1-llama-3_1-8b", OLD | {"text_model_id": "meta-llama/Llama-3.1-8B"}, 1),
    "ultravox v0.5 1b": ("ultravox_v0_5_llama-3_2-1b", ULTRAVOX | {"text_model_id": "meta-llama/Llama-3.2-1B"}, 1),
    "ultravox v0.6 8b": ("ultravox_v0_5_v0_6_llama-3_1-8b", ULTRAVOX | {"text_model_id": "meta-llama/Llama-3.1-8B"}, 1),
    "qwen2-audio": ("qwen2_audio_published", QWEN, 5),
    "phi-4-multimodal": ("phi4_native", PHI, 3),
}


def published(name: str) -> tuple[Shapes, dict[str, Any], int]:
    file, config, shards = PUBLISHED[name]
    shapes: Shapes = json.loads((SHARED / "data" / "checkpoints" / f"{file}.json").read_text())
    if name == "phi-4-multimodal":
        # Tied to the embedding, and not stored.
        del shapes["lm_head.weight"]
    return shapes, config, shards


def write(directory: Path, shapes: Mapping[str, Sequence[int]], config: Mapping[str, Any], shards: int) -> Path:
    """A checkpoint of the real sizes whose tensors are holes in its files."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(config))
    names = list(shapes)
    each = -(-len(names) // shards)
    files = [f"model-{i + 1:05d}-of-{shards:05d}.safetensors" for i in range(shards)]
    files = files if shards > 1 else ["model.safetensors"]
    index = {}
    for number, file in enumerate(files):
        header, end = {}, 0
        for name in names[number * each : (number + 1) * each]:
            size = 2
            for length in shapes[name]:
                size *= length
            header[name] = {"dtype": "BF16", "shape": list(shapes[name]), "data_offsets": [end, end + size]}
            end += size
            index[name] = file
        text = json.dumps(header).encode()
        with (directory / file).open("wb") as out:
            out.write(struct.pack("<Q", len(text)) + text)
            out.truncate(8 + len(text) + end)
    if shards > 1:
        (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    return directory


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_name_and_shape_fits(name: str, tmp_path: Path) -> None:
    check_layout(write(tmp_path / "c", *published(name)))


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_does_not_fit_is_named_before_it_is_read(name: str, tmp_path: Path) -> None:
    """The files are holes of up to 17 GB: nothing that is said here can come from reading them."""
    shapes, config, shards = published(name)
    middle = sorted(n for n in shapes if n.endswith(".weight"))[len(shapes) // 2 % len(shapes) - 1]
    renamed = {f"{n}x" if n == middle else n: shape for n, shape in shapes.items()}
    last = middle.rpartition(".")[0].rpartition(".")[2]
    with pytest.raises(ModelError, match=rf"missing tensors: .*{last}\.weight.*unexpected tensors: .*{last}\.weightx"):
        load_speech_llm("x", write(tmp_path / "renamed", renamed, config, shards), tiny.CPU)
    reshaped = {n: [*shape[:-1], shape[-1] + 1] if n == middle else shape for n, shape in shapes.items()}
    with pytest.raises(ModelError, match=rf"shapes that do not fit the configuration: .*{last}\.weight is \("):
        load_speech_llm("x", write(tmp_path / "reshaped", reshaped, config, shards), tiny.CPU)
    if shards > 1:
        whole = write(tmp_path / "whole", shapes, config, shards)
        (whole / f"model-00002-of-{shards:05d}.safetensors").unlink()
        with pytest.raises(ModelError, match=r"model-00002-of-0000\d\.safetensors: named in .* and missing"):
            load_speech_llm("x", whole, tiny.CPU)
