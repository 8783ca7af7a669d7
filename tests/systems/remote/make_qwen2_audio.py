"""A tiny random checkpoint in Qwen2-Audio's published layout, on a real tokenizer: python make_qwen2_audio.py LLM OUT

Run in the server's environment (see vllm.py): its transformers writes what its vLLM reads.
"""

import sys

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoTokenizer,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
    WhisperFeatureExtractor,
)

# The audio stands where it is in the message, between the two tokens of the family.
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
    "{% if c['type'] == 'text' %}{{ c['text'] }}{% else %}<|audio_bos|><|AUDIO|><|audio_eos|>{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def main(llm: str, out: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(llm)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>"]})
    config = Qwen2AudioConfig(
        audio_config={
            "model_type": "qwen2_audio_encoder",
            "num_mel_bins": 128,
            "encoder_layers": 2,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": 256,
            "d_model": 128,
            "max_source_positions": 1500,
        },
        text_config={
            "model_type": "qwen2",
            "vocab_size": -(-len(tokenizer) // 64) * 64,
            "hidden_size": 256,
            "intermediate_size": 512,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "max_position_embeddings": 4096,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        audio_token_index=tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
    )
    torch.manual_seed(0)
    model = Qwen2AudioForConditionalGeneration(config).to(torch.float32)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, 0, 0.05)
    model.save_pretrained(out)
    features = WhisperFeatureExtractor(feature_size=128)
    tokenizer.chat_template = TEMPLATE
    Qwen2AudioProcessor(feature_extractor=features, tokenizer=tokenizer, chat_template=TEMPLATE).save_pretrained(out)
    tokenizer.save_pretrained(out)
    features.save_pretrained(out)
    # transformers 5 writes language_model.model.model.*; the published layout, which vLLM reads, has one "model." less.
    tensors = load_file(f"{out}/model.safetensors")
    renamed = {k.replace("language_model.model.model.", "language_model.model."): v for k, v in tensors.items()}
    save_file({k: v.contiguous() for k, v in renamed.items()}, f"{out}/model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    main(*sys.argv[1:3])
