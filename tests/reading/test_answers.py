"""Answers are read, not guessed: each rule with texts that only it decides, and what stays unclear is INVALID."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade_equivalence.reading.answers import boxed, from_json, stated_letter, stated_name, without_thought
from cascade_equivalence.tasks.item import Choice
from cascade_equivalence.tasks.parsing import INVALID, parse_label, parse_open

ANIMALS = (Choice("A", "cat"), Choice("B", "dog"), Choice("C", "horse"))
FEELINGS = tuple(Choice(x, x) for x in ("positive", "negative", "neutral"))
YES_NO = (Choice("yes", "yes"), Choice("no", "no"))
TOPICS = tuple(Choice(x, x) for x in ("World", "Sports", "Business", "Sci/Tech"))
SARCASM = (Choice("sarcastic", "sarcastic"), Choice("not sarcastic", "sincere"))
EMOTIONS = tuple(Choice(x, x) for x in ("neutral", "joy", "surprise", "anger", "sadness", "disgust", "fear"))


@pytest.mark.parametrize(
    ("choices", "answer", "expected"),
    [
        (ANIMALS, "A dog is barking.", "B"),
        (ANIMALS, "I hear a dog, not a cat.", "B"),
        (ANIMALS, "C. A horse", "C"),
        (ANIMALS, "The answer is B, not the horse", "B"),
        (FEELINGS, "The answer is neutral, not negative.", "neutral"),
        (FEELINGS, "It is not negative but neutral.", "neutral"),
        (FEELINGS, "<think>At first it sounds negative.</think>\nneutral", "neutral"),
        (FEELINGS, "<think>maybe positive or negative</think>neutral", "neutral"),
        (FEELINGS, "Not positive.", INVALID),
        (FEELINGS, "Positive? No. Negative.", "negative"),
        (YES_NO, "No problem at all, yes.", "yes"),
        (YES_NO, "I do not know", INVALID),
        (YES_NO, "No idea.", INVALID),
        (YES_NO, "There is no doubt: yes", "yes"),
        (TOPICS, "This is about the world of sports", INVALID),
        (TOPICS, "Business, not Sports", "Business"),
        (TOPICS, "The business of sports", INVALID),
        (TOPICS, "Sports (not Business)", "Sports"),
        (TOPICS, "Not business: sports", "Sports"),
        (ANIMALS, "None of the above", INVALID),
        (ANIMALS, "A or B", INVALID),
        (ANIMALS, "A. B. C.", INVALID),
        (FEELINGS, "positive - negative - neutral", INVALID),
        (ANIMALS, "B. B.", "B"),
        (ANIMALS, "A and C are both possible", INVALID),
        (ANIMALS, '{"answer": "B", "reason": "A is silent"}', "B"),
        (ANIMALS, '{"answer": 1}', INVALID),
        (ANIMALS, "ANSWER: AB", INVALID),
        (ANIMALS, "Option A is wrong; the answer is B", "B"),
        (ANIMALS, "**B**", "B"),
        (ANIMALS, "\\boxed{B}", "B"),
        (ANIMALS, "Answer: $B", "B"),
        (ANIMALS, "A cat.", "A"),
        (ANIMALS, "a", "A"),
        (ANIMALS, "(b)", "B"),
        (ANIMALS, "b) dog", "B"),
        (ANIMALS, "I would pick B.", "B"),
        (ANIMALS, "B is the right one", "B"),
        (ANIMALS, "Both A and B", INVALID),
        (ANIMALS, "Either A or C", INVALID),
        (ANIMALS, "The answer is A or B", INVALID),
        (ANIMALS, "The answer is either A or B.", INVALID),
        (ANIMALS, "Answer: A\nAnswer: B", "B"),
        (ANIMALS, "Answer: B\n\nExplanation: A is a cat", "B"),
        (ANIMALS, "The answer is A. Wait, no, the answer is C.", "C"),
        (ANIMALS, "The wrong answer is A", INVALID),
        (ANIMALS, "The answer is not A", INVALID),
        (ANIMALS, "It isn't B", INVALID),
        (ANIMALS, "It can't be A, so B", "B"),
        (ANIMALS, "The answer is a dog", "B"),
        (ANIMALS, "A", "A"),
        (ANIMALS, "A.", "A"),
        (ANIMALS, "A) cat", "A"),
        (ANIMALS, "A: cat", "A"),
        (ANIMALS, "A - cat", "A"),
        (ANIMALS, "B. horse", INVALID),
        (ANIMALS, "The answer is (B) dog.", "B"),
        (ANIMALS, "the correct option is B: dog", "B"),
        (ANIMALS, "Let me think. A is a cat, B is a dog.\nB", "B"),
        (ANIMALS, "$\\boxed{\\text{C}}$", "C"),
        (ANIMALS, "\\boxed{A}, no: \\boxed{B}", "B"),
        (ANIMALS, "\\boxed{AB}", INVALID),
        (ANIMALS, "Final Answer: **(C)**", "C"),
        (ANIMALS, "I think the animal is a horse", "C"),
        (ANIMALS, "cat or dog", INVALID),
        (ANIMALS, "cat, dog", INVALID),
        (ANIMALS, "cat", "A"),
        (ANIMALS, "not cat", INVALID),
        (ANIMALS, "neither cat nor dog, horse", "C"),
        (ANIMALS, "Neither", INVALID),
        (ANIMALS, "dog rather than cat", "B"),
        (ANIMALS, "<think>B</think>", INVALID),
        (ANIMALS, "<think>The answer is B", INVALID),
        (ANIMALS, "reasoning... </think> C", "C"),
        (ANIMALS, "A, because it meows", "A"),
        (ANIMALS, "A because it meows", "A"),
        (ANIMALS, "Option B", "B"),
        (ANIMALS, "option b", INVALID),
        (ANIMALS, "Is it A? I think it is B", "B"),
        (ANIMALS, "A? B? C?", INVALID),
        (ANIMALS, "All of the above", INVALID),
        (ANIMALS, "A, B, C", INVALID),
        (ANIMALS, "Answer B", "B"),
        (ANIMALS, "My answer: B.", "B"),
        (ANIMALS, '["B"]', "B"),
        (ANIMALS, '["A","B"]', INVALID),
        (ANIMALS, '{"answer": ["A","B"]}', INVALID),
        (ANIMALS, '{"answer":"B"}', "B"),
        (ANIMALS, '```json\n{"answer": "C"}\n```', "C"),
        (ANIMALS, "It's B, not A", "B"),
        (ANIMALS, "It is A, not B", "A"),
        (ANIMALS, "I would rule out A; B it is", "B"),
        (ANIMALS, "A\nB", INVALID),
        (ANIMALS, "The answer is A\nB is wrong", "A"),
        (FEELINGS, "The sentiment is positive.", "positive"),
        (FEELINGS, "Sentiment: positive", "positive"),
        (FEELINGS, "positive or negative", INVALID),
        (FEELINGS, "Neither positive nor negative: neutral", "neutral"),
        (FEELINGS, "not negative", INVALID),
        (FEELINGS, "I would say it is mostly positive", "positive"),
        (FEELINGS, "not positive but negative", "negative"),
        (FEELINGS, "It isn't positive, it's negative", "negative"),
        (FEELINGS, "positive/negative", INVALID),
        (FEELINGS, "Positive, though a bit negative at the end", "positive"),
        (FEELINGS, "The feeling is positive and not negative", "positive"),
        (FEELINGS, "non-negative", INVALID),
        (FEELINGS, "POSITIVE!!!", "positive"),
        (FEELINGS, "It is hard to tell whether it is positive or negative", INVALID),
        (FEELINGS, "Overall: Neutral", "neutral"),
        (YES_NO, "Yes", "yes"),
        (YES_NO, "No.", "no"),
        (YES_NO, "No, it does not.", "no"),
        (YES_NO, "Yes, it does", "yes"),
        (YES_NO, "yes and no", INVALID),
        (YES_NO, "The answer is no", "no"),
        (YES_NO, "Not yes", INVALID),
        (YES_NO, "no\n", "no"),
        (YES_NO, "No way", INVALID),
        (YES_NO, "I'd say no", "no"),
        (YES_NO, "Answer: No, because there is no doubt", "no"),
        (YES_NO, "nothing", INVALID),
        (YES_NO, "Yes or no?", INVALID),
        (SARCASM, "not sarcastic", "not sarcastic"),
        (SARCASM, "This is not sarcastic", "not sarcastic"),
        (SARCASM, "sincere", "not sarcastic"),
        (SARCASM, "sarcastic", "sarcastic"),
        (SARCASM, "The speaker is sincere, not sarcastic", "not sarcastic"),
        (EMOTIONS, "no emotion", INVALID),
        (EMOTIONS, "anger and disgust", INVALID),
        (EMOTIONS, "The speaker shows joy.", "joy"),
        (TOPICS, "Sci/Tech and World", INVALID),
        (TOPICS, "sci/tech", "Sci/Tech"),
        (TOPICS, "Sports because of the World Cup", "Sports"),
        (TOPICS, "It is about business in the world", INVALID),
        (TOPICS, "Not World", INVALID),
        (TOPICS, "Answer: Business (not Sports)", "Business"),
        (TOPICS, "World\n\nThis is about business", "World"),
        # What takes an answer away without a "not".
        (ANIMALS, "The answer is anything but A", INVALID),
        (FEELINGS, "This is anything but positive.", INVALID),
        (FEELINGS, "It is far from positive.", INVALID),
        (FEELINGS, "There is nothing negative about it.", INVALID),
        (FEELINGS, "It lacks any positive tone", INVALID),
        (FEELINGS, "It is free of negative remarks; neutral", "neutral"),
        (FEELINGS, "un-positive", INVALID),
        (FEELINGS, "no longer positive", INVALID),
        (FEELINGS, "nothing but positive", "positive"),
        (EMOTIONS, "joy, without anger", "joy"),
        (EMOTIONS, "It is not at all sadness", INVALID),
        (EMOTIONS, "not anger and fear", "fear"),
        (EMOTIONS, "not only anger", "anger"),
        (EMOTIONS, "I am not so sure: anger", "anger"),
        # Taken back.
        (ANIMALS, "The answer is B, no, C.", INVALID),
        (ANIMALS, "B. Wait, it is C.", INVALID),
        (ANIMALS, "B. Actually the answer is C.", "C"),
        (ANIMALS, "The answer is B. No, not C.", "B"),
        (ANIMALS, "The answer is B. Sorry, C is wrong.", "B"),
        (ANIMALS, "B. Actually, B barks", "B"),
        # Under a heading, with its reasons below or above.
        (EMOTIONS, "Emotion: joy\nReason: no sadness or fear", "joy"),
        (EMOTIONS, "The fear is mild, the anger plain.\nFinal emotion: **anger**", "anger"),
        (EMOTIONS, "Not the emotion: joy\nThe anger is", INVALID),
        (EMOTIONS, "Wrong emotion: joy\nanger or fear", INVALID),
        (EMOTIONS, "anger, fear\nEmotion: something else", INVALID),
        # A box with a letter and its text, or with two.
        (ANIMALS, "$\\boxed{B. dog}$", "B"),
        (ANIMALS, "\\boxed{(C) horse}", "C"),
        (ANIMALS, "\\boxed{B. horse}", INVALID),
        (ANIMALS, "\\boxed{A or B}", INVALID),
        (ANIMALS, "B, so \\boxed{D}", INVALID),
        (ANIMALS, "\\boxed{a dog or a cat}", INVALID),
        # Options one after the other.
        (ANIMALS, "A B", INVALID),
        (ANIMALS, "Answer: A B", INVALID),
        (ANIMALS, "A C", INVALID),
        (ANIMALS, "C A B", INVALID),
        (ANIMALS, "The answer is A, or B maybe", INVALID),
        (ANIMALS, "The answer is A, B is a dog", "A"),
        (ANIMALS, "The answer is A, B.", INVALID),
        (ANIMALS, "The answer is B (dog), C are horses", "B"),
        (ANIMALS, "The answer is B, C are possible", INVALID),
        (ANIMALS, "The answer is B / C", INVALID),
        # A letter with another letter's text.
        (ANIMALS, "B. The horse", INVALID),
        (ANIMALS, "The answer is B: a horse", INVALID),
        (ANIMALS, "The answer is B: the dog\nhorse", "B"),
        # Letters as an option stands, and as words.
        (ANIMALS, "I choose (b) here", "B"),
        (ANIMALS, "I choose b here", INVALID),
        (ANIMALS, "It is C's turn", INVALID),
        (ANIMALS, "It is 'C'.", "C"),
        (ANIMALS, "(A) I think", "A"),
        (ANIMALS, "I hear A, clearly", "A"),
        (ANIMALS, "a b", INVALID),
        (YES_NO, "no\nbecause I say so", "no"),
        (YES_NO, "The answer is no one", INVALID),
        (YES_NO, "I say no - really", "no"),
        # Several lines: the last one that is an answer, unless the first one is another.
        (FEELINGS, "negative words\nand yet positive ones\nneutral", "neutral"),
        (FEELINGS, "neutral\npositive words, negative words\nneutral", "neutral"),
        (FEELINGS, "neutral\npositive words\nnegative", INVALID),
        (FEELINGS, "neutral\nwith positive and negative words", "neutral"),
        (ANIMALS, "Is it B?", INVALID),
        (ANIMALS, "The wrong choice is a cat. A dog", INVALID),
        (ANIMALS, "The answer is B? The answer is C", "C"),
        (ANIMALS, "The answer is C. The answer is B is wrong", "C"),
        (ANIMALS, '[[[[["B"]]]]]', "B"),
        (ANIMALS, '{"a": {"b": {"label": "C", "why": "A"}}}', "C"),
        (ANIMALS, '{"answer": "A", "label": "B"}', INVALID),
        (ANIMALS, '{"answer": true}', INVALID),
        (ANIMALS, '"B"', "B"),
        (ANIMALS, "[B]", "B"),
        (ANIMALS, '["dog"', "B"),
        (ANIMALS, "The answer is B, as well as C", INVALID),
        (ANIMALS, "The answer is B as well as C", INVALID),
        (ANIMALS, "The answer is B | C", INVALID),
        (ANIMALS, "The answer is B) or (C", INVALID),
        (ANIMALS, 'The answer is "B" and "C"', INVALID),
    ],
)
def test_what_is_stated_is_read(choices: tuple[Choice, ...], answer: str, expected: str) -> None:
    assert parse_label(answer, choices) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Option A is wrong because it floats. The answer is C.", "C"),
        ("I, as a language model, would say C is right", "C"),
        ("A, B and D are wrong, so the answer is C", "C"),
        ("<think>Answer: A? No.</think> The answer is C.", "C"),
        ("The answer is not A but C", "C"),
        ("Answer: AB", None),
        ("The correct choice is clearly (D), since (A) is false", "D"),
        ("(A) is false, (D) is true", None),
        ("I. The capital", "I"),
        ("The answer is D. Note that A is a common distractor.", "D"),
        ("ANSWER IS D", "D"),
        ("The answer: \\boxed{C}", "C"),
        ("Answer: **C**", "C"),
        ("The answer is c.", "C"),
        ("A planet is a body", None),
        ("I cannot answer a question", None),
        ("the option would be B", "B"),
        ("", None),
    ],
)
def test_letters(said: str, expected: str | None) -> None:
    assert stated_letter(said) == expected


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("a <b> c", "a <b> c"),
        ("a </think b", "a </think b"),
        ("a <think b", "a <think b"),
        ("<think>a</think>b<think>c</think>d", "bd"),
        ("<THINKING>a</THINKING>b", "b"),
        ("<think>a</reasoning>b", "b"),
        ("a</think>b</think>c", "c"),
        ("a<reflection>b\nc", "a"),
        ("<thought>a\nb</thought>c", "c"),
        ("plain", "plain"),
    ],
)
def test_thinking_is_left_out(said: str, left: str) -> None:
    assert without_thought(said) == left


def test_the_last_box() -> None:
    assert boxed("\\boxed{1} \\boxed{ \\mathrm{2} }") == "2"
    assert boxed("\\boxed{}") == "" and boxed("none") is None
    assert from_json('{"answer": 12}') == "12" and from_json("12 or so") == "12 or so"
    assert from_json('["a", "b"]') == '["a", "b"]' and from_json("[" * 50_000) == "[" * 50_000


def test_every_letter_and_no_other() -> None:
    for letter in "ABCDEFGHIJ":
        assert stated_letter(f"The answer is {letter}.") == stated_letter(f"({letter})") == letter
    assert stated_letter("The answer is K.") is stated_letter("?") is None


def test_of_a_very_long_text_both_ends_are_read() -> None:
    filler = "and so on, " * 4000
    assert stated_letter(f"{filler}\nThe answer is C.") == "C"
    assert stated_letter(f"B\n{filler}") == "B"
    assert stated_letter(f"{filler} the answer is D {filler}") is None


@given(
    st.sampled_from("ABC"),
    st.sampled_from(["{}", "{}.", "({})", "**{}**", '"{}"', "[{}]", "{})", "Answer: {}", "\\boxed{{{}}}"]),
)
def test_an_answer_in_any_wrapping_and_twice(letter: str, wrapping: str) -> None:
    said = wrapping.format(letter)
    assert parse_label(said, ANIMALS) == letter
    assert parse_label(f"<think>A, B or C?</think>{said}", ANIMALS) == letter
    assert parse_label(f"{said}\n{said}", ANIMALS) == letter


@given(
    st.sampled_from(["not", "never", "neither", "hardly", "isn't", "cannot be", "anything but", "far from", "nothing"]),
    st.sampled_from([c.label for c in FEELINGS]),
    st.sampled_from(["{} {}.", "It is {} {}", "{} really {}", "I hear {} {} in it"]),
)
def test_what_is_negated_is_not_stated(word: str, label: str, wrapping: str) -> None:
    assert parse_label(wrapping.format(word, label), FEELINGS) == INVALID


@given(
    st.sampled_from("ABC"),
    st.sampled_from("ABC"),
    st.sampled_from(["{} or {}", "{}/{}", "{} and {}", "{}, {}", "{} {}", "{} & {}", "{}|{}"]),
)
def test_two_options_are_none(one: str, other: str, wrapping: str) -> None:
    for said in (wrapping.format(one, other), f"The answer is {wrapping.format(one, other)}."):
        assert parse_label(said, ANIMALS) == (INVALID if one != other else one)


def test_names_with_punctuation_and_of_two_labels() -> None:
    assert stated_name("C++", {"C": "c", "C++": "cpp"}) == "cpp"
    assert stated_name("It is C++.", {"c": "c", "c++": "cpp"}) == "cpp"
    assert stated_name("x", {"x": "1", "X": "2"}) is None
    assert stated_name("nai\u0308f", {"na\u00eff": "yes"}) == "yes"
    # A text that is another choice's label is neither's.
    swapped = (Choice("1", "2"), Choice("2", "1"))
    assert parse_label("1", swapped) == "1"


def test_open_answers_without_their_thinking() -> None:
    assert parse_open("<think>Rome?</think>\nParis\nbecause") == "Paris"
    assert parse_open("so \\boxed{Paris}") == "Paris"
    assert parse_open("<think>never ends") == INVALID


@given(st.text(max_size=80))
def test_any_text_gives_a_label_or_nothing(said: str) -> None:
    assert stated_letter(said) in {*"ABCDEFGHIJ", None}
    assert parse_label(said, EMOTIONS) in {*(c.label for c in EMOTIONS), INVALID}


WORDS = st.sampled_from(
    [
        "a",
        "I",
        "dog",
        "the",
        "is",
        "not",
        "or",
        "A",
        "B",
        "C",
        ".",
        ",",
        "?",
        "answer",
        ":",
        "(",
        ")",
        "no",
        "\n",
        "<think>",
        "</think>",
    ]
)


@given(st.lists(WORDS, max_size=12).map(" ".join))
def test_what_is_stated_was_said(said: str) -> None:
    found = parse_label(said, ANIMALS)
    assert found == INVALID or found.lower() in said.lower() or {"A": "cat", "B": "dog", "C": "horse"}[found] in said


@given(st.lists(WORDS, max_size=8).map(" ".join), st.sampled_from("ABC"))
def test_a_last_statement_decides(before: str, letter: str) -> None:
    assert parse_label(f"{before}</think>\nThe answer is ({letter}).", ANIMALS) == letter
