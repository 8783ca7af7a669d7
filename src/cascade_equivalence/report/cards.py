"""Trials on which the arms disagree, chosen and laid out for reading and listening."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cascade_equivalence.report import sound
from cascade_equivalence.report.arms import ordered
from cascade_equivalence.report.sound import Audio, Sound
from cascade_equivalence.report.words import Piece, differences
from cascade_equivalence.study.results import Disagreement, Results
from cascade_equivalence.tasks.parsing import INVALID

MOST_CARDS = 24
"""Trials shown as cards; more would be long to read."""
MOST_ROWS = 200
"""Further trials in the list; with their sounds they make up most of a page."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One arm on the trial. right: None without gold. read: what its LLM read, in pieces; None where it
    heard the audio itself. said: the words that it answered, where it wrote any; note: why the answer is invalid."""

    arm: str
    label: str
    valid: bool
    right: bool | None
    read: tuple[Piece, ...] | None
    said: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Card:
    """A trial. differ: the compared pairs that answered differently, as indices into `Cards.pairs`; lost, gained: those
    of a speech LLM and a cascade of which the cascade alone is right, the speech LLM alone.

    sound: None where no audio was involved, or it is left out of the page.
    """

    task: str
    condition: str
    item: str
    spoken: str | None
    gold: tuple[str, ...]
    readings: tuple[Reading, ...]
    differ: tuple[int, ...]
    lost: tuple[int, ...]
    gained: tuple[int, ...]
    heard: bool
    sound: Sound | None


@dataclass(frozen=True, slots=True)
class Turned:
    """How often one of a speech LLM and a cascade alone was right, over all trials."""

    left: str
    right: str
    lost: int
    gained: int


@dataclass(frozen=True, slots=True)
class Cards:
    """shown: as cards; rest: the others, up to `MOST_ROWS`; left_out: beyond those. turned: by compared pair."""

    total: int
    trials: int
    pairs: tuple[tuple[str, str], ...]
    turned: tuple[Turned, ...]
    shown: tuple[Card, ...]
    rest: tuple[Card, ...]
    left_out: int


def cards(results: Results, directory: Path, audio: Audio = "all") -> Cards:
    """Cards of the disagreements; first those where a speech LLM and a cascade differ in being right."""
    pairs = tuple(dict.fromkeys((c.left, c.right) for c in results.comparisons))
    kinds = {arm.name: arm.kind for arm in results.arms}
    judged = tuple(pair for pair in pairs if (kinds[pair[0]], kinds[pair[1]]) == ("speech", "cascade"))
    found = results.disagreements
    turns = [_turns(d, judged) for d in found]
    chosen = choose(found, MOST_CARDS, turns)
    others = sorted((i for i in range(len(found)) if i not in chosen), key=lambda i: not any(turns[i]))
    order = [*sorted(chosen, key=lambda i: not any(turns[i])), *others[:MOST_ROWS]]
    wanted = {"all": order, "some": order[: len(chosen)], "none": []}[audio]
    sounds = sound.embed(directory, [clip for i in wanted if (clip := found[i].clip)])
    made = [_card(results, pairs, found[i], sounds) for i in order]
    heard = {(cell.task, cell.condition): cell.wanted for cell in results.cells if cell.condition in results.conditions}
    return Cards(
        total=len(found),
        trials=sum(heard.values()) or sum(len(task.items) for task in results.tasks),
        pairs=pairs,
        turned=tuple(
            Turned(*pair, sum(pair in lost for lost, _ in turns), sum(pair in gained for _, gained in turns))
            for pair in judged
        ),
        shown=tuple(made[: len(chosen)]),
        rest=tuple(made[len(chosen) :]),
        left_out=max(0, len(others) - MOST_ROWS),
    )


Pairs = tuple[tuple[str, str], ...]


def _turns(found: Disagreement, judged: Pairs) -> tuple[Pairs, Pairs]:
    """The pairs of a speech LLM and a cascade of which the cascade alone is right, and the speech LLM alone."""
    right = found.right
    lost = tuple(p for p in judged if right.get(p[0]) is False and right.get(p[1]) is True)
    gained = tuple(p for p in judged if right.get(p[0]) is True and right.get(p[1]) is False)
    return lost, gained


def choose(found: Sequence[Disagreement], most: int, turns: Sequence[tuple[Pairs, Pairs]] = ()) -> set[int]:
    """Indices of at most `most` disagreements: cells in turn, evenly spaced within each.

    Where a speech LLM and a cascade differ in being right (`turns`) comes first; a cell is then also which of them is.
    """
    groups: tuple[dict[tuple[object, ...], list[int]], ...] = ({}, {})
    for index, one in enumerate(found):
        lost, gained = turns[index] if turns else ((), ())
        place = (one.task, one.condition, bool(lost), bool(gained))
        groups[not (lost or gained)].setdefault(place, []).append(index)
    chosen: set[int] = set()
    for cells in groups:
        chosen |= _evenly(cells, most - len(chosen))
    return chosen


def _evenly(cells: Mapping[tuple[object, ...], list[int]], most: int) -> set[int]:
    quota = dict.fromkeys(cells, 0)
    while sum(quota.values()) < min(most, sum(map(len, cells.values()))):
        for cell, members in cells.items():
            if quota[cell] < len(members) and sum(quota.values()) < most:
                quota[cell] += 1
    return {members[k * len(members) // quota[cell]] for cell, members in cells.items() for k in range(quota[cell])}


def _card(results: Results, pairs: Pairs, found: Disagreement, sounds: Mapping[str, Sound]) -> Card:
    said = found.arms
    lost, gained = _turns(found, pairs)
    kinds = {arm.name: arm.kind for arm in results.arms}
    judged = [(kinds[a], kinds[b]) == ("speech", "cascade") for a, b in pairs]
    return Card(
        task=found.task,
        condition=found.condition,
        item=found.item,
        spoken=found.spoken,
        gold=found.gold,
        readings=tuple(
            Reading(
                arm=arm.name,
                label=said[arm.name].label,
                valid=said[arm.name].label != INVALID,
                right=found.right[arm.name],
                read=_pieces(found.spoken, said[arm.name].read),
                said=said[arm.name].said,
                note=said[arm.name].note,
            )
            for arm in ordered(results)
            if arm.name in said
        ),
        differ=tuple(i for i, (a, b) in enumerate(pairs) if a in said and b in said and said[a].label != said[b].label),
        lost=tuple(i for i, pair in enumerate(pairs) if judged[i] and pair in lost),
        gained=tuple(i for i, pair in enumerate(pairs) if judged[i] and pair in gained),
        heard=found.clip is not None,
        sound=sounds.get(found.clip or ""),
    )


def _pieces(spoken: str | None, read: str | None) -> tuple[Piece, ...] | None:
    if read is None:
        return None
    return (Piece(read, "same"),) if spoken is None else tuple(differences(spoken, read))
