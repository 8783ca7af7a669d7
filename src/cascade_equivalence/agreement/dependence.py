"""Within-transcript dependence: where words stay the same and the sound changes, does the answer follow?

A cascade reads only the words, so on items with equal transcripts its answers cannot follow the sound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .resample import codes

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Dependence:
    """How far the answers follow the sound, the words held constant."""

    bits: float
    """Mutual information of answer and sound within words, plug-in estimate, bits per item."""
    null_bits: float
    """Its mean when sounds are shuffled within words × speaker: the bias of the estimate."""
    excess: float
    """bits − null_bits: what speaks for the sound."""
    share: float | None
    """excess as a share of the sound's own entropy within words; None if the sound never changes."""
    p: float
    """Permutation p-value, (1 + #{null ≥ observed}) / (1 + permutations). Phipson & Smyth (2010)."""
    varying: float
    """Share of items whose answer is not the most frequent one for their words."""
    items: int
    """Items in blocks of words × speaker where the sound varies: only they can tell."""
    blocks: int

    def to_json(self) -> dict[str, float | int | None]:
        return {name: getattr(self, name) for name in self.__slots__}


def within_transcript(
    answers: ArrayLike,
    sound: ArrayLike,
    words: ArrayLike,
    speaker: ArrayLike | None = None,
    *,
    permutations: int = 2000,
    seed: int = 0,
) -> Dependence:
    """answers, sound, words, speaker: (n,) any values: what was answered, how it was said, what and by whom.

    sound is what varies while the words do not (the acted emotion). Shuffling within words × speaker keeps
    everything that a voice or a text alone could explain. Raises ValueError on lengths that differ and where
    no block has two sounds.
    """
    n = len(np.asarray(answers))
    answer, voice = codes(answers, n, "answers"), codes(sound, n, "sound")
    text, who = codes(words, n, "words"), codes(speaker, n, "speaker")
    block = codes(text * (int(who.max(initial=0)) + 1) + who, n, "blocks")
    informative = _varies(voice, block)[block]
    if not informative.any():
        raise ValueError("no words were said in two ways by one speaker: nothing to compare")
    answer, voice, text, block = (x[informative] for x in (answer, voice, text, block))
    n = len(answer)
    answer, voice = codes(answer, n, "answers"), codes(voice, n, "sound")
    text, block = codes(text, n, "words"), codes(block, n, "blocks")

    rng = np.random.default_rng(seed)
    observed = _information(answer, voice, text)
    by_block = np.argsort(block, kind="stable")
    shuffled = np.empty_like(voice)
    null = np.empty(permutations)
    for i in range(permutations):
        # Sorting by (block, random) permutes within each block at once.
        order = np.lexsort((rng.random(n), block))
        shuffled[by_block] = voice[order]
        null[i] = _information(answer, shuffled, text)
    entropy = _entropy(voice, text)
    excess = observed - float(null.mean())
    most = np.zeros((int(text.max()) + 1, int(answer.max()) + 1), dtype=np.int64)
    np.add.at(most, (text, answer), 1)
    return Dependence(
        bits=observed,
        null_bits=float(null.mean()),
        excess=excess,
        share=excess / entropy if entropy > 0.0 else None,
        p=(1 + int((null >= observed - 1e-12).sum())) / (1 + permutations),
        varying=1.0 - float(most.max(axis=1).sum()) / n,
        items=n,
        blocks=int(block.max()) + 1,
    )


def _varies(values: Ints, block: Ints) -> NDArray[np.bool_]:
    """(blocks,) whether a block holds more than one value."""
    high, low = np.full(int(block.max()) + 1, -1), np.full(int(block.max()) + 1, np.iinfo(np.int64).max)
    np.maximum.at(high, block, values)
    np.minimum.at(low, block, values)
    return np.asarray(high > low)


def _entropy(values: Ints, given: Ints) -> float:
    """H(values | given) in bits."""
    width = int(values.max()) + 1
    joint = np.bincount(given * width + values)
    joint = joint[joint > 0]
    margin = np.bincount(given)
    n = len(values)
    return float(-(joint * np.log2(joint)).sum() + (margin * np.log2(np.maximum(margin, 1))).sum()) / n


def _information(answer: Ints, sound: Ints, words: Ints) -> float:
    """I(answer; sound | words) in bits."""
    sounds = int(sound.max()) + 1
    return max(0.0, _entropy(answer, words) - _entropy(answer, words * sounds + sound))
