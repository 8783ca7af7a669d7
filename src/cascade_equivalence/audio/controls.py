"""Controls: conditions that change which sound belongs to an item.

Under `swap` an item is answered from another item's audio, under `no-audio` from none. An arm that still gets them
right does not listen. (`silence`, the third, is a step like any other.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from cascade_equivalence.audio.condition import Condition
from cascade_equivalence.errors import UsageError
from cascade_equivalence.seeds import rng
from cascade_equivalence.tasks.item import Item


def heard(items: Sequence[Item], condition: Condition, seed: int) -> tuple[Item | None, ...]:
    """Whose audio is heard for each item: its own, another's under `swap`, None under `no-audio`.

    Raises `UsageError` if a task has a single item to swap.
    """
    if condition.has("no-audio"):
        return (None,) * len(items)
    return swapped(items, seed) if condition.has("swap") else tuple(items)


def swapped(items: Sequence[Item], seed: int) -> tuple[Item, ...]:
    """Another item for each: every item's audio is heard once, with another label wherever that is possible.

    Items are ordered by label, shuffled within, and shifted by the size of the largest label group: only where one
    label has more than half of the items do some keep theirs, and then as few as can be. Depends on the ids, the
    labels and the seed, not on the order of the items.
    """
    if len(items) < 2:
        raise UsageError("condition 'swap' needs at least two items in the task")
    order = sorted(
        range(len(items)), key=lambda i: (items[i].label or "", rng("swap", items[i].id, str(seed)).random())
    )
    largest = max(Counter(item.label or "" for item in items).values())
    shift = largest if largest < len(items) else 1
    found = {at: items[order[(rank + shift) % len(order)]] for rank, at in enumerate(order)}
    return tuple(found[at] for at in range(len(items)))
