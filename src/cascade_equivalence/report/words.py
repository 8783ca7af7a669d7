"""Word differences between what was spoken and what an LLM read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from typing import Literal

Change = Literal["same", "written", "other", "missing"]

_EDGES = re.compile(r"^\W+|\W+$")


@dataclass(frozen=True, slots=True)
class Piece:
    """Words in a row: as spoken (`same`), the same but for case or punctuation (`written`), read but not spoken
    (`other`), or spoken but not read (`missing`)."""

    text: str
    change: Change


def differences(spoken: str, read: str) -> list[Piece]:
    """`read` in pieces, with what is missing from it.

    Words that differ in case or in punctuation at their edges only are told apart from the others: they are not
    errors of the ASR, yet an LLM reads them differently.
    """
    heard, found = spoken.split(), read.split()
    pieces: list[Piece] = []
    matcher = SequenceMatcher(None, [_bare(w) for w in heard], [_bare(w) for w in found], autojunk=False)
    for tag, i, i_end, j, j_end in matcher.get_opcodes():
        if tag == "equal":
            pairs = list(zip(heard[i:i_end], found[j:j_end], strict=True))
            for alike, group in groupby(pairs, key=lambda pair: pair[0] == pair[1]):
                pieces.append(Piece(" ".join(word for _, word in group), "same" if alike else "written"))
            continue
        if i < i_end:
            pieces.append(Piece(" ".join(heard[i:i_end]), "missing"))
        if j < j_end:
            pieces.append(Piece(" ".join(found[j:j_end]), "other"))
    return pieces


def _bare(word: str) -> str:
    return _EDGES.sub("", word.casefold()) or word
