"""Trials of a speech LLM per second on the pocket study's topic prompt: label scores of real speech.

Ours is `SpeechLLM.hear` and `Backbone.score` in batches of 16. The plain loop is what one would write by hand: one item
at a time; the encoder on 30 s as Whisper's processor fills a clip up; all labels of the item in one padded batch of
whole sequences, prompt included, by the model's own forward pass. Same weights, clips and dtypes; models loaded and
warm before the clocks start. The encoder's states depend on whether it sees 30 s or the clip alone, so the loop's
label scores are compared on the states that both hear, and must be equal to 1e-3.

    python benchmarks/speech_trials.py pocket-ctc --limit 160
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
from cascade_equivalence.systems.speech.encoder import WhisperEncoder
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


def plain_hear(speech: SpeechLLM, clip: Clip) -> torch.Tensor:
    """One clip as one would do it by hand: features of 30 s, the encoder's own forward pass, the connector."""
    ears = speech.ears
    if not isinstance(ears, PocketEars):
        return speech.hear([clip])[0]
    features = ears.encoder.features(clip.samples, sampling_rate=RATE, return_tensors="pt").input_features
    states = ears.encoder.tower.encoder(features).last_hidden_state[0, : -(-len(clip.samples) // 320)]
    frames, there = pad([states])
    heard: torch.Tensor = ears.connector(frames, there, speech.backbone.model.get_input_embeddings().weight)[0]
    return heard


def plain_scores(speech: SpeechLLM, heard: torch.Tensor, prompt: Rendered) -> list[float]:
    """All labels of an item in one padded batch of whole sequences, nothing shared."""
    model, embed = speech.backbone.model, speech.backbone.embed
    rows = [torch.cat([embed(prompt.before), heard, embed([*prompt.after, *label])]) for label in prompt.continuations]
    inputs = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones(len(row), dtype=torch.long) for row in rows], batch_first=True)
    logprobs = model(inputs_embeds=inputs, attention_mask=mask).logits.float().log_softmax(-1)
    return [
        float(np.mean([float(logprobs[i, len(rows[i]) - len(label) - 1 + n, t]) for n, t in enumerate(label)]))
        for i, label in enumerate(prompt.continuations)
    ]


def plain(
    speech: SpeechLLM, clips: Sequence[Clip], prompts: Sequence[Rendered], hear: Callable[[Clip], torch.Tensor]
) -> np.ndarray:
    """The loop."""
    with torch.inference_mode():
        return np.array([plain_scores(speech, hear(c), p) for c, p in zip(clips, prompts, strict=True)])


def main() -> None:
    """Print the figures; exit status 1 if scores differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", default="pocket-ctc")
    parser.add_argument("--limit", type=int, default=96)
    parser.add_argument("--random", action="store_true", help="a pocket connector with random weights")
    args = parser.parse_args()
    task = load_task("topic", limit=args.limit)
    with tempfile.TemporaryDirectory() as work:
        speech = load(args.name, args.random, Path(work))
    clips = [read_clip(item.audio, item.id) for item in task.items if item.audio]
    prompts = [render(speech.backbone, "plain", task, item) for item in task.items]
    ours(speech, [Clip(clips[0].samples[:-1])], prompts[:1])
    plain(speech, clips[:1], prompts[:1], lambda clip: plain_hear(speech, clip))
    start = time.perf_counter()
    found = ours(speech, clips, prompts)
    ours_s = time.perf_counter() - start
    start = time.perf_counter()
    plain(speech, clips, prompts, lambda clip: plain_hear(speech, clip))
    plain_s = time.perf_counter() - start
    # The encoder keeps a clip's states, so this hears what ours heard.
    same = plain(speech, clips, prompts, lambda clip: speech.hear([clip])[0])
    apart = float(np.abs(found - same).max())
    seconds = float(np.mean([clip.seconds for clip in clips]))
    positions = float(np.mean([len(h) for h in speech.hear(clips)]))
    n = len(clips)
    print(
        f"{args.name}{' (random weights)' if args.random else ''}: load {os.getloadavg()[0]:.2f}, "
        f"{torch.get_num_threads()} threads, {n} items of {seconds:.1f} s, {positions:.0f} positions each, "
        f"{len(prompts[0].before)} prompt tokens, {len(prompts[0].continuations)} labels"
    )
    print(f"ours: {n / ours_s:.2f} trials/s; plain loop: {n / plain_s:.2f}; ratio {plain_s / ours_s:.2f}")
    print(f"largest difference of a label score: {apart:.1e}")
    if not apart <= 1e-3:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
