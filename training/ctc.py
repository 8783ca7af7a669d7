"""`pocket-ctc`: its trunk and head, trained with CTC on the frozen encoder's states."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from cascade_equivalence.systems.speech.pocket import STACK, CtcConnector, PocketConfig, pad, positions
from cascade_equivalence.systems.speech.pocket_checkpoint import save_connector
from cascade_equivalence.tasks.sentences import own_sentences
from training.features import Example
from training.loop import Stage, held_out, run_stage
from training.sentences import words
from training.vocabulary import Vocabulary, build_vocabulary

LEAST = 6
"""Tokens seen less often in the training sentences are spelt in pieces."""
RATE, OWN_RATE = 1.2e-3, 6e-4
"""Learning rates of the two stages after their warm-up."""
NATURAL_TIMES = 4
"""How often a clip in a natural voice is drawn for one in a quick voice, in the second stage."""
BATCH = 32
DROPOUT = 0.15
SPANS, SPAN = 3, 6
"""Time masks per clip, and their longest in positions of 80 ms."""


def train_ctc(
    examples: Sequence[Example],
    tokenizer: Any,
    llm_width: int,
    output_rows: Callable[[list[str]], Tensor],
    steps: int,
    own_steps: int,
    seed: int,
    directory: Path,
) -> CtcConnector:
    """Train (or go on, or take what is finished) and ship into `directory`/pocket-ctc.

    llm_width: of the LLM's input embeddings. output_rows: where the head starts, texts of its tokens to (texts, any
    width). steps: on all examples. own_steps: then on those of our own sentences, natural voices more often.
    """
    train = [e for e in examples if not held_out(e.text)]
    test = [e for e in examples if held_out(e.text)]
    vocabulary = build_vocabulary(dict.fromkeys(e.text for e in train), tokenizer, LEAST)
    targets = [vocabulary.entries(e.text) for e in train]
    kept = [i for i, (e, t) in enumerate(zip(train, targets, strict=True)) if fits(e, t)]
    train, targets = [train[i] for i in kept], [targets[i] for i in kept]
    config = PocketConfig("ctc", train[0].states.shape[1], llm_width, len(vocabulary.tokens))
    torch.manual_seed(seed)
    model = CtcConnector(config, DROPOUT)
    model.tokens.copy_(torch.tensor(vocabulary.tokens))
    start_head(model, output_rows([tokenizer.decode([token]) for token in vocabulary.tokens]))

    def loss(batch: list[int], step: int) -> tuple[Tensor, dict[str, float]]:
        frames, there = pad(shift([train[i].states for i in batch]))
        with torch.autocast("cpu", torch.bfloat16):
            logits = model.logits(mask_spans(frames.float(), there), there)
        wanted = torch.tensor([entry for i in batch for entry in targets[i]])
        lengths = torch.tensor([len(targets[i]) for i in batch])
        value = functional.ctc_loss(
            logits.float().log_softmax(-1).transpose(0, 1), wanted, there.sum(1), lengths, zero_infinity=True
        )
        return value, {"ctc": float(value.detach())}

    def check() -> dict[str, float]:
        return word_errors(model, vocabulary, test)

    ours = own_places(train)

    def own_loss(batch: list[int], step: int) -> tuple[Tensor, dict[str, float]]:
        return loss([ours[i] for i in batch], step)

    stages = (
        (Stage("ctc", model, steps, RATE, BATCH, seed, loss, check), train),
        (Stage("own", model, own_steps, OWN_RATE, BATCH, seed, own_loss, check), [train[i] for i in ours]),
    )
    curves = {stage.name: run_stage(stage, part, directory) for stage, part in stages}
    save_connector(directory / "pocket-ctc", "pocket-ctc", "whisper-base", "smollm2-135m", model)
    (directory / "curve-ctc.json").write_text(json.dumps(curves, indent=1) + "\n", encoding="utf-8")
    return model


def own_places(examples: Sequence[Example]) -> list[int]:
    """Where our own sentences are spoken, clips of natural voices several times."""
    own = {*own_sentences("first"), *own_sentences("second")}
    return [i for i, e in enumerate(examples) if e.text in own for _ in range(NATURAL_TIMES if is_natural(e) else 1)]


def is_natural(example: Example) -> bool:
    """Whether a neural voice speaks, not a rule or a diphone."""
    return example.voice.startswith("kokoro")


def positions_needed(target: Sequence[int]) -> int:
    """Positions that a CTC path needs: a blank between equal neighbours."""
    return len(target) + sum(a == b for a, b in pairwise(target))


def fits(example: Example, target: Sequence[int]) -> bool:
    """Whether an example has the positions that its target needs."""
    return positions_needed(target) <= positions(example.states)


def shift(states: Sequence[Tensor]) -> list[Tensor]:
    """Leave out up to 60 ms at the start of each clip, so that the positions of 80 ms begin at any of their frames."""
    return [s[k:] for s, k in zip(states, torch.randint(0, STACK, (len(states),)).tolist(), strict=True)]


def mask_spans(frames: Tensor, there: Tensor) -> Tensor:
    """Set up to `SPANS` short spans of each clip to zero (Park et al. 2019, arXiv 1904.08779, time masking).

    frames: (batch, time, width). there: (batch, time), False on padding.
    """
    time = frames.shape[1]
    for _ in range(SPANS):
        width = torch.randint(0, SPAN + 1, (len(frames), 1))
        start = (torch.rand(len(frames), 1) * there.sum(1, keepdim=True)).long()
        at = torch.arange(time)[None]
        frames = frames.masked_fill(((at >= start) & (at < start + width))[..., None], 0.0)
    return frames


def start_head(model: CtcConnector, output_embeddings: Tensor) -> None:
    """Start the head at given output embeddings, turned into its width by a random orthogonal projection.

    output_embeddings: (vocabulary, any width); the blank's row stays as it is.
    """
    width = model.head.weight.shape[1]
    source = output_embeddings.float() - output_embeddings.float().mean(0)
    turn = torch.linalg.qr(torch.randn(source.shape[1], width))[0]
    rows = source @ turn
    with torch.no_grad():
        model.head.weight[1:] = rows * (0.05 / rows.std())


def word_errors(model: CtcConnector, vocabulary: Vocabulary, examples: Sequence[Example]) -> dict[str, float]:
    """Word error rates of the best path: all voices (`wer`), and the natural ones if any (`wer_natural`)."""
    import jiwer

    said: dict[str, list[tuple[str, str]]] = {"wer": [], "wer_natural": []}
    for start in range(0, len(examples), 32):
        part = examples[start : start + 32]
        frames, there = pad([e.states for e in part])
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            read = model.read(frames.float(), there, None)
        for example, tokens in zip(part, read, strict=True):
            pair = " ".join(words(example.text)), " ".join(words(vocabulary.tokenizer.decode(tokens)))
            said["wer"].append(pair)
            if is_natural(example):
                said["wer_natural"].append(pair)
    return {
        name: float(jiwer.wer([a for a, _ in pairs], [b for _, b in pairs])) for name, pairs in said.items() if pairs
    }
