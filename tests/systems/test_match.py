"""Grades of match, on planted cases whose share and distance are computed here with torch alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cascade_equivalence.cli import main
from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems import precision
from cascade_equivalence.systems.match import Match, Weights, match
from cascade_equivalence.systems.precision import rounded
from tests.systems.checkpoints import EMBED, HEAD, Tensors, beneath, llm, lora, saved

Q = "model.layers.0.self_attn.q_proj"
UP = "model.layers.1.mlp.up_proj.weight"


def matched(path: Path, left: Tensors, right: Tensors) -> Match:
    return match(Weights(saved(path / "left", left)), Weights(saved(path / "right", right)))


def distance(left: Tensors, right: Tensors) -> float:
    """By the definition, in double precision over one long vector."""
    a, b = (torch.cat([tensors[name].double().flatten() for name in sorted(left)]) for tensors in (left, right))
    return float((a - b).norm() / ((a.norm() ** 2 + b.norm() ** 2) / 2).sqrt())


def parameters(tensors: Tensors) -> int:
    return sum(tensor.numel() for tensor in tensors.values())


@pytest.mark.parametrize("block", [7, 1 << 20])
def test_sharding_order_and_precision_do_not_matter(
    tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "BLOCK_ELEMENTS", block)
    whole = Weights(saved(tmp_path / "whole", llm()))
    copies = {
        "float32": saved(tmp_path / "shards", llm(), shards=3),
        "bfloat16": saved(tmp_path / "brain", llm(), dtype=torch.bfloat16),
        "float16": saved(tmp_path / "half", llm(), shards=2, dtype=torch.float16),
    }
    for name, copy in copies.items():
        for pair in ((whole, Weights(copy)), (Weights(copy), whole)):
            assert match(*pair) == Match("identical", 1.0, 0.0, name, "")


@pytest.mark.parametrize(("dtype", "kind"), [("BF16", torch.bfloat16), ("F16", torch.float16), ("F64", torch.float64)])
def test_rounding_is_that_of_torch(dtype: str, kind: torch.dtype) -> None:
    bits = np.random.default_rng(0).integers(0, 1 << 32, 200_000, dtype=np.uint32)
    edges = np.array([0, 1 << 31, 0x7F800000, 0xFF800000, 0x7F7FFFFF, 0x3F808000, 0x3F818000, 1], np.uint32)
    values = np.concatenate([bits, edges]).view(np.float32)
    ours = rounded(values.tobytes(), "F32", dtype)[1]
    theirs = torch.from_numpy(values).to(kind).double().numpy()
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(np.signbit(ours[~np.isnan(ours)]), np.signbit(theirs[~np.isnan(theirs)]))


@pytest.mark.parametrize("block", [5, 1 << 20])
def test_one_tensor_changed(tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "BLOCK_ELEMENTS", block)
    left = llm()
    right = left | {UP: left[UP] + 0.01 * torch.arange(64.0).reshape(8, 8)}
    found = matched(tmp_path, left, right)
    assert (found.grade, found.precision) == ("fine-tuned", "float32")
    assert found.equal_share == 1 - 64 / parameters(left)
    assert found.distance == pytest.approx(distance(left, right), rel=1e-12)
    assert UP.removeprefix("model.") in found.note
    first = left | {UP: left[UP].clone()}
    first[UP][0, 0] += 1
    assert match(Weights(tmp_path / "left"), Weights(saved(tmp_path / "first", first))).grade == "fine-tuned"
    back = match(Weights(tmp_path / "right"), Weights(tmp_path / "left"))
    assert (back.grade, back.equal_share, back.distance) == (found.grade, found.equal_share, found.distance)


def test_a_change_below_the_lower_precision_is_none(tmp_path: Path) -> None:
    """And one above it is found, with the distance of the rounded values."""
    left = {name: tensor.to(torch.bfloat16).float() for name, tensor in llm().items()}
    small, large = left | {UP: left[UP] * (1 + 2**-12)}, left | {UP: left[UP] * (1 + 2**-5)}
    low = Weights(saved(tmp_path / "low", left, dtype=torch.bfloat16))
    assert match(low, Weights(saved(tmp_path / "small", small))).grade == "identical"
    assert match(Weights(saved(tmp_path / "left", left)), Weights(tmp_path / "small")).grade == "fine-tuned"
    found = match(low, Weights(saved(tmp_path / "large", large)))
    assert (found.grade, found.precision) == ("fine-tuned", "bfloat16")
    assert found.distance == pytest.approx(distance(left, {n: t.to(torch.bfloat16) for n, t in large.items()}))


def test_unrelated_models_of_one_shape_are_at_the_root_of_two(tmp_path: Path) -> None:
    left, right = llm(seed=1, width=64, rows=256), llm(seed=2, width=64, rows=256)
    for tensors in (left, right):
        del tensors["model.norm.weight"]
    found = matched(tmp_path, left, right)
    assert (found.grade, found.equal_share) == ("fine-tuned", 0.0)
    assert found.distance == pytest.approx(2**0.5, rel=0.02)


def test_other_shapes_and_names(tmp_path: Path) -> None:
    left = llm()
    wide = left | {UP: torch.ones(16, 8)}
    found = matched(tmp_path / "shape", left, wide)
    assert (found.grade, found.distance) == ("different", 0.0)
    assert found.equal_share == pytest.approx((parameters(left) - 64) / (parameters(left) - 64 + 128))
    deep = llm(layers=3)
    found = matched(tmp_path / "name", left, deep)
    assert found.grade == "different"
    assert "layers.2" in found.note
    assert matched(tmp_path / "nothing", {"a": torch.ones(2)}, {"b": torch.ones(2)}) == Match(
        "different", 0.0, None, None, "names or shapes differ: a, b"
    )


def test_what_cannot_be_read_is_opaque(tmp_path: Path) -> None:
    weights = Weights(saved(tmp_path / "a", llm()))
    assert {match(weights, None).grade, match(None, weights).grade, match(None, None).grade} == {"opaque"}
    assert match(weights, None).equal_share is None


def test_a_language_model_inside_a_speech_checkpoint(tmp_path: Path) -> None:
    alone = Weights(saved(tmp_path / "alone", llm()))
    speech = beneath("language_model", llm()) | {"audio_tower.conv.weight": torch.ones(3)}
    inside = saved(tmp_path / "speech", speech, shards=2, dtype=torch.bfloat16)
    for prefix in ("language_model", "language_model."):
        assert match(Weights(inside, prefix), alone).grade == "identical"
    assert match(Weights(inside), alone).grade == "different"
    assert match(Weights(inside, without=("audio_tower",)), Weights(inside, "language_model")).grade == "different"
    with pytest.raises(ModelError, match="no tensors under 'llm'; there are audio_tower, language_model"):
        match(Weights(inside, "llm"), alone)


def test_tied_heads(tmp_path: Path) -> None:
    once = llm()
    twice = once | {HEAD: once[EMBED]}
    head_alone = {HEAD: once[EMBED]} | {name: t for name, t in once.items() if name != EMBED}
    untied = once | {HEAD: once[EMBED] + 1}
    layouts = {"once": once, "twice": twice, "head": head_alone}
    stored = {name: Weights(saved(tmp_path / name, tensors)) for name, tensors in layouts.items()}
    for left in stored.values():
        for right in stored.values():
            assert match(left, right) == Match("identical", 1.0, 0.0, "float32", "")
    apart = Weights(saved(tmp_path / "untied", untied))
    for tied in stored.values():
        found = match(tied, apart)
        assert found.grade == "fine-tuned"
        assert found.equal_share == pytest.approx(parameters(once) / parameters(untied))
        assert found.distance == pytest.approx(distance(twice, untied))
    assert match(apart, apart).grade == "identical"


def test_appended_vocabulary_rows(tmp_path: Path) -> None:
    left = llm()
    left[HEAD] = left[EMBED] + 1
    longer = left | {name: torch.cat([left[name], torch.randn(4, 8)]) for name in (EMBED, HEAD)}
    found = matched(tmp_path / "padded", left, longer)
    assert (found.grade, found.equal_share, found.distance) == ("identical", 1.0, 0.0)
    assert "embed_tokens.weight: 12 rows against 16, the common 12 compared" in found.note
    assert "lm_head.weight" in found.note
    changed = longer | {EMBED: longer[EMBED].clone()}
    changed[EMBED][3] += 1
    found = matched(tmp_path / "changed", changed, left)
    assert found.grade == "fine-tuned"
    assert found.equal_share == 1 - left[EMBED].numel() / parameters(left)
    cut = changed | {name: changed[name][:12] for name in (EMBED, HEAD)}
    assert found.distance == pytest.approx(distance(cut, left))
    inserted = left | {EMBED: torch.cat([torch.randn(1, 8), left[EMBED]])}
    assert matched(tmp_path / "inserted", inserted, left).grade == "fine-tuned"


def test_lora_in_the_checkpoint_as_phi_4_names_it(tmp_path: Path) -> None:
    base = llm()
    wrapped = {n.replace("q_proj.weight", "q_proj.base_layer.weight"): t for n, t in base.items()}
    speech, vision = lora(Q, 1, adapter="speech"), lora(Q, 2, rank=3, adapter="vision")
    tower = {"model.embed_tokens_extend.audio_embed.weight": torch.ones(5)}
    phi = saved(tmp_path / "phi", wrapped | speech | vision | tower, dtype=torch.bfloat16)
    plain = Weights(saved(tmp_path / "plain", base))
    hearing = Weights(phi, without=("model.embed_tokens_extend",), adapter="speech")
    found = match(hearing, plain)
    assert found == Match("LoRA-shifted", 1.0, 0.0, "bfloat16", "left has a LoRA of 2 tensors on top")
    assert match(plain, hearing).grade == "LoRA-shifted"
    assert match(hearing, hearing).grade == "identical"
    seeing = Weights(phi, without=("model.embed_tokens_extend",), adapter="vision")
    assert match(hearing, seeing).grade == "LoRA-shifted"
    with pytest.raises(ModelError, match="no LoRA named 'speach'; there are speech, vision"):
        match(Weights(phi, adapter="speach"), plain)


def test_lora_in_a_directory_of_its_own_as_peft_writes_it(tmp_path: Path) -> None:
    base = saved(tmp_path / "base", llm())
    over = saved(tmp_path / "over", beneath("base_model.model", lora(Q)))
    same = saved(tmp_path / "same", beneath("base_model.model", lora(Q, adapter="default")))
    other = saved(tmp_path / "other", beneath("base_model.model", lora(Q, seed=5)))

    def on(directory: Path) -> Weights:
        return Weights(base, on_top=Weights(directory))

    assert match(on(over), Weights(base)).grade == "LoRA-shifted"
    assert match(on(over), on(same)).grade == "identical"
    assert match(on(over), on(other)).grade == "LoRA-shifted"
    for directory, alpha in ((over, 16), (same, 32)):
        (directory / "adapter_config.json").write_text(json.dumps({"r": 2, "lora_alpha": alpha}))
    assert match(on(over), on(same)).grade == "LoRA-shifted"
    tuned = llm() | {UP: torch.zeros(8, 8)}
    found = match(on(over), Weights(saved(tmp_path / "tuned", tuned)))
    assert found.grade == "fine-tuned"
    assert "LoRA" in found.note
    nothing = saved(tmp_path / "connector", {"multi_modal_projector.linear.weight": torch.ones(2, 2)})
    frozen = Weights(base, on_top=Weights(nothing, "language_model"))
    assert match(frozen, Weights(base)).grade == "identical"
    inside = saved(tmp_path / "inside", beneath("language_model.base_model.model", lora(Q)))
    assert match(Weights(base, on_top=Weights(inside, "language_model")), Weights(base)).grade == "LoRA-shifted"
    with pytest.raises(ModelError, match=r"a LoRA lies on 'language_model.*self_attn\.q_proj', which the model lacks"):
        match(on(inside), Weights(base))


def test_a_lora_of_zeros_shifts_nothing(tmp_path: Path) -> None:
    delta = lora(Q)
    delta[f"{Q}.lora_B.weight"] = torch.zeros(8, 2)
    fresh = Weights(saved(tmp_path / "fresh", llm() | delta))
    found = match(fresh, Weights(saved(tmp_path / "base", llm())))
    assert found.grade == "identical"
    assert found.note == "left has a LoRA on top whose product is zero"


def test_integers_count_by_their_bytes_and_not_in_the_distance(tmp_path: Path) -> None:
    left = llm() | {"model.ids": torch.arange(4)}
    found = matched(tmp_path, left, left | {"model.ids": torch.arange(4) + 1})
    assert (found.grade, found.distance) == ("fine-tuned", 0.0)
    assert found.equal_share == 1 - 4 / parameters(left)
    assert "left out of the distance: ids" in found.note


def test_infinite_entries_are_counted(tmp_path: Path) -> None:
    left, right = llm(), llm()
    right[UP] = right[UP].clone()
    right[UP][0, 0], right[UP][1, 1] = torch.inf, torch.nan
    found = matched(tmp_path, left, right)
    assert (found.grade, found.distance) == ("fine-tuned", 0.0)
    assert "2 entries are infinite" in found.note


def test_broken_checkpoints(tmp_path: Path) -> None:
    whole = Weights(saved(tmp_path / "whole", llm()))
    cut = saved(tmp_path / "cut", llm()) / "model.safetensors"
    cut.write_bytes(cut.read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"cut/model\.safetensors: cut short"):
        match(whole, Weights(cut.parent))
    cut.write_bytes(cut.read_bytes()[:5])
    with pytest.raises(ModelError, match="cut short"):
        match(whole, Weights(cut.parent))
    parts = saved(tmp_path / "parts", llm(), shards=2)
    (parts / "model-00001-of-00002.safetensors").unlink()
    with pytest.raises(ModelError, match=r"model-00001-of-00002\.safetensors: named in .* and missing"):
        match(whole, Weights(parts))
    (parts / "model.safetensors.index.json").write_text('{"weight_map": 3}')
    with pytest.raises(ModelError, match="not an index of shards"):
        match(whole, Weights(parts))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alone, speech = saved(tmp_path / "alone", llm()), saved(tmp_path / "speech", beneath("language_model", llm()))
    order = ["systems", "match", str(speech), str(alone), "--left-prefix", "language_model"]
    assert main(order) == 0
    assert capsys.readouterr().out.startswith("identical: ")
    assert main([*order, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {"grade": "identical", "equal_share": 1.0, "distance": 0.0, "precision": "float32", "note": ""}
    for wrong in (["systems", "match", str(alone)], ["systems", "pocket", "more"], ["systems", "--json"]):
        assert main(wrong) == 2
