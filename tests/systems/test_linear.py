"""Linear layers by oneDNN give torch's own values, and step aside where they cannot."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from cascade_equivalence.systems.linear import OneDnnLinear, by_onednn, product


@pytest.mark.parametrize("shape", [(1, 24), (8, 24), (3, 7, 24), (2, 3, 5, 24), (0, 24)])
@pytest.mark.parametrize("bias", [True, False])
def test_values_are_those_of_torch(shape: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(0)
    plain = nn.Linear(24, 40, bias=bias)
    ours = copy.deepcopy(plain)
    by_onednn(ours)
    given = torch.randn(shape)
    with torch.inference_mode():
        assert torch.allclose(ours(given), plain(given), atol=1e-5)
        # A view with other strides, as attention makes them.
        turned = given.transpose(0, -2).clone().transpose(0, -2) if given.dim() > 2 else given
        assert torch.allclose(ours(turned), plain(turned), atol=1e-5)


def test_only_plain_layers_are_changed_and_parameters_stay() -> None:
    class Own(nn.Linear):
        pass

    model = nn.Sequential(nn.Linear(8, 8), Own(8, 8), nn.LayerNorm(8))
    before = model.state_dict()
    by_onednn(model)
    assert [type(module) for module in model] == [OneDnnLinear, Own, nn.LayerNorm]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert model[0].weight.data_ptr() == before["0.weight"].data_ptr()


def test_gradients_and_other_precisions_take_the_usual_way() -> None:
    layer = nn.Linear(8, 8)
    by_onednn(layer)
    layer(torch.randn(16, 8)).sum().backward()
    assert layer.weight.grad is not None
    half = copy.deepcopy(layer).bfloat16()
    with torch.inference_mode():
        assert half(torch.randn(16, 8, dtype=torch.bfloat16)).dtype == torch.bfloat16


@pytest.mark.parametrize("shape", [(576, 192), (64, 96), (192, 576)])
def test_the_number_of_threads_changes_no_bit(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    width, out = shape
    weight, before = torch.randn(out, width), torch.get_num_threads()
    try:
        with torch.inference_mode():
            for rows in range(1, 41):
                given = torch.randn(rows, width)
                torch.set_num_threads(1)
                alone = product(given, weight)
                for threads in (2, 3, 8):
                    torch.set_num_threads(threads)
                    assert torch.equal(product(given, weight), alone), (rows, threads)
    finally:
        torch.set_num_threads(before)
