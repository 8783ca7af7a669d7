"""A task with its options in another order: whatever changes in the answers is owed to the order alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cascade_equivalence.errors import UsageError
from cascade_equivalence.seeds import rng
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.task import Task


def permuted(task: Task, seeds: Sequence[int]) -> tuple[Task, ...]:
    """One variant a seed, named `topic~perm1`; none of a task without options.

    Labels stay with their texts. Where all items of a task have one label set, they get one order, never their own;
    where every item brings its own options, each gets an order of its own. An order that is there already (two labels
    have but two orders) is left out. Raises `UsageError` for a seed given twice.
    """
    if len(set(seeds)) != len(seeds):
        raise UsageError(f"permute: a seed of task '{task.name}' is there twice")
    if task.form.kind == "open":
        return ()
    found: list[Task] = []
    for seed in seeds:
        variant = replace(
            task,
            name=f"{task.name}~perm{seed}",
            items=tuple(_reordered(task, item, seed) for item in task.items),
            dev=tuple(_reordered(task, item, seed) for item in task.dev),
            variant_of=task.name,
        )
        if not any([i.choices for i in variant.items] == [i.choices for i in other.items] for other in (task, *found)):
            found.append(variant)
    return tuple(found)


def _reordered(task: Task, item: Item, seed: int) -> Item:
    # Calibration offsets go by position, so one label set needs one order, development items included.
    name = task.name if task.form.kind == "labels" else f"{task.name}/{item.id}"
    draw = rng("permute", name, str(seed))
    choices = item.choices
    while len(choices) > 1 and choices == item.choices:
        order = [int(i) for i in draw.permutation(len(item.choices))]
        choices = tuple(item.choices[i] for i in order)
    return replace(item, choices=choices)
