"""What stands between the words found and the LLM: its own tokens, and weights rounded to eight bits."""

import pytest
import torch

from cascade_equivalence.systems.backbone import Backbone
from cascade_equivalence.systems.speech.pocket import CtcConnector, PocketConfig
from cascade_equivalence.systems.speech.pocket_checkpoint import pack, unpack
from tests.models import directory
from tests.systems.speech.tiny import CPU


@pytest.fixture(scope="module")
def llm() -> Backbone:
    return Backbone.load("llm", directory("smollm2-135m"), CPU)


def letters(text: str, llm: Backbone) -> list[int]:
    """Every letter a token of its own, the space before a word with its first."""
    parts = list(text.replace(" ", "_"))
    joined = [" " + parts[i] if i and parts[i - 1] == "_" else parts[i] for i in range(len(parts)) if parts[i] != "_"]
    return [llm.encode(part)[0] for part in joined]


@pytest.mark.parametrize("text", [" Nintendo's shares fell, didn't they?", " a b abc", " Kyrgyzstan well-known!", " x"])
def test_a_sentence_spelt_in_letters_reaches_the_llm_as_it_would_write_it(
    text: str, llm: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = CtcConnector(
        PocketConfig("ctc", encoder_width=8, llm_width=576, vocabulary=4, width=8, heads=2, inner=8)
    )
    monkeypatch.setattr(connector, "read", lambda *_: [letters(text, llm), llm.encode(text), []])
    spelt, own, nothing = connector(torch.zeros(3, 1, 32), torch.ones(3, 1, dtype=torch.bool), llm, llm)
    assert torch.equal(spelt, llm.embed(llm.encode(text)))
    assert torch.equal(own, spelt)
    assert nothing.shape == (0, 576)


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
