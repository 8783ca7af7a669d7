"""Trials of a speech LLM per second on the pocket study's topic prompt: label scores of real speech.

Ours is `SpeechLLM.hear` and `Backbone.score` in batches of 16. The plain loop is what one would write by hand: one item
at a time; all labels of the item in one padded batch of whole sequences, prompt included, by the model's own forward
pass. Same weights, clips and dtypes; models loaded and warm before the clocks start; label scores must be equal to
1e-3. The loop hears a pocket clip at its own length, as ours does; with `--stock` the loop is timed once more with the
encoder on 30 s, as Whisper's processor fills a clip up (its label scores then differ, and are not compared).

    python benchmarks/speech_trials.py pocket-ctc --limit 160 --stock
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from cascade_equivalence.audio.clip import RATE, Clip, read_clip
from cascade_equivalence.systems.backbone import Backbone, Query
from cascade_equivalence.systems.loading import locate, place
from cascade_equivalence.systems.prompting import Rendered, render
from cascade_equivalence.systems.speech.encoder import FRAME, LONGEST, STEP, WhisperEncoder
from cascade_equivalence.systems.speech.loading import encoder_of, language_model_of, load_speech_llm
from cascade_equivalence.systems.speech.pocket import CtcConnector, FrameConnector, PocketConfig, PocketEars, pad
from cascade_equivalence.systems.speech.pocket_checkpoint import save_connector
from cascade_equivalence.systems.speech.speech_llm import SpeechLLM
from cascade_equivalence.tasks.task import load_task

BATCH = 16


def load(name: str, random: bool, work: Path) -> SpeechLLM:
    """The speech LLM of that name; `random`: a connector of its kind and size with random weights."""
    directory = work / name
    if random:
        write_random(directory, name)
    else:
        directory = locate(name, print)
    placement = place("llm", "cpu", "float32", BATCH)
    llm, encoder = (part(directory) for part in (language_model_of, encoder_of))
    return load_speech_llm(
        name,
        directory,
        placement,
        Backbone.load(str(llm), locate(str(llm), print), placement) if llm else None,
        WhisperEncoder(str(encoder), locate(str(encoder), print), placement) if encoder else None,
    )


def write_random(directory: Path, name: str) -> None:
    """Random weights of the shipped sizes."""
    torch.manual_seed(0)
    kind = name.removeprefix("pocket-")
    config = PocketConfig(kind, encoder_width=512, llm_width=576, vocabulary=4096)
    connector = (CtcConnector if kind == "ctc" else FrameConnector)(config)
    if isinstance(connector, CtcConnector):
        connector.tokens.copy_(torch.arange(4096) + 100)
        # About as many tokens as are spoken: most positions blank.
        connector.head.weight.data.mul_(5)
        connector.head.bias.data[0] = 3
    else:
        torch.nn.init.normal_(connector.table, std=0.1)
    save_connector(directory, name, "whisper-base", "smollm2-135m", connector)


def ours(speech: SpeechLLM, clips: Sequence[Clip], prompts: Sequence[Rendered]) -> np.ndarray:
    """Label scores, shape (items, labels), batch by batch."""
    llm, scores = speech.backbone, []
    for start in range(0, len(clips), BATCH):
        part = prompts[start : start + BATCH]
        heard = speech.hear(clips[start : start + BATCH])
        queries = [
            Query(torch.cat([states, llm.embed(prompt.after)]), prompt.continuations)
            for states, prompt in zip(heard, part, strict=True)
        ]
        scores += llm.score(part[0].before, queries)
    return np.array(scores)


def plain_hear(speech: SpeechLLM, clip: Clip, stock: bool) -> torch.Tensor:
    """One clip as one would do it by hand, nothing kept: features, the encoder, the connector."""
    ears = speech.ears
    if not isinstance(ears, PocketEars):
        return speech.hear([clip])[0]
    samples = LONGEST if stock else min(-(-len(clip.samples) // STEP) * STEP, LONGEST)
    features = ears.encoder.features(clip.samples, sampling_rate=RATE, return_tensors="pt", max_length=samples)
    states = ears.encoder.tower(features.input_features)[0, : -(-len(clip.samples) // FRAME)]
    frames, there = pad([states])
    return ears.connect(frames, there)[0]


def plain_scores(speech: SpeechLLM, heard: torch.Tensor, prompt: Rendered) -> list[float]:
    """All labels of an item in one padded batch of whole sequences, nothing shared."""
    model, embed = speech.backbone.model, speech.backbone.embed
    rows = [torch.cat([embed(prompt.before), heard, embed([*prompt.after, *label])]) for label in prompt.continuations]
    inputs = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones(len(row), dtype=torch.long) for row in rows], batch_first=True)
    logits = model(inputs_embeds=inputs, attention_mask=mask).logits
    scores = []
    for row, inputs_row, label in zip(logits, rows, prompt.continuations, strict=True):
        logprobs = row[len(inputs_row) - len(label) - 1 : len(inputs_row) - 1].float().log_softmax(-1)
        scores.append(float(logprobs[range(len(label)), list(label)].mean()))
    return scores


def plain(speech: SpeechLLM, clips: Sequence[Clip], prompts: Sequence[Rendered], stock: bool) -> np.ndarray:
    """The loop."""
    with torch.inference_mode():
        scores = [plain_scores(speech, plain_hear(speech, c, stock), p) for c, p in zip(clips, prompts, strict=True)]
    return np.array(scores)


def timed(work: Callable[[], np.ndarray]) -> tuple[np.ndarray, float, float]:
    """(result, s on the clock, s of the processor)."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    return found, time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    """Print the figures; exit status 1 if scores differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", default="pocket-ctc")
    parser.add_argument("--limit", type=int, default=96)
    parser.add_argument("--stock", action="store_true", help="time the loop with the encoder on 30 s too")
    parser.add_argument("--random", action="store_true", help="a pocket connector with random weights")
    args = parser.parse_args()
    task = load_task("topic", limit=args.limit)
    with tempfile.TemporaryDirectory() as work:
        speech = load(args.name, args.random, Path(work))
    clips = [read_clip(item.audio, item.id) for item in task.items if item.audio]
    prompts = [render(speech.backbone, "plain", task, item) for item in task.items]
    ours(speech, [Clip(clips[0].samples[:-1])], prompts[:1])
    plain(speech, clips[:1], prompts[:1], stock=False)
    found, ours_s, ours_cpu = timed(lambda: ours(speech, clips, prompts))
    loop, plain_s, plain_cpu = timed(lambda: plain(speech, clips, prompts, stock=False))
    apart = float(np.abs(found - loop).max())
    seconds = float(np.mean([clip.seconds for clip in clips]))
    positions = float(np.mean([len(h) for h in speech.hear(clips)]))
    n = len(clips)
    print(
        f"{args.name}{' (random weights)' if args.random else ''}: load {os.getloadavg()[0]:.2f}, "
        f"{torch.get_num_threads()} threads, {n} items of {seconds:.1f} s, {positions:.0f} positions each, "
        f"{len(prompts[0].before)} prompt tokens, {len(prompts[0].continuations)} labels"
    )
    print(
        f"ours: {n / ours_s:.2f} trials/s; plain loop: {n / plain_s:.2f}; ratio {plain_s / ours_s:.2f} "
        f"({plain_cpu / ours_cpu:.2f} in processor time)"
    )
    if args.stock:
        _, stock_s, stock_cpu = timed(lambda: plain(speech, clips, prompts, stock=True))
        print(
            f"plain loop with the encoder on 30 s: {n / stock_s:.2f} trials/s; ratio {stock_s / ours_s:.2f} "
            f"({stock_cpu / ours_cpu:.2f} in processor time)"
        )
    print(f"largest difference of a label score: {apart:.1e}")
    if not apart <= 1e-3:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
