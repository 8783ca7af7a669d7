"""Tiny speech LLMs with random weights, written to disk as real checkpoints are and loaded from there."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from cascade_equivalence.audio.clip import RATE, Clip, read_clip
from cascade_equivalence.systems.backbone import Backbone
from cascade_equivalence.systems.loading import Placement
from cascade_equivalence.systems.speech.encoder import WhisperEncoder
from cascade_equivalence.systems.speech.loading import load_speech_llm
from cascade_equivalence.systems.speech.pocket import CtcConnector, FrameConnector, PocketConfig
from cascade_equivalence.systems.speech.pocket_checkpoint import save_connector
from cascade_equivalence.systems.speech.speech_llm import SpeechLLM
from cascade_equivalence.tasks.task import corpus_dir

CPU = Placement("cpu", "float32", 8)
WIDTH = 32
SPECIAL = ("<|endoftext|>", "<|audio_bos|>", "<|AUDIO|>", "<|audio_eos|>", "<|audio|>", "<|image|>", "[BEGIN_AUDIO]")


def clips() -> list[Clip]:
    """Real speech of about two, four and six seconds."""
    names = ("emotion/emotion-037", "emotion/emotion-066", "topic/topic-215")
    return [read_clip(corpus_dir() / "audio" / f"{name}.ogg") for name in names]


def shake(model: torch.nn.Module, seed: int = 0) -> Any:
    """Random weights that are large enough for what goes in to show in what comes out."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim > 1:
                parameter.copy_(noise * parameter[0].numel() ** -0.5)
            else:
                # Rounded first: scales start at one, biases at a random value of their own.
                parameter.copy_(parameter.round() + noise * 0.1)
    return model.eval()


def tokenizer(special: tuple[str, ...] = SPECIAL) -> Any:
    """One token per byte, and special ones."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(token, special=True) for token in special])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<|endoftext|>", pad_token="<|endoftext|>", padding_side="left"
    )


def token(text: str) -> int:
    return int(tokenizer().convert_tokens_to_ids(text))


def write_llm(directory: Path, seed: int = 1) -> Path:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer()),
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        bos_token_id=None,
        eos_token_id=token("<|endoftext|>"),
    )
    shake(LlamaForCausalLM(config), seed).save_pretrained(directory)
    tokenizer().save_pretrained(directory)
    return directory


def whisper_config() -> dict[str, Any]:
    return {
        "d_model": 32,
        "encoder_layers": 2,
        "encoder_attention_heads": 4,
        "encoder_ffn_dim": 64,
        "decoder_layers": 1,
        "decoder_attention_heads": 4,
        "decoder_ffn_dim": 64,
        "vocab_size": 32,
        "num_mel_bins": 80,
        "max_source_positions": 1500,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "decoder_start_token_id": 1,
    }


def write_whisper(directory: Path) -> Path:
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

    shake(WhisperModel(WhisperConfig(**whisper_config())), 2).save_pretrained(directory)
    WhisperFeatureExtractor().save_pretrained(directory)
    return directory


def write_pocket(directory: Path, kind: str, llm: Path, encoder: Path) -> Path:
    config = PocketConfig(kind, encoder_width=32, llm_width=WIDTH, vocabulary=40, width=48, heads=4, inner=64)
    connector = shake((CtcConnector if kind == "ctc" else FrameConnector)(config), 3)
    if isinstance(connector, CtcConnector):
        connector.tokens.copy_(torch.arange(40) + 30)
    save_connector(directory, f"pocket-{kind}", str(encoder), str(llm), connector)
    return directory


def ultravox_tensors(
    new: bool, seed: int = 4, encoder: int = 32, hidden: int = 48, llm: int = WIDTH
) -> dict[str, torch.Tensor]:
    """The projector's tensors by the layout's description: 8 stacked frames of 32 → 48 → (24) → LLM."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator) * shape[-1] ** -0.5

    tensors = {
        "ln_pre.weight": normal(8 * encoder) + 0.4,
        "linear_1.weight": normal(hidden, 8 * encoder),
        "linear_2.weight": normal(llm, hidden // 2),
        "ln_mid.weight" if new else "ln_post.weight": normal(hidden // 2 if new else llm) + 0.4,
    }
    return {f"multi_modal_projector.{name}": tensor for name, tensor in tensors.items()}


def write_ultravox(directory: Path, new: bool, llm: Path, encoder: Path, **changes: Any) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    config = {
        "model_type": "ultravox",
        "auto_map": {"AutoModel": "ultravox_model.UltravoxModel"},
        "audio_model_id": str(encoder),
        "text_model_id": str(llm),
        "hidden_size": 48,
        "stack_factor": 8,
        "projector_act": "swiglu",
    }
    if new:
        config["projector_ln_mid"] = True
    extra = changes.pop("tensors", {})
    (directory / "config.json").write_text(json.dumps(config | changes), encoding="utf-8")
    save_file(ultravox_tensors(new) | extra, directory / "model.safetensors")
    return directory


def write_qwen2_audio(directory: Path, special: tuple[str, ...] = SPECIAL) -> Path:
    """Its window is 8 s instead of 30 s, for speed."""
    from transformers import (
        Qwen2AudioConfig,
        Qwen2AudioForConditionalGeneration,
        Qwen2AudioProcessor,
        WhisperFeatureExtractor,
    )

    config = Qwen2AudioConfig(
        audio_config={
            "model_type": "qwen2_audio_encoder",
            "d_model": 16,
            "encoder_layers": 2,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": 32,
            "num_mel_bins": 128,
            "max_source_positions": 400,
        },
        text_config={
            "model_type": "qwen2",
            "vocab_size": len(tokenizer()),
            "hidden_size": WIDTH,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "bos_token_id": None,
            "eos_token_id": token("<|endoftext|>"),
        },
        audio_token_index=token("<|AUDIO|>"),
    )
    model = shake(Qwen2AudioForConditionalGeneration(config), 5)
    model.save_pretrained(directory)
    features = WhisperFeatureExtractor(feature_size=128, chunk_length=8)
    Qwen2AudioProcessor(features, tokenizer(special)).save_pretrained(directory)
    return directory


def write_phi4(directory: Path, lora: bool = True) -> Path:
    from transformers import Phi4MultimodalConfig, Phi4MultimodalFeatureExtractor, Phi4MultimodalForCausalLM

    config = Phi4MultimodalConfig(
        vocab_size=len(tokenizer()),
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        bos_token_id=token("<|endoftext|>"),
        eos_token_id=token("<|endoftext|>"),
        pad_token_id=token("<|endoftext|>"),
        audio_config={
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_blocks": 2,
            "num_attention_heads": 4,
            "ext_pw_out_channel": 16,
            "depthwise_separable_out_channel": 16,
            "nemo_conv_channels": 16,
            "audio_token_id": token("<|audio|>"),
        },
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": 28,
            "patch_size": 14,
            "crop_size": 28,
            "image_token_id": token("<|image|>"),
        },
    )
    model = shake(Phi4MultimodalForCausalLM(config), 6)
    model.save_pretrained(directory)
    Phi4MultimodalFeatureExtractor().save_pretrained(directory)
    tokenizer().save_pretrained(directory)
    if lora:
        write_lora(directory / "speech-lora", model)
    return directory


def write_granite(directory: Path, lora: bool = True, **text: Any) -> Path:
    """Its logits are not divided unless `text` says so: transformers' composite class leaves that out."""
    from transformers import GraniteSpeechConfig, GraniteSpeechForConditionalGeneration

    config = GraniteSpeechConfig(
        text_config={
            "model_type": "granite",
            "vocab_size": len(tokenizer()),
            "hidden_size": WIDTH,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "embedding_multiplier": 3.0,
            "attention_multiplier": 0.2,
            "residual_multiplier": 0.5,
            "bos_token_id": token("<|endoftext|>"),
            "eos_token_id": token("<|endoftext|>"),
            "pad_token_id": token("<|endoftext|>"),
            **text,
        },
        encoder_config={
            "hidden_dim": 16,
            "num_layers": 2,
            "num_heads": 2,
            "feedforward_mult": 2,
            "output_dim": 8,
            "context_size": 20,
            "max_pos_emb": 32,
        },
        projector_config={
            "model_type": "blip_2_qformer",
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "encoder_hidden_size": 16,
        },
        audio_token_index=token("<|audio|>"),
        has_lora_adapter=lora,
        tie_word_embeddings=True,
    )
    model = shake(GraniteSpeechForConditionalGeneration(config), 8)
    model.save_pretrained(directory)
    tokenizer().save_pretrained(directory)
    if lora:
        # Names as published, from when the LLM was a whole model inside the composite.
        parts = (".q_proj", ".v_proj")
        write_lora(directory, model.model.language_model, name="language_model.model.{}", parts=parts)
    return directory


def write_voxtral(directory: Path) -> Path:
    """Its window is 8 s instead of 30 s, for speed."""
    from transformers import VoxtralConfig, VoxtralForConditionalGeneration

    config = VoxtralConfig(
        audio_config={
            "model_type": "voxtral_encoder",
            "hidden_size": 16,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_mel_bins": 128,
            "max_source_positions": 400,
        },
        text_config={
            "model_type": "llama",
            "vocab_size": len(tokenizer()),
            "hidden_size": WIDTH,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "bos_token_id": None,
            "eos_token_id": token("<|endoftext|>"),
        },
        audio_token_id=token("<|AUDIO|>"),
    )
    shake(VoxtralForConditionalGeneration(config), 9).save_pretrained(directory)
    tokenizer().save_pretrained(directory)
    return directory


def write_lora(
    directory: Path,
    model: torch.nn.Module,
    rank: int = 4,
    name: str = "{}",
    parts: tuple[str, ...] = ("",),
    **changes: Any,
) -> None:
    """As peft writes it. name: of a module, around its path; parts: ends of the names of modules that have it."""
    directory.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(7)
    tensors = {}
    for path, module in model.named_modules():
        if "layers." in path and path.startswith(("model.layers.", "layers.")) and isinstance(module, torch.nn.Linear):
            if not path.endswith(parts):
                continue
            down = torch.randn(rank, module.in_features, generator=generator) * module.in_features**-0.5
            up = torch.randn(module.out_features, rank, generator=generator) * rank**-0.5
            full = f"base_model.model.{name.format(path)}"
            tensors |= {f"{full}.lora_{side}.weight": t for side, t in (("A", down), ("B", up))}
    config = {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": 2 * rank,
        "bias": "none",
        "modules_to_save": [],
        "target_modules": ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"],
    }
    (directory / "adapter_config.json").write_text(json.dumps(config | changes), encoding="utf-8")
    save_file(tensors, directory / "adapter_model.safetensors")


@dataclass(frozen=True)
class Case:
    """One speech LLM under test. positions: how many a clip fills, by its family's own rule; `exact` or at most."""

    speech: SpeechLLM
    directory: Path
    positions: Callable[[Clip], int]
    exact: bool = True


def frames(clip: Clip) -> int:
    return -(-len(clip.samples) // 160)


def ultravox_positions(clip: Clip) -> int:
    left, total = frames(clip), 0
    while left > 0:
        total += -(-min(left, 3000) // 16)
        left -= 3000
    return total


def build(case: str, root: Path, placement: Placement = CPU) -> Case:
    """Write and load."""
    directory = root / case
    if case.startswith(("pocket", "ultravox")):
        llm, encoder = write_llm(root / "llm"), write_whisper(root / "whisper")
        family, _, kind = case.partition("-")
        if family == "pocket":
            write_pocket(directory, kind, llm, encoder)
            count: Callable[[Clip], int] = lambda clip: -(-len(clip.samples) // 1280)  # noqa: E731
        else:
            write_ultravox(directory, kind == "new", llm, encoder)
            count = ultravox_positions
        speech = load_speech_llm(
            case,
            directory,
            placement,
            Backbone.load("llm", llm, placement),
            WhisperEncoder("whisper", encoder, placement),
        )
        return Case(speech, directory, count, exact=kind != "ctc")
    if case == "qwen2-audio":
        write_qwen2_audio(directory)
        return Case(load_speech_llm(case, directory, placement), directory, lambda c: 2 + qwen_positions(frames(c)))
    if case == "voxtral":
        write_voxtral(directory)
        windows = lambda clip: -(-len(clip.samples) // 128_000)  # noqa: E731
        return Case(load_speech_llm(case, directory, placement), directory, lambda c: 1 + 100 * windows(c))
    if case == "granite-speech":
        write_granite(directory)
        return Case(load_speech_llm(case, directory, placement), directory, granite_positions)
    write_phi4(directory)
    return Case(
        load_speech_llm(case, directory, placement), directory, lambda c: -(-((len(c.samples) - 400) // 160 + 1) // 8)
    )


def qwen_positions(mel: int) -> int:
    """Two convolutions of stride 1 and 2, then an average over pairs."""
    return ((mel - 1) // 2 + 1) // 2


def granite_positions(clip: Clip) -> int:
    """Two feature frames a state, windows of fifteen states, three positions a window."""
    return -(-((max(len(clip.samples), 1024) // 160 + 1) // 2) // 15) * 3


def silence(seconds: float) -> Clip:
    return Clip(torch.zeros(int(seconds * RATE)).numpy())


CASES = (
    "pocket-ctc",
    "pocket-frames",
    "ultravox-old",
    "ultravox-new",
    "qwen2-audio",
    "phi4-multimodal",
    "granite-speech",
)
