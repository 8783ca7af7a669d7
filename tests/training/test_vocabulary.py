import pytest
from training.vocabulary import Vocabulary, build_vocabulary, cheapest, chunks

from cascade_equivalence.tasks.sentences import own_sentences
from tests.models import directory


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(directory("smollm2-135m"))
    return build_vocabulary(own_sentences()[:600], tokenizer, 3)


def test_every_sentence_can_be_written_and_reads_back(vocabulary: Vocabulary) -> None:
    strange = "Zbigniew's quokka juggles, doesn't it? Syzygy!"
    for text in [*own_sentences()[600:700], strange]:
        entries = vocabulary.entries(text)
        assert all(1 <= e <= len(vocabulary.tokens) for e in entries)
        assert vocabulary.tokenizer.decode([vocabulary.tokens[e - 1] for e in entries]) == f" {text}"


def test_frequent_words_stay_the_tokens_of_the_llm(vocabulary: Vocabulary) -> None:
    ids = vocabulary.tokenizer(" the", add_special_tokens=False).input_ids
    assert [vocabulary.tokens[e - 1] for e in vocabulary.entries("the")] == ids


def test_rare_words_take_fewer_pieces_than_letters(vocabulary: Vocabulary) -> None:
    rare = [chunk for text in own_sentences()[600:] for chunk in chunks(text) if len(chunk) > 5]
    pieces = sum(len(vocabulary.entries(chunk.strip())) for chunk in rare)
    assert pieces / sum(len(chunk) for chunk in rare) < 0.75


def test_the_cheapest_spelling_is_the_cheapest() -> None:
    costs = {"a": 1.0, "b": 1.0, "ab": 1.5, "ba": 1.9, "aba": 9.0}
    assert cheapest("aba", costs) in (["ab", "a"], ["a", "ba"])
    assert sum(costs[p] for p in cheapest("aba", costs)) == pytest.approx(2.5)
