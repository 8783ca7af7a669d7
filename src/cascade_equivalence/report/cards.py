"""Trials on which the arms disagree, chosen and laid out for reading and listening."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cascade_equivalence.report import sound
from cascade_equivalence.report.arms import ordered
from cascade_equivalence.report.words import Piece, differences
from cascade_equivalence.study.results import Disagreement, Results
from cascade_equivalence.tasks.parsing import INVALID

MOST_CLIPS = 24
"""Clips embedded in a page; more would make it slow to open."""
MOST_ROWS = 500


@dataclass(frozen=True, slots=True)
class Reading:
    """One arm on the trial. right: None without gold. read: what its LLM read, in pieces; None where it
    heard the audio itself."""

    arm: str
    label: str
    valid: bool
    right: bool | None
    read: tuple[Piece, ...] | None


@dataclass(frozen=True, slots=True)
class Card:
    """A trial. differ: the compared pairs that answered differently, as indices into `Cards.pairs`.

    audio: data URI. link: the clip's file beside the report.
    """

    task: str
    condition: str
    item: str
    spoken: str | None
    gold: tuple[str, ...]
    readings: tuple[Reading, ...]
    differ: tuple[int, ...]
    audio: str | None
    link: str | None


@dataclass(frozen=True, slots=True)
class Cards:
    """shown: with embedded sound where there is any; rest: the others, up to `MOST_ROWS`; left_out: beyond those."""

    total: int
    trials: int
    pairs: tuple[tuple[str, str], ...]
    shown: tuple[Card, ...]
    rest: tuple[Card, ...]
    left_out: int


def cards(results: Results, directory: Path) -> Cards:
    """Cards of the disagreements: a few with sound, evenly over task × condition, the rest without."""
    pairs = tuple(dict.fromkeys((c.left, c.right) for c in results.comparisons))
    chosen = choose(results.disagreements, MOST_CLIPS)
    others = [d for i, d in enumerate(results.disagreements) if i not in chosen]
    heard = {(cell.task, cell.condition): cell.wanted for cell in results.cells if cell.condition in results.conditions}
    return Cards(
        total=len(results.disagreements),
        trials=sum(heard.values()) or sum(len(task.items) for task in results.tasks),
        pairs=pairs,
        shown=tuple(_card(results, pairs, results.disagreements[i], directory) for i in sorted(chosen)),
        rest=tuple(_card(results, pairs, d, None) for d in others[:MOST_ROWS]),
        left_out=max(0, len(others) - MOST_ROWS),
    )


def choose(found: Sequence[Disagreement], most: int) -> set[int]:
    """Indices of at most `most` disagreements: cells in turn, evenly spaced within each."""
    cells: dict[tuple[str, str], list[int]] = {}
    for index, disagreement in enumerate(found):
        cells.setdefault((disagreement.task, disagreement.condition), []).append(index)
    quota = dict.fromkeys(cells, 0)
    while sum(quota.values()) < min(most, len(found)):
        for cell, members in cells.items():
            if quota[cell] < len(members) and sum(quota.values()) < most:
                quota[cell] += 1
    return {members[k * len(members) // quota[cell]] for cell, members in cells.items() for k in range(quota[cell])}


def _card(results: Results, pairs: Sequence[tuple[str, str]], found: Disagreement, directory: Path | None) -> Card:
    """The card of a disagreement, with sound if `directory` is given."""
    said = found.arms
    return Card(
        task=found.task,
        condition=found.condition,
        item=found.item,
        spoken=found.spoken,
        gold=found.gold,
        readings=tuple(
            Reading(
                arm=arm.name,
                label=said[arm.name][0],
                valid=said[arm.name][0] != INVALID,
                right=found.right[arm.name],
                read=_pieces(found.spoken, said[arm.name][1]),
            )
            for arm in ordered(results)
            if arm.name in said
        ),
        differ=tuple(i for i, (a, b) in enumerate(pairs) if a in said and b in said and said[a][0] != said[b][0]),
        audio=sound.embed(directory, found.clip) if directory and found.clip else None,
        link=sound.link(found.clip) if found.clip else None,
    )


def _pieces(spoken: str | None, read: str | None) -> tuple[Piece, ...] | None:
    if read is None:
        return None
    return (Piece(read, "same"),) if spoken is None else tuple(differences(spoken, read))
