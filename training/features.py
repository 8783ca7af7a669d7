"""What training reads: encoder states, energy, pitch and voice of every utterance, in shards made once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from cascade_equivalence.audio.clip import RATE, Samples
from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems.loading import Placement, locate
from cascade_equivalence.systems.speech.encoder import FRAME, WhisperEncoder
from cascade_equivalence.systems.speech.pocket import STACK
from training.speech import Utterance, make_clip

SHARD = 128
"""Utterances per file."""
POSITION = STACK * FRAME
"""Samples per position of the connector (80 ms)."""


@dataclass(frozen=True, slots=True)
class Example:
    """One utterance. states: (frames, width) bfloat16; sound: (positions, 3): level in dB, log2 F0 in Hz, voiced."""

    text: str
    voice: str
    states: torch.Tensor
    sound: torch.Tensor


def make_features(group: str, plan: Sequence[Utterance], directory: Path) -> None:
    """Speak and encode what the group's shards in `directory` lack, shard by shard."""
    directory.mkdir(parents=True, exist_ok=True)
    encoder = None
    for start in range(0, len(plan), SHARD):
        path = directory / f"{group}-{start // SHARD:04d}.safetensors"
        if path.is_file():
            continue
        encoder = encoder or WhisperEncoder(
            "whisper-base", locate("whisper-base", print), Placement("cpu", "bfloat16", 16)
        )
        _make_shard(plan[start : start + SHARD], path, encoder)
        print(f"{path.name}: {min(start + SHARD, len(plan))} of {len(plan)}", flush=True)


def _make_shard(utterances: Sequence[Utterance], path: Path, encoder: WhisperEncoder) -> None:
    tensors: dict[str, torch.Tensor] = {}
    clips = [make_clip(u) for u in utterances]
    order = sorted(range(len(clips)), key=lambda i: len(clips[i].samples))
    for part in range(0, len(order), 8):
        for i, states in zip(
            order[part : part + 8], encoder.encode([clips[i] for i in order[part : part + 8]]), strict=True
        ):
            tensors[f"states.{i:03d}"] = states.clone().contiguous()
            tensors[f"sound.{i:03d}"] = torch.from_numpy(sound_of(clips[i].samples))
    spoken = json.dumps([asdict(u) for u in utterances])
    part_file = path.with_suffix(".part")
    save_file(tensors, part_file, metadata={"utterances": spoken})
    part_file.replace(path)


def read_features(directory: Path, groups: Sequence[str]) -> Iterator[Example]:
    """All utterances of the groups' shards in `directory`, in order. Raises `ModelError` if there are none."""
    from safetensors import safe_open

    paths = [path for group in sorted(groups) for path in sorted(directory.glob(f"{group}-[0-9]*.safetensors"))]
    if not paths:
        raise ModelError(f"{directory}: no features there; make them first")
    for path in paths:
        with safe_open(path, "pt") as file:
            spoken = json.loads(file.metadata()["utterances"])
        tensors = load_file(path)
        for i, facts in enumerate(spoken):
            yield Example(
                facts["text"],
                f"{facts['engine']}:{facts['voice']}",
                tensors[f"states.{i:03d}"],
                tensors[f"sound.{i:03d}"],
            )


def sound_of(samples: Samples) -> NDArray[np.float32]:
    """Level (dB), log2 F0 (Hz) and voicing (0 or 1) at each 80 ms position, shape (positions, 3).

    F0 by the normalised autocorrelation of 64 ms around the position's middle, 60–400 Hz; voiced where its peak is
    over 0.5 and the level within 35 dB of the loudest position. F0 is 0 where unvoiced.
    """
    positions = -(-len(samples) // POSITION)
    window = 1024
    half = (window - POSITION) // 2
    padded = np.pad(samples.astype(np.float64), (max(half, 0) + window, positions * POSITION - len(samples) + window))
    starts = window + max(half, 0) + np.arange(positions) * POSITION + (POSITION - window) // 2
    frames = padded[starts[:, None] + np.arange(window)]
    whole = padded[window + max(half, 0) :][: positions * POSITION].reshape(positions, POSITION)
    level = 10 * np.log10(np.mean(whole**2, axis=1) + 1e-10)
    frames = frames - frames.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(frames, 2 * window)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[:, :window]
    # The part that both copies cover shrinks with the lag; its energy is what makes a perfect period reach 1.
    squares = np.cumsum(frames**2, axis=1)
    total = squares[:, -1:]
    lags = np.arange(RATE // 400, RATE // 60 + 1)
    head = squares[:, window - 1 - lags]
    tail = total - squares[:, lags - 1]
    normal = correlation[:, lags] / np.sqrt(head * tail + 1e-12)
    best = normal.max(axis=1)
    # The first lag near the best one: later ones are its multiples.
    first = (normal > 0.92 * best[:, None]).argmax(axis=1)
    # From there up to the local peak.
    for row in range(positions):
        at = first[row]
        while at + 1 < len(lags) and normal[row, at + 1] > normal[row, at]:
            at += 1
        first[row] = at
    voiced = (best > 0.5) & (level > level.max() - 35.0)
    f0 = np.where(voiced, np.log2(RATE / lags[first]), 0.0)
    return np.stack([level, f0, voiced], axis=1).astype(np.float32)
