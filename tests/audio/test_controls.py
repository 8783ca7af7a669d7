"""Controls: whose sound an item is answered from."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade_equivalence.audio.condition import parse_condition
from cascade_equivalence.audio.controls import heard, swapped
from cascade_equivalence.errors import UsageError
from cascade_equivalence.tasks.item import Item


def item(name: str, *accepted: str) -> Item:
    return Item(name, name, None, (), accepted)


@given(st.lists(st.sampled_from("abcd"), min_size=2, max_size=30), st.integers(0, 3), st.randoms())
def test_a_swap_uses_every_sound_once_and_changes_as_many_labels_as_can_be(labels, seed, random) -> None:
    items = [item(f"i{n}", label) for n, label in enumerate(labels)]
    found = swapped(items, seed)
    assert Counter(other.id for other in found) == Counter(one.id for one in items)
    assert all(one.id != other.id for one, other in zip(items, found, strict=True))
    same = sum(one.label == other.label for one, other in zip(items, found, strict=True))
    # A label with m of n items has only n - m sounds of other labels to hear.
    assert same == max(0, 2 * max(Counter(labels).values()) - len(labels))
    pairs = {one.id: other.id for one, other in zip(items, found, strict=True)}
    shuffled = random.sample(items, len(items))
    assert {one.id: other.id for one, other in zip(shuffled, swapped(shuffled, seed), strict=True)} == pairs


def test_another_seed_another_swap() -> None:
    items = [item(str(n), "ab"[n % 2]) for n in range(20)]
    assert swapped(items, 0) != swapped(items, 1)


def test_items_without_labels_are_swapped_too() -> None:
    items = [item(str(n)) for n in range(5)]
    assert all(one is not other for one, other in zip(items, swapped(items, 0), strict=True))


def test_what_is_heard_under_each_condition() -> None:
    items = (item("1", "a"), item("2", "b"))
    assert heard(items, parse_condition("babble@5dB"), 0) == items
    assert heard(items, parse_condition("swap+babble@5dB"), 0) == items[::-1]
    assert heard(items, parse_condition("no-audio"), 0) == (None, None)
    with pytest.raises(UsageError, match="at least two items"):
        heard(items[:1], parse_condition("swap"), 0)
