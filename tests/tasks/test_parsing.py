"""The parsing ladder: what names a label does, what does not is INVALID, never guessed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade_equivalence.tasks.item import Choice
from cascade_equivalence.tasks.parsing import INVALID, matches_alias, normalise_answer, parse_label, parse_open

TOPICS = tuple(Choice(label, label) for label in ("World", "Sports", "Business", "Sci/Tech"))
SARCASM = (Choice("sarcastic", "sarcastic"), Choice("not sarcastic", "not sarcastic"))
OPTIONS = (Choice("A", "bank"), Choice("B", "library"), Choice("C", "mall"))


@pytest.mark.parametrize(
    ("answer", "choices", "label"),
    [
        ("Sports", TOPICS, "Sports"),
        ("  sports.\n", TOPICS, "Sports"),
        ("**Sci/Tech**", TOPICS, "Sci/Tech"),
        ('{"topic": "Business"}', TOPICS, "Business"),
        ('{"reason": "shares", "answer": "Business"}', TOPICS, "Business"),
        ('```json\n{"label": "World"}\n```', TOPICS, "World"),
        ('["World"]', TOPICS, "World"),
        ("Sports, because it is about a match in the World Cup", TOPICS, "Sports"),
        ("The topic is Business.", TOPICS, "Business"),
        ("It is not sarcastic at all", SARCASM, "not sarcastic"),
        ("This is sarcastic", SARCASM, "sarcastic"),
        ("B", OPTIONS, "B"),
        ("B. library", OPTIONS, "B"),
        ("(C)", OPTIONS, "C"),
        ("library", OPTIONS, "B"),
        ("You would go to the mall", OPTIONS, "C"),
        ("I think that a person would", OPTIONS, INVALID),
        ("Worldwide", TOPICS, INVALID),
        ("", TOPICS, INVALID),
        ("I cannot tell", TOPICS, INVALID),
        ("either bank or mall", (Choice("A", "bank"), Choice("C", "mall")), INVALID),
        ("{broken json World", TOPICS, "World"),
    ],
)
def test_ladder(answer: str, choices: tuple[Choice, ...], label: str) -> None:
    assert parse_label(answer, choices) == label


@given(st.text(max_size=60))
def test_any_text_gives_a_label_or_invalid(answer: str) -> None:
    assert parse_label(answer, TOPICS) in {*(c.label for c in TOPICS), INVALID}


@given(st.sampled_from([c.label for c in TOPICS]), st.sampled_from(["{}", " {}.", '"{}"', "{}\nbecause"]))
def test_a_label_survives_its_wrapping(label: str, wrapping: str) -> None:
    assert parse_label(wrapping.format(label), TOPICS) == label
    assert parse_label(json.dumps({"answer": label}), TOPICS) == label


def test_open_answers() -> None:
    assert parse_open("\n  Paris.\nmore") == "Paris."
    assert parse_open("  \n ") == INVALID
    assert matches_alias("The Beatles!", ["Beatles"])
    assert matches_alias("AC/DC", ["ac dc"])
    assert not matches_alias("Beatle", ["Beatles"])
    assert not matches_alias("the", ["a"])
    assert normalise_answer("An apple, the Pear") == "apple pear"


def test_an_answer_that_names_no_label_is_written_so_in_every_file() -> None:
    assert INVALID == "INVALID" == parse_label("", TOPICS)


def test_a_text_that_is_another_choices_label_is_neithers() -> None:
    swapped = (Choice("left", "right"), Choice("right", "left"))
    assert [parse_label(said, swapped) for said in ("left", "right")] == ["left", "right"]
    chained = (Choice("a", "b"), Choice("b", "c"), Choice("d", "d"))
    assert [parse_label(said, chained) for said in ("a", "b", "c", "d")] == ["a", "b", "b", "d"]
