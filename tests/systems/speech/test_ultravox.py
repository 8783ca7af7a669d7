"""Ultravox against plain tensor algebra written from the layout's description, and its refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from cascade_equivalence.audio.clip import Clip
from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems.backbone import Backbone, Query
from cascade_equivalence.systems.speech.encoder import WhisperEncoder
from cascade_equivalence.systems.speech.loading import encoder_of, language_model_of, load_speech_llm
from cascade_equivalence.systems.speech.speech_llm import SpeechLLM
from tests.systems.speech import tiny

CLIPS = tiny.clips()


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("parts")
    return tiny.write_llm(root / "llm"), tiny.write_whisper(root / "whisper")


def load(directory: Path) -> SpeechLLM:
    return load_speech_llm("ultravox", directory, tiny.CPU)


def layer_norm(x: Tensor, t: dict[str, Tensor], name: str) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return scaled * t[f"{name}.weight"] + t[f"{name}.bias"]


def linear(x: Tensor, t: dict[str, Tensor], name: str) -> Tensor:
    out = x @ t[f"{name}.weight"].T
    return out + t[f"{name}.bias"] if f"{name}.bias" in t else out


def encode(mel: Tensor, t: dict[str, Tensor], heads: int = 4) -> Tensor:
    """Whisper's encoder on one clip at its own length: (mels, frames) to (ceil(frames / 2), width)."""
    x = functional.gelu(functional.conv1d(mel[None], t["conv1.weight"], t["conv1.bias"], padding=1))
    x = functional.gelu(functional.conv1d(x, t["conv2.weight"], t["conv2.bias"], stride=2, padding=1))[0].T
    x = x + t["embed_positions.weight"][: len(x)]
    for index in range(2):
        layer = f"layers.{index}"
        normed = layer_norm(x, t, f"{layer}.self_attn_layer_norm")
        q, k, v = (
            linear(normed, t, f"{layer}.self_attn.{p}_proj").view(len(x), heads, -1).transpose(0, 1) for p in "qkv"
        )
        weights = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1)
        x = x + linear((weights @ v).transpose(0, 1).reshape(len(x), -1), t, f"{layer}.self_attn.out_proj")
        inner = functional.gelu(linear(layer_norm(x, t, f"{layer}.final_layer_norm"), t, f"{layer}.fc1"))
        x = x + linear(inner, t, f"{layer}.fc2")
    return layer_norm(x, t, "layer_norm")


def rms(x: Tensor, weight: Tensor) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * weight


def project(frames: Tensor, t: dict[str, Tensor]) -> Tensor:
    """Eight frames side by side → norm → linear → values × silu(gates) → (norm) → linear → (norm)."""
    filled = torch.cat([frames, torch.zeros(-len(frames) % 8, frames.shape[1])])
    stacked = torch.stack([filled[i : i + 8].flatten() for i in range(0, len(filled), 8)])
    hidden = rms(stacked, t["ln_pre.weight"]) @ t["linear_1.weight"].T
    values, gates = hidden[:, :24], hidden[:, 24:]
    hidden = values * gates / (1 + (-gates).exp())
    if "ln_mid.weight" in t:
        hidden = rms(hidden, t["ln_mid.weight"])
    out = hidden @ t["linear_2.weight"].T
    return rms(out, t["ln_post.weight"]) if "ln_post.weight" in t else out


def expected(clip: Clip, directory: Path, encoder: Path) -> Tensor:
    from transformers import WhisperFeatureExtractor

    whisper = {k.removeprefix("encoder."): v for k, v in load_file(encoder / "model.safetensors").items()}
    tensors = {k.split(".", 1)[1]: v for k, v in load_file(directory / "model.safetensors").items()}
    samples = np.pad(clip.samples, (0, -len(clip.samples) % 160))
    mel = WhisperFeatureExtractor()(
        samples, sampling_rate=16_000, padding="do_not_pad", truncation=False, return_tensors="pt"
    ).input_features[0]
    pieces = [mel[:, i : i + 3000] for i in range(0, mel.shape[1], 3000)]
    return torch.cat([project(encode(piece, whisper), tensors) for piece in pieces])


@pytest.mark.parametrize("new", [False, True])
def test_states_equal_plain_algebra(new: bool, parts: tuple[Path, Path], tmp_path: Path) -> None:
    llm, encoder = parts
    directory = tiny.write_ultravox(tmp_path / "u", new, llm, encoder)
    speech = load(directory)
    odd = Clip(CLIPS[1].samples[: 160 * 301 - 50])
    long = Clip(np.concatenate([clip.samples for clip in CLIPS] * 3)[: 34 * 16_000 + 123])
    clips = [CLIPS[0], odd, long]
    for clip, heard in zip(clips, speech.hear(clips), strict=True):
        want = expected(clip, directory, encoder)
        assert heard.shape == want.shape
        assert torch.allclose(heard, want, atol=2e-4)


def test_the_given_models_are_shared(parts: tuple[Path, Path], tmp_path: Path) -> None:
    llm, encoder = parts
    directory = tiny.write_ultravox(tmp_path / "u", True, llm, encoder)
    assert language_model_of(directory) == llm.resolve()
    assert encoder_of(directory) == encoder.resolve()
    backbone, ears = Backbone.load("llm", llm, tiny.CPU), WhisperEncoder("w", encoder, tiny.CPU)
    speech = load_speech_llm("u", directory, tiny.CPU, backbone, ears)
    assert speech.backbone is backbone
    assert speech.module("language_model") is backbone.model
    assert speech.module("audio_tower") is ears.tower


def test_ids_are_named_where_they_are_not_directories(parts: tuple[Path, Path], tmp_path: Path) -> None:
    directory = tiny.write_ultravox(tmp_path / "u", True, *parts, text_model_id="meta-llama/Llama-3.1-8B-Instruct")
    assert language_model_of(directory) == "meta-llama/Llama-3.1-8B-Instruct"
    with pytest.raises(ModelError, match=r"builds on LLM 'meta-llama/Llama-3.1-8B-Instruct'.*llm="):
        load(directory)


def own_llm(llm: Path) -> dict[str, Any]:
    import json

    config = json.loads((llm / "config.json").read_text())
    tensors = {f"language_model.{k}": v for k, v in load_file(llm / "model.safetensors").items()}
    return {"text_model_id": None, "text_config": config, "tensors": tensors}


def test_an_llm_in_the_checkpoint_is_the_one_that_answers(parts: tuple[Path, Path], tmp_path: Path) -> None:
    llm, encoder = parts
    other = tiny.write_llm(tmp_path / "other", seed=9)
    directory = tiny.write_ultravox(tmp_path / "u", True, llm, encoder, **own_llm(other))
    tiny.tokenizer().save_pretrained(directory)
    assert language_model_of(directory) is None
    speech = load(directory)
    wanted = Backbone.load("other", other, tiny.CPU)
    text = wanted.embed(wanted.encode("Text: a draw.\nTopic:"))
    query = Query(text, ((10, 11), (12,)))
    assert speech.backbone.score([5], [query]) == wanted.score([5], [query])
    with pytest.raises(ModelError, match="brings an LLM of its own"):
        load_speech_llm("u", directory, tiny.CPU, wanted)


def test_an_encoder_in_the_checkpoint_is_the_one_that_hears(parts: tuple[Path, Path], tmp_path: Path) -> None:
    llm, encoder = parts
    whisper = {k.removeprefix("encoder."): v for k, v in load_file(encoder / "model.safetensors").items()}
    tower = {f"audio_tower.{k}": v * 1.1 for k, v in whisper.items() if not k.startswith("decoder")}
    whole = tiny.write_ultravox(
        tmp_path / "whole", True, llm, encoder, audio_model_id=None, audio_config=tiny.whisper_config(), tensors=tower
    )
    assert encoder_of(whole) is None
    in_part = tiny.write_ultravox(
        tmp_path / "part", True, llm, encoder, tensors={k: v for k, v in tower.items() if "layers.1" in k}
    )
    assert encoder_of(in_part) == encoder.resolve()
    plain = load(tiny.write_ultravox(tmp_path / "plain", True, llm, encoder))
    heard = {name: load(d).hear(CLIPS[:1])[0] for name, d in (("whole", whole), ("part", in_part))}
    heard["plain"] = plain.hear(CLIPS[:1])[0]
    for left, right in (("whole", "part"), ("whole", "plain"), ("part", "plain")):
        assert not torch.allclose(heard[left], heard[right], atol=1e-3)
    base = WhisperEncoder("w", encoder, tiny.CPU)
    before = {k: v.clone() for k, v in base.tower.state_dict().items()}
    load_speech_llm("u", in_part, tiny.CPU, None, base)
    assert all(torch.equal(v, before[k]) for k, v in base.tower.state_dict().items())


PROJECTOR = "multi_modal_projector."


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_projector_layers": 2}, "projector is a transformer"),
        ({"tensors": {f"{PROJECTOR}layers.0.fc1.weight": torch.zeros(2, 2)}}, "projector is a transformer"),
        ({"audio_latency_block_size": 100}, "streaming"),
        ({"projector_ln_mid": True}, r"missing tensors: ln_mid.weight; unexpected tensors: ln_post.weight"),
        ({"hidden_size": 64}, r"linear_1.weight is \(48, 256\), not \(64, 256\)"),
        ({"stack_factor": 4}, r"ln_pre.weight is \(256,\), not \(128,\)"),
        ({"tensors": {"adapter.linear.weight": torch.zeros(2, 2)}}, "unexpected tensor 'adapter.linear.weight'"),
        ({"projector_act": "nothing"}, "projector_act 'nothing' is not known"),
        (
            {"tensors": {"language_model.base_model.model.layers.0.lora_A.default.weight": torch.zeros(2, 2)}},
            "LoRA that is not merged",
        ),
        (
            {"tensors": {"language_model.lm_head.weight": torch.zeros(2, 2)}},
            "brings LLM tensors but no 'text_config'",
        ),
        (
            {"tensors": {"audio_tower.conv1.bias": torch.zeros(2)}},
            r"audio_tower: shapes that do not fit.*conv1.bias is \(2,\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    changes: dict[str, Any], message: str, parts: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=message):
        load(tiny.write_ultravox(tmp_path / "u", False, *parts, **changes))


def test_an_llm_of_another_width(parts: tuple[Path, Path], tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    llm, encoder = parts
    wide = LlamaForCausalLM(
        LlamaConfig(vocab_size=300, hidden_size=64, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4)
    )
    directory = tiny.write_ultravox(tmp_path / "u", True, llm, encoder)
    with pytest.raises(ModelError, match=r"LLM 'wide'.*linear_2.weight is \(32, 24\), not \(64, 24\)"):
        load_speech_llm("u", directory, tiny.CPU, Backbone("wide", wide, tiny.tokenizer()))
