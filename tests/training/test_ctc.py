from pathlib import Path

import numpy as np
import pytest
import torch
from training.alignment import align
from training.ctc import SPAN, SPANS, mask_spans, positions_needed, shift, train_ctc
from training.features import Example
from training.loop import held_out

from cascade_equivalence.systems.speech.checkpoint import fill, read_tensors
from cascade_equivalence.systems.speech.pocket import STACK, CtcConnector, pad
from cascade_equivalence.systems.speech.pocket_checkpoint import unpack
from cascade_equivalence.tasks.sentences import own_sentences
from tests.models import directory


@pytest.mark.parametrize("target", [[1], [1, 2, 3], [2, 2], [1, 1, 1, 2], [3, 1, 1, 3, 3]])
def test_a_target_fits_into_the_positions_it_needs_and_not_into_fewer(target: list[int]) -> None:
    needed = positions_needed(target)
    logprobs = np.log(np.full((needed, 4), 0.25, np.float32))
    assert len(align(logprobs, target)) == len(target)
    with pytest.raises(ValueError, match="do not fit"):
        align(logprobs[1:], target)


def test_masks_are_short_and_change_nothing_else() -> None:
    torch.manual_seed(0)
    frames, there = torch.randn(64, 50, 3), torch.ones(64, 50, dtype=torch.bool)
    masked = mask_spans(frames, there)
    gone = (masked == 0).all(-1)
    assert torch.equal(masked[~gone], frames[~gone])
    assert 0 < int(gone.sum(1).max()) <= SPANS * SPAN


def test_a_shift_leaves_out_less_than_a_position() -> None:
    torch.manual_seed(0)
    states = [torch.arange(20.0)[:, None]] * 100
    dropped = {20 - len(s) for s in shift(states)}
    assert dropped == set(range(STACK))
    assert all(s[-1] == 19 for s in shift(states))


def test_a_training_ends_in_a_connector_that_reads_back_alike_and_is_taken_as_it_is(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(directory("smollm2-135m"))
    torch.manual_seed(0)
    texts = own_sentences()[:150]
    assert any(map(held_out, texts))
    examples = [Example(text, "flite:slt", torch.randn(160, 16).bfloat16(), torch.zeros(40, 3)) for text in texts]

    def train() -> CtcConnector:
        return train_ctc(examples, tokenizer, 24, lambda rows: torch.randn(len(rows), 400), 2, 2, 0, tmp_path)

    trained = train()
    shipped = CtcConnector(trained.config).eval()
    fill(shipped, unpack(read_tensors([tmp_path / "pocket-ctc" / "model.safetensors"])), "what was shipped")
    frames, there = pad([e.states.float() for e in examples[:4]])
    with torch.inference_mode():
        wanted, found = trained.logits(frames, there), shipped.logits(frames, there)
    assert torch.equal(shipped.tokens, trained.tokens)
    assert float((found - wanted).norm() / wanted.norm()) < 0.02
    again = train()
    assert all(torch.equal(a, b) for a, b in zip(trained.parameters(), again.parameters(), strict=True))
