"""Choose the shots of each form on development items alone.

For a closed task, several random shot sets (`--per-label` of each label, drawn from the development items) are scored
on the development items not shown: accuracy and cross-entropy of the gold label after calibration on those same
unlabelled items. The set with the lowest cross-entropy is the one to write into `tasks/forms.py`.

    python corpus/prompts.py --task topic --sets 12
"""

from __future__ import annotations

import argparse
import random
from dataclasses import replace
from pathlib import Path

import numpy as np

from cascade_equivalence.systems.backbone import Backbone
from cascade_equivalence.systems.loading import locate, place
from cascade_equivalence.systems.local import TextSystem
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.parsing import matches_alias
from cascade_equivalence.tasks.task import Task, load_task


def draw(task: Task, seed: int, per_label: int) -> tuple[str, ...]:
    """Shot ids: `per_label` of each label (open and options tasks: five items), in random order."""
    rng = random.Random(f"{task.name}:{seed}")
    if task.form.kind == "labels":
        shots = [
            item.id
            for label in task.labels
            for item in rng.sample([i for i in task.dev if i.label == label], per_label)
        ]
    else:
        shots = [item.id for item in rng.sample(list(task.dev), 5)]
    rng.shuffle(shots)
    return tuple(shots)


def evaluate(arm: TextSystem, task: Task) -> tuple[float, float, float]:
    """(raw accuracy, calibrated accuracy, calibrated cross-entropy in nats) on the development items not shown."""
    items: list[Item] = list(task.calibration)
    texts = [item.text or "" for item in items]
    if task.form.kind == "open":
        said = [reply for reply in arm.reply(task, items, texts, "generate") if reply]
        right = float(np.mean([matches_alias(r.text or "", i.accepted) for r, i in zip(said, items, strict=True)]))
        return right, right, 1 - right
    scores = np.array([r.scores for r in arm.reply(task, items, texts, "labels") if r])
    gold = np.array([[c.label for c in i.choices].index(i.label or "") for i in items])
    shifted = scores - scores.mean(0) if task.form.kind == "labels" else scores
    logp = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    rows = np.arange(len(gold))
    return (
        float((scores.argmax(1) == gold).mean()),
        float((shifted.argmax(1) == gold).mean()),
        float(-logp[rows, gold].mean()),
    )


def main() -> None:
    """Print a line per shot set, best last."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", required=True)
    parser.add_argument("--sets", type=int, default=12)
    parser.add_argument("--per-label", type=int, default=1)
    parser.add_argument("--manifest", type=Path)
    parser.add_argument("--instruction")
    args = parser.parse_args()
    task = load_task(args.task, args.manifest)
    backbone = Backbone.load("llm", locate("smollm2-135m", print), place("llm", "cpu", "float32", 16))
    arm = TextSystem(backbone, "plain")
    form = replace(task.form, instruction=args.instruction or task.form.instruction)
    found = []
    for seed in range(args.sets):
        shots = draw(task, seed, args.per_label)
        found.append((*evaluate(arm, replace(task, form=replace(form, shots=shots))), shots))
        print(f"{seed}: raw {found[-1][0]:.3f} calibrated {found[-1][1]:.3f} nats {found[-1][2]:.3f}", flush=True)
    best = min(found, key=lambda f: f[2])
    print(f"best: raw {best[0]:.3f} calibrated {best[1]:.3f} nats {best[2]:.3f} shots {best[3]}")


if __name__ == "__main__":
    main()
