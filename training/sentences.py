"""Training sentences: our own (`texts/`) and WordNet's examples and short definitions, none of them evaluated."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from pathlib import Path

from cascade_equivalence.errors import UsageError
from cascade_equivalence.tasks.sentences import own_sentences
from cascade_equivalence.tasks.task import corpus_dir

WORDNET = Path("/usr/share/wordnet")
"""Where Debian's wordnet-base keeps the dictionary."""

_SPEAKABLE = re.compile(r"[A-Za-z][A-Za-z',.?! -]*")
_SHARED_RUN = 6


def wordnet_sentences(directory: Path = WORDNET) -> tuple[list[str], list[str]]:
    """Example sentences and definitions of WordNet 3, 4–16 words each, in the order of its files.

    Raises `UsageError` if the dictionary is not there.
    """
    examples, definitions = [], []
    for part in ("noun", "verb", "adj", "adv"):
        path = directory / f"data.{part}"
        if not path.is_file():
            raise UsageError(f"{path} is missing: install Debian's wordnet-base, or give --wordnet DIR")
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(" "):
                continue
            gloss = line.partition(" | ")[2]
            for quoted in re.findall(r'"([^"]+)"', gloss):
                examples.append(_sentence(quoted))
            definitions.append(_sentence(re.sub(r"\([^)]*\)", "", gloss.split(";")[0].split('"')[0])))
    return [s for s in dict.fromkeys(examples) if s], [s for s in dict.fromkeys(definitions) if s]


def _sentence(text: str) -> str:
    """As a transcript would stand, or "" where it is not plain speech."""
    text = " ".join(text.split()).rstrip(";:, ")
    if not _SPEAKABLE.fullmatch(text) or not 4 <= len(text.split()) <= 16:
        return ""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".?!" else ".")


def words(text: str) -> tuple[str, ...]:
    """Lower-case words without punctuation."""
    return tuple(re.findall(r"[a-z]+(?:'[a-z]+)*", text.lower()))


def evaluated_sentences() -> list[str]:
    """Everything spoken in the pocket corpus, the babble included."""
    spoken = []
    for path in sorted(corpus_dir().glob("*.jsonl")):
        spoken += [json.loads(line).get("text") or "" for line in path.read_text(encoding="utf-8").splitlines()]
    return spoken


def apart(sentences: list[str], evaluated: list[str]) -> list[str]:
    """Those that neither equal an evaluated sentence nor share six words in a row with one, case aside."""
    whole = {words(text) for text in evaluated}
    runs = {run for text in whole for run in _runs(text)}
    return [s for s in sentences if words(s) not in whole and not runs.intersection(_runs(words(s)))]


def _runs(text: tuple[str, ...]) -> set[tuple[str, ...]]:
    return {text[i : i + _SHARED_RUN] for i in range(len(text) - _SHARED_RUN + 1)}


@dataclass(frozen=True, slots=True)
class Sentences:
    """What is spoken for training. own, second: ours. other: a choice of WordNet's. more: a further choice."""

    own: tuple[str, ...]
    other: tuple[str, ...]
    more: tuple[str, ...]
    second: tuple[str, ...]


def training_sentences(examples: int, definitions: int, more: int, seed: int, wordnet: Path = WORDNET) -> Sentences:
    """Our own sentences and a seeded choice of WordNet's, all apart from the evaluated ones.

    examples, definitions: how many of WordNet's at most (`other`). more: how many of the rest of both. Raises
    `UsageError` if WordNet is not there.
    """
    evaluated = evaluated_sentences()
    own = apart(own_sentences(), evaluated)
    quoted, defined = (apart(part, evaluated) for part in wordnet_sentences(wordnet))
    rng = random.Random(f"sentences {seed}")
    other = rng.sample(quoted, min(examples, len(quoted))) + rng.sample(defined, min(definitions, len(defined)))
    rng.shuffle(own)
    rng.shuffle(other)
    taken = set(other)
    rest = [text for text in (*quoted, *defined) if text not in taken]
    second = apart(own_sentences("second"), evaluated)
    return Sentences(tuple(own), tuple(other), tuple(rng.sample(rest, min(more, len(rest)))), tuple(second))
