"""The CTC head's vocabulary: frequent tokens of the LLM as they are, rare words out of smaller tokens of the same LLM.

So every word can be written, and every entry of the head has an embedding in the LLM.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

_CHUNK = re.compile(r" ?[A-Za-z]+|'[a-z]+|[^A-Za-z' ]")
_PIECE = re.compile(r" ?[A-Za-z]{1,9}")
_LONGEST = 10
_ROUNDS = 4
_LEAST_PIECE = 12
_EACH = 6.0
"""Cost of one more piece, whatever it is: 80 ms positions leave no room for spelling by letters."""


@dataclass(frozen=True)
class Vocabulary:
    """tokens: LLM token ids, head entry i + 1 is tokens[i]. costs: −log frequency of what rare words are made of."""

    tokens: tuple[int, ...]
    whole: frozenset[int]
    costs: dict[str, float]
    ids: dict[str, int]
    tokenizer: Any = field(repr=False)

    def entries(self, text: str) -> list[int]:
        """A sentence, as it stands in a prompt, in head entries (1 …); 0 is the blank."""
        return [self._places[token] for chunk in chunks(text) for token in self._chunk(chunk)]

    @cached_property
    def _places(self) -> dict[int, int]:
        return {token: i + 1 for i, token in enumerate(self.tokens)}

    def _chunk(self, chunk: str) -> list[int]:
        ids: list[int] = self.tokenizer(chunk, add_special_tokens=False).input_ids
        if all(token in self.whole for token in ids):
            return ids
        return [self.ids[piece] for piece in cheapest(chunk, self.costs)]


def chunks(text: str) -> list[str]:
    """Words with the space before them, endings after an apostrophe, punctuation marks."""
    return _CHUNK.findall(" " + " ".join(text.split()))


def build_vocabulary(texts: Iterable[str], tokenizer: Any, least: int) -> Vocabulary:
    """Tokens seen at least `least` times in `texts` stay whole; the rest is spelt in pieces chosen by likelihood."""
    found = Counter(chunk for text in texts for chunk in chunks(text))
    encoded = {chunk: tuple(tokenizer(chunk, add_special_tokens=False).input_ids) for chunk in found}
    counts: Counter[int] = Counter()
    for chunk, n in found.items():
        for token in encoded[chunk]:
            counts[token] += n
    whole = frozenset(token for token, n in counts.items() if n >= least)
    rare = {chunk: n for chunk, n in found.items() if not whole.issuperset(encoded[chunk])}
    strings = _strings(tokenizer)
    frequent = {text: counts[token] for text, token in strings.items() if token in whole}
    costs = _fit_pieces(rare, strings, frequent)
    ids = {piece: strings[piece] for piece in costs}
    tokens = sorted(whole | set(ids.values()))
    return Vocabulary(tuple(tokens), whole, costs, ids, tokenizer)


def _strings(tokenizer: Any) -> dict[str, int]:
    """Text of every token of letters, with or without a space before it, and of every ASCII punctuation mark."""
    found: dict[str, int] = {}
    for token in range(len(tokenizer)):
        text = tokenizer.decode([token], clean_up_tokenization_spaces=False)
        if _PIECE.fullmatch(text) or text in string.punctuation:
            found.setdefault(text, token)
    return found


def _fit_pieces(rare: dict[str, int], strings: dict[str, int], frequent: dict[str, int]) -> dict[str, float]:
    """Costs of pieces by hard expectation maximisation; single letters and frequent tokens always stay."""
    weights: Counter[str] = Counter(frequent)
    for chunk, n in rare.items():
        for start in range(len(chunk)):
            for end in range(start + 1, min(start + _LONGEST, len(chunk)) + 1):
                if chunk[start:end] in strings:
                    weights[chunk[start:end]] += n * (end - start)
    always = {s for s in strings if len(s.strip()) == 1} | set(frequent)
    for _ in range(_ROUNDS):
        costs = _costs(weights, always)
        weights = Counter(frequent)
        for chunk, n in rare.items():
            for piece in cheapest(chunk, costs):
                weights[piece] += n
        weights = Counter({p: n for p, n in weights.items() if n >= _LEAST_PIECE or p in always})
    return _costs(weights, always)


def _costs(weights: Counter[str], always: set[str]) -> dict[str, float]:
    total = sum(weights.values()) + len(always)
    return {piece: _EACH - math.log(max(weights[piece], 0.5) / total) for piece in {*weights, *always}}


def cheapest(chunk: str, costs: dict[str, float]) -> Sequence[str]:
    """The pieces that spell a chunk at least cost. A sign that no piece has is left out."""
    best: list[tuple[float, int]] = [(0.0, 0)]
    for end in range(1, len(chunk) + 1):
        options = [
            (best[start][0] + costs[chunk[start:end]], start)
            for start in range(max(0, end - _LONGEST), end)
            if chunk[start:end] in costs
        ]
        best.append(min(options, default=(best[end - 1][0] + 20.0, end - 1)))
    pieces, end = [], len(chunk)
    while end:
        start = best[end][1]
        if chunk[start:end] in costs:
            pieces.append(chunk[start:end])
        end = start
    return pieces[::-1]
