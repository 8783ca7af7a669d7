"""Cleaning, checked on the raw text of real items: nothing that a voice would read out as a symbol, nothing lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cascade_equivalence.public import text
from tests.public.published import items, raw_news


def letters(value: str) -> str:
    return re.sub(r"[\W_]+", "", value).lower()


def test_news_has_no_markup_and_no_agency(shared_data: Path) -> None:
    raw = [raw_news(item) for item in items(shared_data, "ag_news")]
    assert len(raw) > 3000
    for story in raw:
        clean = text.news(story)
        assert text.news(clean) == clean
        assert not re.search(r"[<>\\&]\w*;|#\d+;|\b(?:quot|amp|lt|gt);|<|>|\\|HREF|https?:", clean), clean
        assert not re.search(r"\((?:AP|Reuters|AFP|Canadian Press)\)|(?:^|\. )(?:AP|Reuters|AFP) -", clean), clean
        assert not re.search(r"Quote, Profile|\s[,;!?](?:\s|$)|\s\s|\(\s|\s\)|\.\s\.(?!\.)", clean), clean


def test_news_keeps_its_words(shared_data: Path) -> None:
    """Of a story without tags, links and entities every letter is kept."""
    plain = [
        raw_news(i)
        for i in items(shared_data, "ag_news")
        if not re.search(r"[&#;()*=_<]|UPDATE|By [A-Z]{2}", raw_news(i))
    ]
    plain = [story for story in plain if not re.search(r"\b(?:AP|AFP|Reuters)\b|https?:", story)]
    assert len(plain) > 1000
    for story in plain:
        assert letters(text.news(story)) == letters(story)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        (r"Sought  #36;50M, Aides Say (AP) AP - It wasn #39;t \$3.", "Sought $50M, Aides Say. It wasn't $3."),
        ("In  quot;helping themselves, quot; they", 'In "helping themselves," they'),
        (
            'Deal  NEW YORK (Reuters) - Monsanto Co. &lt;A HREF="http://x.y/z?t=MON.N"&gt;MON.N&lt;/A&gt; said',
            "Deal NEW YORK. Monsanto Co. said",
        ),
        ("Johnson  amp; Johnson (JNJ.N: Quote, Profile, Research) , the", "Johnson & Johnson, the"),
        ("worries\\about the\\summer", "worries about the summer"),
    ],
)  # fmt: skip
def test_news_line_by_line(raw: str, clean: str) -> None:
    assert text.news(raw) == clean


def test_reviews_are_joined_as_written(shared_data: Path) -> None:
    """Against the independent joining in the data folder, which leaves single quotation marks apart."""
    real = items(shared_data, "sst2")
    differ = 0
    for item in real:
        raw = item["meta"]["raw_text"]
        clean = text.detokenised(raw)
        assert text.detokenised(clean) == clean
        assert not re.search(r" (?:n't|'s|'re|'ve|'ll|'d|'m)\b| [,.;:!?](?:\s|$)|``|''|-[lr]rb-|`", clean), clean
        assert letters(clean) == letters(raw)
        differ += clean != item["text"] and not re.search(r" [`'] |^` | '$| can not ", item["text"])
    assert len(real) > 1000 and differ <= 2


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("-lrb- it 's n't ... -rrb- costs $ 10 , is n't 50 % off ? ", "(it'sn't...) costs $10, isn't 50% off?"),
        (
            "clones ' last `` 45 '' minutes : gon na be rock 'n' roll",
            "clones' last \"45\" minutes: gonna be rock 'n' roll",
        ),
        ("a shoot 'em up , ` tis and\\/or not", "a shoot 'em up, 'tis and/or not"),
    ],
)
def test_reviews_line_by_line(raw: str, clean: str) -> None:
    assert text.detokenised(raw) == clean


@pytest.mark.parametrize("name", ["meld", "mustard"])
def test_lines_of_scripts(shared_data: Path, name: str) -> None:
    real = items(shared_data, name)
    assert len(real) > 300
    same = 0
    for item in real:
        clean = text.line(item["meta"]["raw_text"])
        assert text.line(clean) == clean
        assert not re.search(r"[\x80-\x9f‘’“”—–…|\[\]]|\s\s| [,.;:!?](?:\s|$)|Õ", clean), clean
        same += letters(clean) == letters(item["text"])
    assert same >= 0.99 * len(real)


def test_broken_encodings_are_repaired() -> None:
    assert text.line("It\x92s \x93fine\x94") == 'It\'s "fine"'
    assert text.line("Iâ€™m donÕt") == "I'm don't"
    assert text.line("(Laughs)") == "(Laughs)"
    assert text.line("Okay. (Goes over to the couch.") == "Okay."


def test_questions_are_asked_as_they_are(shared_data: Path) -> None:
    for name, key in (("triviaqa", "raw_question"), ("commonsenseqa", None)):
        for item in items(shared_data, name):
            raw = item["meta"][key] if key else item["question"]
            clean = text.question(raw)
            assert text.question(clean) == clean
            assert letters(clean) == letters(raw)
            assert '""' not in clean and not re.search(r" [?,](?:\s|$)|\s\s|`", clean), clean
