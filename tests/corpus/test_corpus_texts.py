"""The items' texts: sizes, balance, overlap, and that no word gives a label away."""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict

import pytest
from scipy.stats import binom

from cascade_equivalence.tasks.manifest import read_manifest
from tests.corpus.corpus_rows import CORPUS, LABELLED, TASKS, content, rows, words

TEST_SIZE = {"topic": 240, "sentiment": 240}


@pytest.mark.parametrize("task", TASKS)
def test_sizes(task: str) -> None:
    splits = Counter(row["split"] for row in rows(task))
    assert splits["test"] == TEST_SIZE.get(task, 120)
    assert splits["dev"] >= 40
    assert set(splits) == {"test", "dev"}


@pytest.mark.parametrize("task", [*TASKS, "rendering", "retest", "babble"])
def test_the_manifest_door_accepts_it(task: str) -> None:
    items = read_manifest(CORPUS / f"{task}.jsonl")
    assert all(item.audio is not None and item.audio.is_file() for item in items)


@pytest.mark.parametrize("task", LABELLED)
def test_labels_are_balanced(task: str) -> None:
    for split in ("test", "dev"):
        counts = Counter(row["label"] for row in rows(task) if row["split"] == split)
        assert len(counts) == LABELLED[task]
        assert max(counts.values()) - min(counts.values()) <= 1


def test_commonsense_answers_are_balanced_over_the_five_places() -> None:
    for split in ("test", "dev"):
        chosen = [row for row in rows("commonsense") if row["split"] == split]
        assert set(Counter(row["label"] for row in chosen).values()) == {len(chosen) // 5}
        assert all(len({c["text"] for c in row["choices"]}) == 5 for row in chosen)


def test_the_longest_commonsense_option_is_not_the_answer() -> None:
    longest = 0.0
    for row in rows("commonsense"):
        sizes = {c["label"]: len(c["text"]) for c in row["choices"]}
        ties = [label for label, size in sizes.items() if size == max(sizes.values())]
        longest += (row["label"] in ties) / len(ties)
    assert binom.sf(longest - 1, len(rows("commonsense")), 0.2) > 0.01


def test_trivia_answers_are_not_in_the_question() -> None:
    for row in rows("trivia"):
        assert isinstance(row["label"], list)
        assert f" {row['label'][0].lower()} " not in f" {' '.join(words(row['text']))} ", row["id"]


@pytest.mark.parametrize("task", ["emotion", "sarcasm"])
def test_labels_made_from_words_are_marked(task: str) -> None:
    assert all(row["meta"]["labelled_by"] == "words" for row in rows(task))


@pytest.mark.parametrize("task", TASKS)
def test_texts_are_plain_and_of_spoken_length(task: str) -> None:
    for row in rows(task):
        assert 5 <= len(words(row["text"])) <= 25, row["id"]
        assert re.fullmatch(r"[A-Za-z ,.!?'’-]+", row["text"]), row["id"]


def test_no_two_items_share_much() -> None:
    """Within and between tasks, within and between splits: at most a third of the content words in common, or
    two words where an item is short; and no text, and no run of six words, occurs twice."""
    spoken = [(row["id"], row["text"]) for task in TASKS for row in rows(task)]
    assert len({" ".join(words(text)) for _, text in spoken}) == len(spoken)
    runs: dict[tuple[str, ...], str] = {}
    for name, text in spoken:
        found = words(text)
        for start in range(len(found) - 5):
            run = tuple(found[start : start + 6])
            assert runs.setdefault(run, name) == name, (run, runs[run], name)
    bags = [(name, content(text)) for name, text in spoken]
    for (left, a), (right, b) in itertools.combinations(bags, 2):
        common = a & b
        assert len(common) <= max(2, len(a | b) / 3), (left, right, common)


def test_dev_and_test_share_no_more_than_items_do() -> None:
    """Mean Jaccard overlap of content words across the splits is not above the one within the test items."""
    for task in TASKS:
        bags = [(row["split"], content(row["text"])) for row in rows(task)]
        within, across = [], []
        for (one, a), (other, b) in itertools.combinations(bags, 2):
            overlap = len(a & b) / max(1, len(a | b))
            if one != other:
                across.append(overlap)
            elif one == "test":
                within.append(overlap)
        assert sum(across) / len(across) <= 1.5 * sum(within) / len(within), task
        assert max(across) <= 1 / 3


@pytest.mark.parametrize("task", LABELLED)
def test_no_single_word_gives_a_label_away(task: str) -> None:
    """Each word against each label, one-sided binomial, Bonferroni over all of them at 5 %."""
    labels = Counter(row["label"] for row in rows(task))
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows(task):
        for word in set(words(row["text"])):
            seen[word][row["label"]] += 1
    tests = len(seen) * len(labels)
    for word, counts in seen.items():
        for label, size in labels.items():
            p = binom.sf(counts[label] - 1, counts.total(), size / labels.total())
            assert p * tests > 0.05, (word, label, dict(counts))


@pytest.mark.parametrize("task", LABELLED)
def test_length_does_not_give_the_label_away(task: str) -> None:
    """The mean number of words differs between labels by at most three and a half (surprise is short)."""
    sizes: dict[str, list[int]] = defaultdict(list)
    for row in rows(task):
        sizes[row["label"]].append(len(words(row["text"])))
    means = [sum(found) / len(found) for found in sizes.values()]
    assert max(means) - min(means) <= (3.5 if task == "emotion" else 1.5)


def test_same_words_different_sound() -> None:
    found = rows("rendering")
    assert sum(row["split"] == "test" for row in found) >= 320
    assert len({row["text"] for row in found if row["split"] == "test"}) >= 8
    for split in ("test", "dev"):
        cells: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for row in found:
            if row["split"] == split:
                cells[row["text"], row["speaker"]][row["label"]] += 1
        # Every sentence in every voice occurs once under each label: neither can tell them apart.
        assert all(set(counts) == set(found[0]["choices"]) for counts in cells.values())
        assert all(set(counts.values()) == {1} for counts in cells.values())
    sentences = {(row["group"], row["text"]) for row in found}
    assert len(sentences) == len({group for group, _ in sentences}) == len({text for _, text in sentences})


def test_babble_texts_are_not_the_items() -> None:
    def runs(text: str) -> set[tuple[str, ...]]:
        found = words(text)
        return {tuple(found[start : start + 6]) for start in range(len(found) - 5)}

    babble = set().union(*(runs(row["text"]) for row in rows("babble")))
    spoken = set().union(*(runs(row["text"]) for task in [*TASKS, "rendering"] for row in rows(task)))
    assert not babble & spoken
