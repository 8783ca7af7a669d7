"""What a device makes of label scoring at the sizes of real models: random weights made on it, nothing downloaded.

Trials a second at several batch sizes, the share of the device's own matrix multiplication rate that they reach, peak
memory against `systems.memory`, batches that are halved when memory really runs out; and, for comparison, the same
label scoring and Whisper's decoding at small sizes on the device and on the CPU. Prints one JSON object; takes under
eight minutes on an H100 and needs torch and transformers alone.

    PYTHONPATH=src python benchmarks/device.py            # the first CUDA device
    PYTHONPATH=src python benchmarks/device.py --tiny     # small shapes on the CPU, to try the script
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from cascade_equivalence.audio.clip import RATE, Clip
from cascade_equivalence.run.batching import halving
from cascade_equivalence.systems.backbone import Backbone, Query
from cascade_equivalence.systems.memory import Load, of_scoring
from cascade_equivalence.systems.speech.checkpoint import causal
from cascade_equivalence.systems.speech.qwen2_audio import Qwen2AudioEars

LABELS = 4
PREFIX = 96
"""Tokens before the content: an instruction in a chat template."""
AFTER = 24
"""Tokens behind it: the question, the options' end of turn, the cue."""
READ = (8, 40)
"""Tokens of a transcript, from a short question to a long sentence."""
SECONDS = (2.0, 6.0)
"""Lengths of clips."""
SMALL = {"vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30}
SMALL |= {"num_attention_heads": 9, "num_key_value_heads": 3}
"""SmolLM2-135M's shapes, for the comparison with the CPU."""


@dataclass(frozen=True)
class Sizes:
    """What is measured. text, audio: configurations of the two models; whisper: that of the small comparison, decoded:
    its clips per batch and tokens per clip."""

    text: dict[str, Any]
    audio: dict[str, Any]
    whisper: dict[str, Any]
    small: dict[str, Any]
    batches: tuple[int, ...]
    matmul: int
    dtype: torch.dtype
    seconds: float
    decoded: tuple[int, int]


def real() -> Sizes:
    """Llama-3.1-8B, Qwen2-Audio-7B, Whisper tiny."""
    text = {"vocab_size": 128256, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32}
    text |= {"num_attention_heads": 32, "num_key_value_heads": 8, "rope_theta": 500000.0}
    decoder = {"model_type": "qwen2", "vocab_size": 156032, "hidden_size": 4096, "intermediate_size": 11008}
    decoder |= {"num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32}
    audio = {"text_config": decoder, "audio_config": {"model_type": "qwen2_audio_encoder"}}
    return Sizes(text, audio, {}, SMALL, (16, 32, 64), 8192, torch.bfloat16, 6.0, (16, 40))


def tiny() -> Sizes:
    """Shapes of a few thousand parameters, on the CPU."""
    text = {"vocab_size": 512, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    text |= {"num_attention_heads": 4, "num_key_value_heads": 2}
    encoder = {"model_type": "qwen2_audio_encoder", "d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 4}
    encoder |= {"encoder_ffn_dim": 64}
    audio = {"text_config": {"model_type": "qwen2", **text, "num_key_value_heads": 4}, "audio_config": encoder}
    whisper = {"d_model": 64, "encoder_layers": 2, "decoder_layers": 2}
    whisper |= {"encoder_ffn_dim": 128, "decoder_ffn_dim": 128}
    whisper |= {"encoder_attention_heads": 4, "decoder_attention_heads": 4}
    return Sizes(text, audio, whisper, text, (2, 4), 256, torch.float32, 0.1, (1, 4))


def wait(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def rate(work: Callable[[], int], device: torch.device, seconds: float) -> tuple[float, int]:
    """(units a second, calls) of `work`, which returns the units it did, after one call to warm up."""
    work()
    wait(device)
    start, units, calls = time.perf_counter(), 0, 0
    while time.perf_counter() - start < seconds or calls < 2:
        units += work()
        wait(device)
        calls += 1
    return units / (time.perf_counter() - start), calls


def matmul_rate(size: int, dtype: torch.dtype, device: torch.device) -> float:
    """Floating-point operations a second of a square matrix product."""
    left = torch.randn(size, size, device=device, dtype=dtype)
    right = torch.randn(size, size, device=device, dtype=dtype)

    def work() -> int:
        for _ in range(10):
            torch.mm(left, right)
        return 10

    return rate(work, device, 1.0)[0] * 2 * size**3


def made(architecture: Any, config: Any, dtype: torch.dtype, device: torch.device) -> Any:
    """A model with random weights, made on the device."""
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            return architecture(config).eval()
    finally:
        torch.set_default_dtype(before)


def text_model(sizes: dict[str, Any], dtype: torch.dtype, device: torch.device) -> Backbone:
    """An LLM of Llama's kind. It needs no tokenizer: prompts are given as tokens."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return Backbone("llama", made(LlamaForCausalLM, LlamaConfig(**sizes), dtype, device), None)


def prompts(
    llm: Backbone, contents: Sequence[torch.Tensor], generator: np.random.Generator
) -> tuple[list[int], list[Query]]:
    """A shared prefix, and a query for each content with labels of one and two tokens behind it."""
    entries = int(llm.model.get_input_embeddings().weight.shape[0])

    def tokens(count: int) -> list[int]:
        return [int(t) for t in generator.integers(0, entries, count)]

    before, after = tokens(PREFIX), llm.embed(tokens(AFTER))
    labels = tuple(tuple(tokens(1 + i % 2)) for i in range(LABELS))
    return before, [Query(torch.cat([content, after]), labels) for content in contents]


def read(llm: Backbone, count: int, generator: np.random.Generator, longest: int = READ[1]) -> list[torch.Tensor]:
    """Embeddings of transcripts."""
    entries = int(llm.model.get_input_embeddings().weight.shape[0])
    shortest = min(READ[0], longest)
    lengths = generator.integers(shortest, longest + 1, count)
    return [llm.embed([int(t) for t in generator.integers(0, entries, n)]) for n in lengths]


def clips(count: int, generator: np.random.Generator) -> list[Clip]:
    """Noise of clips' lengths; what is in it changes no time."""
    lengths = (generator.uniform(*SECONDS, count) * RATE).astype(int)
    return [Clip(generator.normal(0, 0.1, n).astype(np.float32)) for n in lengths]


def operations(llm: Backbone, queries: Sequence[Query]) -> tuple[float, float]:
    """Floating-point operations of a batch's forward pass: those that the trials need, and with what is filled up."""
    config = llm.model.config.get_text_config()
    # The linear layers alone: an embedding only looks up, and the head reads few positions.
    head = llm.model.get_output_embeddings().weight.numel()
    table = llm.model.get_input_embeddings().weight.numel()
    linear = sum(p.numel() for p in llm.model.parameters()) - head - (0 if _tied(llm) else table)
    slots = sum(len(label) - 1 for label in queries[0].continuations)

    def of(length: int) -> float:
        new = length + slots
        return 2.0 * linear * new + 4.0 * config.num_hidden_layers * config.hidden_size * new * (PREFIX + new)

    longest = max(len(query.states) for query in queries)
    return sum(of(len(query.states)) for query in queries), len(queries) * of(longest)


def _tied(llm: Backbone) -> bool:
    return llm.model.get_output_embeddings().weight is llm.model.get_input_embeddings().weight


def scoring(
    llm: Backbone,
    whole: torch.nn.Module,
    contents: Callable[[int], list[torch.Tensor]],
    sizes: Sizes,
    peak: float,
) -> list[dict[str, Any]]:
    """Trials a second of `Backbone.score`, the share of `peak` they reach, and memory against the estimate.

    whole: all that is in memory, of which the LLM is a part.
    """
    generator, device, rows = np.random.default_rng(1), torch.device(llm.device), []
    weights = sum(p.numel() * p.element_size() for p in whole.parameters())
    for batch in sizes.batches:
        before, queries = prompts(llm, contents(batch), generator)
        llm.score(before, queries[:1])
        row: dict[str, Any] = {"batch": batch}
        if device.type == "cuda":
            wait(device)
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
        llm.score(before, queries)
        longest = max(len(query.states) for query in queries)
        slots = sum(len(label) - 1 for label in queries[0].continuations)
        load = Load(batch=batch, prefix=PREFIX, positions=longest + slots, read=LABELS + slots)
        estimate = of_scoring(llm.model.config, weights, llm.model.dtype.itemsize, load)
        row["estimate_gb"] = round(estimate / 1e9, 3)
        if device.type == "cuda":
            resident = torch.cuda.max_memory_allocated(device)
            row |= {"peak_gb": round(resident / 1e9, 3), "peak_over_estimate": round(resident / estimate, 3)}
        per_s, calls = rate(lambda b=before, q=queries: len(llm.score(b, q)), device, sizes.seconds)
        needed, filled = (of / batch * per_s for of in operations(llm, queries))
        row |= {"trials_per_s": round(per_s, 2), "calls": calls, "longest": longest}
        row |= {"share_of_matmul": round(needed / peak, 3), "share_with_filling": round(filled / peak, 3)}
        rows.append(row)
    return rows


def out_of_memory(llm: Backbone, batch: int) -> dict[str, Any]:
    """A batch too large for what a ballast leaves of the device's memory: halved until it fits, and answered whole."""
    generator, device = np.random.default_rng(2), torch.device(llm.device)
    before, queries = prompts(llm, read(llm, batch, generator, longest=600), generator)
    sizes: list[int] = []

    def work(part: Sequence[Query]) -> list[tuple[float, ...]]:
        sizes.append(len(part))
        if device.type != "cuda" and len(part) > batch // 4:
            raise MemoryError
        return llm.score(before, part)

    reference = np.array([llm.score(before, [query])[0] for query in queries])
    ballast = None
    if device.type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()
        longest = max(len(query.states) for query in queries)
        load = Load(batch=batch, prefix=PREFIX, positions=longest, read=2 * LABELS)
        room = int(0.3 * of_scoring(llm.model.config, 0, llm.model.dtype.itemsize, load))
        free = torch.cuda.mem_get_info(device)[0]
        ballast = torch.empty(max(free - room, 0), dtype=torch.uint8, device=device)
    try:
        found = halving(work, queries)
    finally:
        del ballast
    scores = np.array([score for score, _, _ in found])
    return {
        "real": device.type == "cuda",
        "batch": batch,
        "tried": sizes,
        "answered": len(found),
        "part": sorted({size for _, _, size in found}),
        "largest_difference_from_single": round(float(np.abs(scores - reference).max()), 5),
    }


def audio_model(sizes: Sizes, device: torch.device) -> tuple[torch.nn.Module, Backbone, Qwen2AudioEars]:
    """Qwen2-Audio with its encoder and projector."""
    from transformers import Qwen2AudioConfig, Qwen2AudioForConditionalGeneration, WhisperFeatureExtractor

    config = Qwen2AudioConfig(**sizes.audio)
    model = made(Qwen2AudioForConditionalGeneration, config, sizes.dtype, device)
    features = WhisperFeatureExtractor(feature_size=config.audio_config.num_mel_bins)
    return model, Backbone("qwen2-audio", causal(model), None), Qwen2AudioEars(model.model, features)


def hearing(ears: Qwen2AudioEars, batches: Sequence[int], device: torch.device, seconds: float) -> list[dict[str, Any]]:
    """Clips a second through features, encoder and projector."""
    rows = []
    for batch in batches:
        heard = clips(batch, np.random.default_rng(3))
        per_s, calls = rate(lambda h=heard: len(ears.hear(h)), device, seconds)
        rows.append({"batch": batch, "clips_per_s": round(per_s, 2), "calls": calls})
    return rows


def decoding(sizes: Sizes, device: torch.device) -> dict[str, Any]:
    """Whisper's greedy decoding at the sizes of `tiny`, by transformers' own parts as `systems.whisper` calls them."""
    from transformers import DynamicCache, EncoderDecoderCache, WhisperConfig, WhisperFeatureExtractor
    from transformers import WhisperForConditionalGeneration as Architecture

    batch, tokens = sizes.decoded
    dtype = sizes.dtype if device.type == "cuda" else torch.float32
    model = made(Architecture, WhisperConfig(**sizes.whisper), dtype, device)
    features, heard = WhisperFeatureExtractor(), clips(batch, np.random.default_rng(4))

    def work() -> int:
        with torch.inference_mode():
            mel = features([c.samples for c in heard], sampling_rate=RATE, return_tensors="pt").input_features
            states = model.model.encoder(mel.to(device, dtype)).last_hidden_state
            cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
            ids = torch.full((batch, 1), 50258 % model.config.vocab_size, device=device)
            for _ in range(tokens):
                hidden = model.model.decoder(
                    input_ids=ids, encoder_hidden_states=states, past_key_values=cache, use_cache=True
                ).last_hidden_state[:, -1]
                ids = model.proj_out(hidden).argmax(-1)[:, None]
            return batch

    per_s, calls = rate(work, device, sizes.seconds)
    return {"device": device.type, "batch": batch, "tokens": tokens, "clips_per_s": round(per_s, 2), "calls": calls}


def small(sizes: Sizes, device: torch.device) -> dict[str, Any]:
    """Label scores of a small LLM."""
    llm = text_model(sizes.small, sizes.dtype if device.type == "cuda" else torch.float32, device)
    generator = np.random.default_rng(5)
    before, queries = prompts(llm, read(llm, 16, generator), generator)
    per_s, calls = rate(lambda: len(llm.score(before, queries)), device, sizes.seconds)
    return {"device": device.type, "batch": 16, "trials_per_s": round(per_s, 2), "calls": calls}


def release() -> None:
    """Give back what nothing holds any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tiny", action="store_true", help="small shapes on the CPU, to try the script")
    parser.add_argument("--device", default=None, help="a torch device (default: cuda, with --tiny cpu)")
    args = parser.parse_args()
    sizes = tiny() if args.tiny else real()
    device = torch.device(args.device or ("cpu" if args.tiny else "cuda"))
    start = time.perf_counter()
    found: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "cpu",
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "tiny": args.tiny,
    }

    def step(name: str, work: Callable[[], Any]) -> None:
        try:
            found[name] = work()
        except Exception as error:  # one part that fails leaves the others
            found[name] = {"error": f"{type(error).__name__}: {error}"}
        found[f"{name}_after_s"] = round(time.perf_counter() - start, 1)
        print(f"{name}: {json.dumps(found[name])}", file=sys.stderr, flush=True)
        release()

    peak = matmul_rate(sizes.matmul, sizes.dtype, device)
    found["matmul_tflops"] = round(peak / 1e12, 2)
    for where in dict.fromkeys((device, torch.device("cpu"))):
        step(f"decoding_{where.type}", lambda w=where: decoding(sizes, w))
        step(f"small_labels_{where.type}", lambda w=where: small(sizes, w))
    holder: dict[str, Any] = {}

    def llama() -> dict[str, Any]:
        llm = holder["llm"] = text_model(sizes.text, sizes.dtype, device)
        generator = np.random.default_rng(0)
        rows = scoring(llm, llm.model, lambda n: read(llm, n, generator), sizes, peak)
        return {"parameters": sum(p.numel() for p in llm.model.parameters()), "labels": rows}

    def qwen() -> dict[str, Any]:
        model, llm, ears = audio_model(sizes, device)
        generator = np.random.default_rng(0)
        heard = scoring(llm, model, lambda n: ears.hear(clips(n, generator)), sizes, peak)
        return {
            "parameters": sum(p.numel() for p in llm.model.parameters()),
            "labels": heard,
            "hearing": hearing(ears, sizes.batches, device, sizes.seconds),
        }

    step("llama", llama)
    step("out_of_memory", lambda: out_of_memory(holder["llm"], max(sizes.batches)))
    holder.clear()
    release()
    step("qwen2_audio", qwen)
    found["seconds"] = round(time.perf_counter() - start, 1)
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
