"""What collecting nine layers costs, against the plain forward pass of the same batch.

    python benchmarks/states.py

A decoder of the embedded LLM's shape (30 blocks, width 576) with random weights, 4 prompts of 128 positions of which 40
are audio. Passes alternate; the medians are compared. Exit status 1 if the bar is missed.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from cascade_equivalence.mechanism.layers import Layout, Stage, decoder_blocks, default_layers
from cascade_equivalence.mechanism.states import StateStore, collecting

BATCH, LENGTH, AUDIO, ROUNDS = 4, 128, (60, 100), 7


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=49152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config).eval()
    ids = torch.randint(49152, (BATCH, LENGTH))
    blocks, stage = decoder_blocks(model, "model.layers"), Stage(Layout(LENGTH, ((AUDIO,),) * BATCH))
    plain, collected = [], []
    with tempfile.TemporaryDirectory() as folder, StateStore(Path(folder)) as store, torch.inference_mode():
        model(ids, logits_to_keep=1)
        for number in range(ROUNDS):
            start = time.perf_counter()
            expected = model(ids, logits_to_keep=1).logits
            plain.append(time.perf_counter() - start)
            start = time.perf_counter()
            with collecting(blocks, default_layers(30), stage) as states:
                logits = model(ids, logits_to_keep=1).logits
            for row, by_layer in enumerate(states.take()["audio"]):
                store.add(f"{number}-{row}", "audio", by_layer)
            if number == ROUNDS - 1:
                store.flush()  # the disk's share, once
            collected.append(time.perf_counter() - start)
            assert torch.equal(logits, expected)
    base, hooked = statistics.median(plain), statistics.median(collected)
    print(f"plain {1e3 * base:.0f} ms, collecting nine layers {1e3 * hooked:.0f} ms")
    print(f"ratio {hooked / base:.3f} (bar 1.15), logits bit-identical")
    return 0 if hooked <= 1.15 * base else 1


if __name__ == "__main__":
    sys.exit(main())
