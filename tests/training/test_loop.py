from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from training.features import Example
from training.loop import Stage, batches, held_out, run_stage, schedule

from cascade_equivalence.errors import ModelError
from training import loop


def test_batches_cover_each_epoch_and_do_not_depend_on_how_far_one_came() -> None:
    lengths = [7 * i % 31 for i in range(100)]
    some, more = list(batches(lengths, 8, 13, 3)), list(batches(lengths, 8, 40, 3))
    assert more[:13] == some
    assert sorted(i for batch in some for i in batch) == list(range(100))
    assert list(batches(lengths, 8, 13, 4)) != some


def test_the_schedule_warms_up_and_falls() -> None:
    rates = [schedule(step, 500, 50) for step in range(500)]
    assert rates.index(max(rates)) in (49, 50)
    assert rates[:50] == sorted(rates[:50])
    assert rates[50:] == sorted(rates[50:], reverse=True)
    assert rates[-1] < 0.02


def test_a_sentence_is_held_out_in_all_its_spellings() -> None:
    texts = [f"sentence number {chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(600)]
    share = sum(map(held_out, texts)) / len(texts)
    assert 0.005 < share < 0.05
    assert all(held_out(t) == held_out(f"{t.upper()}!") for t in texts)


def stage(model: nn.Module, steps: int, stop: int | None = None) -> Stage:
    def loss(batch: list[int], step: int) -> tuple[Tensor, dict[str, float]]:
        if step == stop:
            raise KeyboardInterrupt
        x = torch.randn(len(batch), 6) + torch.tensor(batch)[:, None]
        value: Tensor = model(x).square().mean()
        return value, {"loss": float(value.detach())}

    return Stage("toy", model, steps, 1e-2, 4, 0, loss, lambda: {"norm": 1.0}, warm=2, check_every=5)


def model() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5), nn.Linear(6, 1))


def test_a_killed_training_ends_where_an_undisturbed_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_S", -1)
    examples = [Example("t", "v", torch.zeros(i + 1, 2), torch.zeros(1, 3)) for i in range(20)]
    whole, broken, resumed = model(), model(), model()
    curve = run_stage(stage(whole, 15), examples, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run_stage(stage(broken, 15, stop=8), examples, tmp_path / "killed")
    again = run_stage(stage(resumed, 15), examples, tmp_path / "killed")
    for left, right in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(left, right)
    assert [c["step"] for c in again] == [c["step"] for c in curve] == [5, 10, 15]
    # A finished stage is not trained again.
    before = [p.clone() for p in resumed.parameters()]
    run_stage(stage(resumed, 15, stop=0), examples, tmp_path / "killed")
    assert all(torch.equal(a, b) for a, b in zip(before, resumed.parameters(), strict=True))


def test_a_checkpoint_of_another_model_is_named(tmp_path: Path) -> None:
    examples = [Example("t", "v", torch.zeros(4, 2), torch.zeros(1, 3))] * 8
    run_stage(stage(model(), 2), examples, tmp_path)
    with pytest.raises(ModelError, match=r"toy\.checkpoint\.safetensors.*remove it"):
        run_stage(stage(nn.Sequential(nn.Linear(6, 7), nn.Linear(7, 1)), 4), examples, tmp_path)
