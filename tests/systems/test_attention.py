"""Attention in blocks: the exact value up to bfloat16, and torch's own wherever there is a mask."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention as exact

from cascade_equivalence.systems.attention import attend, block
from cascade_equivalence.systems.loading import Placement
from cascade_equivalence.systems.whisper import Whisper
from tests.models import directory
from tests.systems.remote.questions import tone


@pytest.mark.parametrize("queries", [1, 7, 40, 41])
def test_values_are_exact_up_to_bfloat16(queries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    query = torch.randn(2, 3, queries, 16).bfloat16()
    key, value = (torch.randn(2, 3, 300, 16).bfloat16() for _ in range(2))
    monkeypatch.setattr("cascade_equivalence.systems.attention.SCORES", 3 * 300 * 40)
    assert block(key) == 40
    with torch.inference_mode():
        found = attend(query, key, value, 0.25)
        wanted = exact(query.double(), key.double(), value.double(), scale=0.25)
        torchs = exact(query, key, value, scale=0.25)
    error, usual = (found.double() - wanted).abs().mean(), (torchs.double() - wanted).abs().mean()
    assert error < 3 * usual


def test_states_of_an_encoder_are_those_of_torchs_attention() -> None:
    asr = Whisper("asr", directory("whisper-tiny.en"), Placement("cpu", "bfloat16", 8), "short")
    samples = [tone(2.0).samples]
    with torch.inference_mode():
        ours = asr.encode(samples, 8 * 16_000).float()
        asr._model.set_attn_implementation("sdpa")
        theirs = asr.encode(samples, 8 * 16_000).float()
    assert (ours - theirs).norm() < 0.02 * theirs.norm()
