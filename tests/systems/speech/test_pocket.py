"""Weights rounded to eight bits."""

import torch

from cascade_equivalence.systems.speech.pocket_checkpoint import pack, unpack


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
