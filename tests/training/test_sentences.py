import re
from pathlib import Path
from typing import Literal

import pytest
from training.sentences import (
    apart,
    evaluated_sentences,
    own_sentences,
    wordnet_sentences,
    words,
)

from cascade_equivalence.errors import UsageError

NOUNS = (
    "  1 This software and database is being provided to you\n"
    '00001740 03 n 01 entity 000 | that which is perceived to exist; "the old ferry crosses the bay twice"; "in 1984"\n'
    '00001930 03 n 01 thing 0 000 | (archaic) a separate and self-contained object; "a b"\n'
)


def test_examples_and_definitions_are_plain_sentences(tmp_path: Path) -> None:
    for part in ("noun", "verb", "adj", "adv"):
        (tmp_path / f"data.{part}").write_text(NOUNS if part == "noun" else "")
    examples, definitions = wordnet_sentences(tmp_path)
    assert examples == ["The old ferry crosses the bay twice."]
    assert definitions == ["That which is perceived to exist.", "A separate and self-contained object."]


def test_a_missing_dictionary_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"data\.noun.*wordnet-base"):
        wordnet_sentences(tmp_path)


def test_nothing_evaluated_is_kept() -> None:
    evaluated = ["The quick brown fox jumps over the lazy dog."]
    same, shared, other = (
        "the QUICK brown fox, jumps over the lazy dog",
        "A quick brown fox jumps over the fence.",
        "The quick brown fox sleeps.",
    )
    assert apart([same, shared, other], evaluated) == [other]
    five = "We saw the quick brown fox jumps, once more."
    assert apart([five], evaluated) == [five]


@pytest.mark.parametrize(("part", "least"), [("first", 1500), ("second", 9000)])
def test_our_sentences_are_speakable_and_apart_from_the_corpus(part: Literal["first", "second"], least: int) -> None:
    own, evaluated = own_sentences(part), evaluated_sentences()
    assert len(set(own)) == len(own) > least
    # Words and plain marks alone: what a synthesiser reads and the head's vocabulary writes.
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z',.?! -]*", text) for text in own)
    assert all(4 <= len(words(text)) <= 20 for text in own)
    kept = apart(own, evaluated)
    assert {words(t) for t in kept}.isdisjoint({words(t) for t in evaluated})
    assert len(kept) > 0.98 * len(own)
