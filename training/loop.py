"""What both trainings share: examples in memory, batches by length, checkpoints that a killed run goes on from."""

from __future__ import annotations

import hashlib
import json
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cascade_equivalence.errors import ModelError
from training.features import Example
from training.sentences import words

HELD_OUT = 50
"""One sentence of so many is held out, in all its voices."""
CHECKPOINT_S = 120
"""Seconds between checkpoints."""


def held_out(text: str) -> bool:
    """Whether a sentence is kept from training, decided by its words."""
    digest = hashlib.sha256(" ".join(words(text)).encode()).digest()
    return int.from_bytes(digest[:4], "big") % HELD_OUT == 0


def batches(lengths: Sequence[int], size: int, steps: int, seed: int) -> Iterator[list[int]]:
    """Batches of clips of like length, epoch after epoch; the same for the same seed, whenever the run was stopped."""
    made, epoch = 0, 0
    while made < steps:
        rng = random.Random(f"batches {seed} {epoch}")
        order = list(range(len(lengths)))
        rng.shuffle(order)
        pools = [sorted(order[i : i + 16 * size], key=lambda n: lengths[n]) for i in range(0, len(order), 16 * size)]
        found = [pool[i : i + size] for pool in pools for i in range(0, len(pool), size)]
        rng.shuffle(found)
        yield from found[: steps - made]
        made, epoch = made + len(found), epoch + 1


def schedule(step: int, steps: int, warm: int) -> float:
    """Factor on the learning rate: linear warm-up, then a cosine to a hundredth."""
    if step < warm:
        return (step + 1) / warm
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


Loss = Callable[[list[int], int], tuple[Tensor, dict[str, float]]]
"""Loss of a batch of example indices at a step, and what to log."""
Check = Callable[[], dict[str, float]]
"""Held-out figures."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a training. rate: learning rate after `warm` steps. check_every: steps between two checks."""

    name: str
    module: nn.Module
    steps: int
    rate: float
    batch: int
    seed: int
    loss: Loss
    check: Check
    warm: int = 100
    check_every: int = 250


def run_stage(stage: Stage, examples: Sequence[Example], directory: Path) -> list[dict[str, float]]:
    """Train, or go on from the stage's checkpoint in `directory`. Returns the curve: what was logged, by step.

    Every step draws its dropout and masks from (seed, step) alone, so a resumed run ends where an undisturbed one does.
    Raises `ModelError` for a checkpoint of another model.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{stage.name}.checkpoint.safetensors"
    parameters = [p for p in stage.module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=stage.rate, betas=(0.9, 0.98), weight_decay=0.01)
    start, curve, spent = _resume(path, stage.module, optimizer)
    began = saved = time.monotonic()
    recent: dict[str, float] = {}
    order = batches([len(e.states) for e in examples], stage.batch, stage.steps, stage.seed)
    for step, batch in enumerate(order):
        if step < start:
            continue
        stage.module.train()
        torch.manual_seed(stage.seed * 1_000_003 + step)
        for group in optimizer.param_groups:
            group["lr"] = stage.rate * schedule(step, stage.steps, stage.warm)
        loss, logged = stage.loss(batch, step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        for key, value in logged.items():
            recent[key] = 0.95 * recent.get(key, value) + 0.05 * value
        last = step + 1 == stage.steps
        if last or (step + 1) % stage.check_every == 0:
            stage.module.eval()
            minutes = (spent + time.monotonic() - began) / 60
            curve.append({"step": step + 1, "minutes": round(minutes, 2)} | recent | stage.check())
            print(stage.name, json.dumps({k: round(v, 4) for k, v in curve[-1].items()}), flush=True)
        if last or time.monotonic() - saved > CHECKPOINT_S:
            saved = time.monotonic()
            _save(path, stage.module, optimizer, step + 1, curve, spent + saved - began)
    stage.module.eval()
    return curve


def _save(
    path: Path, module: nn.Module, optimizer: Any, step: int, curve: list[dict[str, float]], spent: float
) -> None:
    tensors = {f"model.{name}": value.detach() for name, value in module.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": torch.as_tensor(value).clone() for key, value in state.items()}
    facts = {"step": str(step), "curve": json.dumps(curve), "spent": str(spent)}
    part = path.with_suffix(".part")
    save_file({name: value.contiguous() for name, value in tensors.items()}, part, metadata=facts)
    part.replace(path)


def _resume(path: Path, module: nn.Module, optimizer: Any) -> tuple[int, list[dict[str, float]], float]:
    if not path.is_file():
        return 0, [], 0.0
    with safe_open(path, "pt") as file:
        facts = file.metadata()
    tensors = load_file(path)
    try:
        module.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
    except RuntimeError:
        raise ModelError(
            f"{path}: of a model of another size, trained on other sentences perhaps; remove it, or give another --work"
        ) from None
    held = optimizer.state_dict()
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".")
            held["state"].setdefault(int(index), {})[key] = value
    optimizer.load_state_dict(held)
    return int(facts["step"]), json.loads(facts["curve"]), float(facts["spent"])
