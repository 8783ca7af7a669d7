"""What stands between the posteriors and the LLM: words in its own tokens, and weights rounded to eight bits."""

import pytest
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from cascade_equivalence.systems.speech.pocket import respelt
from cascade_equivalence.systems.speech.pocket_checkpoint import pack, unpack
from tests.models import directory


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    loaded: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(directory("smollm2-135m"))
    return loaded


def letters(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Every letter a token of its own, the space before a word with its first."""
    parts = list(text.replace(" ", "_"))
    joined = [" " + parts[i] if i and parts[i - 1] == "_" else parts[i] for i in range(len(parts)) if parts[i] != "_"]
    return [tokenizer(part, add_special_tokens=False).input_ids[0] for part in joined]


@pytest.mark.parametrize("text", [" Nintendo's shares fell, didn't they?", " a b abc", " Kyrgyzstan well-known!", " x"])
def test_a_sentence_spelt_in_letters_is_written_as_the_llm_would(text: str, tokenizer: PreTrainedTokenizerBase) -> None:
    spelt = letters(text, tokenizer)
    found = respelt(spelt, tokenizer)
    assert [place for start, end, _ in found for place in range(start, end)] == list(range(len(spelt)))
    written = [token for _, _, own in found for token in own]
    assert tokenizer.decode(written) == text
    words = [token for word in text.split() for token in tokenizer(" " + word, add_special_tokens=False).input_ids]
    assert len(written) <= len(words) + text.count("'")


def test_what_the_llm_would_write_stays(tokenizer: PreTrainedTokenizerBase) -> None:
    own = tokenizer(" Shares of Nintendo fell sharply.", add_special_tokens=False).input_ids
    assert [token for _, _, tokens in respelt(own, tokenizer) for token in tokens] == own
    assert respelt([], tokenizer) == []


def test_packing_rounds_by_half_a_step_at_most() -> None:
    torch.manual_seed(0)
    tensors = {
        "matrix": torch.randn(300, 400) * torch.logspace(-6, 2, 300)[:, None],
        "zeros": torch.zeros(256, 256),
        "small": torch.randn(8, 8),
        "tokens": torch.arange(70000, dtype=torch.int32),
    }
    packed = pack(tensors)
    assert packed["matrix"].dtype == torch.int8
    read = unpack(packed)
    assert read.keys() == tensors.keys()
    steps = tensors["matrix"].abs().amax(1, keepdim=True).clamp_min(1e-8) / 127
    assert bool(((read["matrix"] - tensors["matrix"]).abs() <= 0.501 * steps).all())
    assert torch.equal(read["zeros"], tensors["zeros"])
    assert torch.equal(read["tokens"], tensors["tokens"])
    torch.testing.assert_close(read["small"].float(), tensors["small"], rtol=1e-3, atol=1e-3)
    assert set(unpack({"lost.scale": torch.ones(3)})) == {"lost.scale"}
