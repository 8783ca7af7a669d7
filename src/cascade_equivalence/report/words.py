"""Word differences between what was spoken and what an LLM read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

Change = Literal["same", "other", "missing"]

_EDGES = re.compile(r"^\W+|\W+$")


@dataclass(frozen=True, slots=True)
class Piece:
    """Words in a row: as spoken (`same`), read but not spoken (`other`), or spoken but not read (`missing`)."""

    text: str
    change: Change


def differences(spoken: str, read: str) -> list[Piece]:
    """`read` in pieces, with what is missing from it. Case and punctuation at word edges do not count."""
    heard, found = spoken.split(), read.split()
    pieces: list[Piece] = []
    matcher = SequenceMatcher(None, [_bare(w) for w in heard], [_bare(w) for w in found], autojunk=False)
    for tag, i, i_end, j, j_end in matcher.get_opcodes():
        if tag == "equal":
            pieces.append(Piece(" ".join(found[j:j_end]), "same"))
            continue
        if i < i_end:
            pieces.append(Piece(" ".join(heard[i:i_end]), "missing"))
        if j < j_end:
            pieces.append(Piece(" ".join(found[j:j_end]), "other"))
    return pieces


def _bare(word: str) -> str:
    return _EDGES.sub("", word.casefold()) or word
