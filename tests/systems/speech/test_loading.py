"""From directory to speech LLM: what is found, what is refused, and that nothing is executed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from cascade_equivalence.cli import main
from cascade_equivalence.errors import ModelError
from cascade_equivalence.pocket import shipped
from cascade_equivalence.systems.backbone import Backbone, Query
from cascade_equivalence.systems.loading import locate
from cascade_equivalence.systems.speech.encoder import WhisperEncoder
from cascade_equivalence.systems.speech.joint import SETTINGS
from cascade_equivalence.systems.speech.loading import (
    adapter_of,
    encoder_of,
    language_model_of,
    load_speech_llm,
    reading_of,
)
from cascade_equivalence.systems.speech.pocket import CtcConnector
from cascade_equivalence.systems.speech.pocket_checkpoint import unpack
from tests.systems.speech import tiny

CLIPS = tiny.clips()


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("parts")
    return tiny.write_llm(root / "llm"), tiny.write_whisper(root / "whisper")


def pocket(directory: Path, parts: tuple[Path, Path], kind: str = "ctc") -> Path:
    return tiny.write_pocket(directory, kind, *parts)


def edit(directory: Path, **changes: Any) -> None:
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def resave(directory: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    """Change tensors and record the new hash."""
    from cascade_equivalence.hashing import sha256_file

    path = directory / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    edit(directory, sha256={path.name: sha256_file(path)})


def test_a_pocket_model_is_what_was_saved(parts: tuple[Path, Path], tmp_path: Path) -> None:
    for kind in ("ctc", "frames"):
        directory = pocket(tmp_path / kind, parts, kind)
        llm, encoder = Backbone.load("llm", parts[0], tiny.CPU), WhisperEncoder("w", parts[1], tiny.CPU)
        speech = load_speech_llm(kind, directory, tiny.CPU, llm, encoder)
        saved = load_file(directory / "model.safetensors")
        assert all(t.dtype in (torch.float16, torch.int32) for t in saved.values())
        loaded = speech.module("connector").state_dict()
        assert loaded.keys() == saved.keys()
        assert all(torch.equal(loaded[name], saved[name].to(loaded[name].dtype)) for name in saved)
        assert {t.dtype for t in loaded.values()} <= {torch.float32, torch.int32}
        assert speech.backbone is speech.matched is llm


def test_parts_are_found_by_path_and_named_by_id(parts: tuple[Path, Path], tmp_path: Path) -> None:
    directory = pocket(tmp_path / "p", parts)
    assert adapter_of(directory).family == "pocket"
    assert (language_model_of(directory), encoder_of(directory)) == (parts[0].resolve(), parts[1].resolve())
    assert len(load_speech_llm("p", directory, tiny.CPU).hear(CLIPS[:1])) == 1
    edit(directory, llm="smollm2-135m")
    assert language_model_of(directory) == "smollm2-135m"
    with pytest.raises(ModelError, match=r"builds on LLM 'smollm2-135m', which is not a local directory.*llm="):
        load_speech_llm("p", directory, tiny.CPU)


def test_nothing_heard_is_an_empty_place_in_the_prompt(parts: tuple[Path, Path], tmp_path: Path) -> None:
    directory = pocket(tmp_path / "p", parts)
    resave(directory, lambda t: t["head.bias"].__setitem__(0, 1000.0))
    speech = load_speech_llm("p", directory, tiny.CPU)
    heard = speech.hear(CLIPS)
    assert [tuple(h.shape) for h in heard] == [(0, tiny.WIDTH)] * 3
    llm = speech.backbone
    before, after = llm.encode("Text:"), llm.encode("\nTopic:")
    other = llm.embed(llm.encode(" a draw"))
    labels = (tuple(llm.encode(" World")), tuple(llm.encode(" Sports")))
    queries = [Query(torch.cat([h, llm.embed(after)]), labels) for h in (heard[0], other)]
    alone = llm.score(before + after[:-1], [Query(llm.embed(after[-1:]), labels)])[0]
    assert np.allclose(llm.score(before, queries)[0], alone, atol=1e-4)
    whole = before + after
    bare = llm.score(whole, [Query(heard[0], labels), Query(other, labels)])
    assert np.allclose(bare[0], alone, atol=1e-4)
    assert np.allclose(bare[1], llm.score(whole, [Query(other, labels)])[0], atol=1e-4)
    assert llm.generate(before, [q.states for q in queries], 5, None)[0] == llm.generate(whole, [heard[0]], 5, None)[0]
    with pytest.raises(ModelError, match="a prompt is empty"):
        llm.score([], [Query(heard[0], labels)])


def test_changed_weights_are_not_loaded(parts: tuple[Path, Path], tmp_path: Path) -> None:
    directory = pocket(tmp_path / "p", parts)
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(ModelError, match=r"model\.safetensors: sha256 differs"):
        load_speech_llm("p", directory, tiny.CPU)
    edit(directory, sha256={})
    with pytest.raises(ModelError, match=r"no sha256 of model\.safetensors"):
        load_speech_llm("p", directory, tiny.CPU)
    path.unlink()
    edit(directory, sha256={"model.safetensors": "0" * 64})
    with pytest.raises(ModelError, match=r"model\.safetensors: missing"):
        load_speech_llm("p", directory, tiny.CPU)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("head.bias"), r"missing tensors: head\.bias"),
        (lambda t: t.__setitem__("extra", torch.zeros(1)), "unexpected tensors: extra"),
        (lambda t: t.__setitem__("head.bias", torch.zeros(7)), r"head\.bias is \(7,\), not \(41,\)"),
        (lambda t: t.__setitem__("tokens", t["tokens"] + 5000), "speaks of token 5069, but LLM 'p' has"),
    ],
)
def test_tensors_that_do_not_fit(
    change: Callable[[dict[str, torch.Tensor]], None], message: str, parts: tuple[Path, Path], tmp_path: Path
) -> None:
    directory = pocket(tmp_path / "p", parts)
    resave(directory, change)
    with pytest.raises(ModelError, match=message):
        load_speech_llm("p", directory, tiny.CPU)


@pytest.mark.parametrize(
    ("connector", "message"),
    [
        ({"llm_width": 64}, r"made for an LLM of width 64.*has 32"),
        ({"encoder_width": 16}, r"shapes that do not fit|width 16"),
        ({"kind": "other"}, "connector kind 'other' is not one of ctc, frames"),
        ({"colour": 1}, "'connector' is not what it should be"),
    ],
)
def test_sizes_that_do_not_fit(
    connector: dict[str, Any], message: str, parts: tuple[Path, Path], tmp_path: Path
) -> None:
    directory = pocket(tmp_path / "p", parts)
    sizes = json.loads((directory / "config.json").read_text())["connector"]
    edit(directory, connector=sizes | connector)
    with pytest.raises(ModelError, match=message):
        load_speech_llm("p", directory, tiny.CPU)


def test_unknown_families_and_files(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json cannot be read"):
        load_speech_llm("x", tmp_path, tiny.CPU)
    for config, message in (
        ({"model_type": "salmonn"}, "'salmonn' is not a family of speech LLMs known here"),
        ({"model_type": "phi4mm"}, "refs/pr/70"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(config))
        with pytest.raises(ModelError, match=message):
            load_speech_llm("x", tmp_path, tiny.CPU)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(ModelError, match="does not hold a JSON object"):
        load_speech_llm("x", tmp_path, tiny.CPU)


@pytest.mark.parametrize("family", ["ultravox", "qwen2-audio", "phi4-multimodal"])
def test_pickles_are_refused_and_foreign_code_is_not_run(family: str, parts: tuple[Path, Path], tmp_path: Path) -> None:
    directory, trace = tmp_path / family, tmp_path / "executed"
    if family == "ultravox":
        tiny.write_ultravox(directory, True, *parts)
    elif family == "qwen2-audio":
        tiny.write_qwen2_audio(directory)
    else:
        tiny.write_phi4(directory)
    (directory / "foreign.py").write_text(f"open({str(trace)!r}, 'w').close()\nclass Model: pass\n")
    edit(directory, auto_map={"AutoModel": "foreign.Model", "AutoConfig": "foreign.Model"})
    load_speech_llm("x", directory, tiny.CPU)
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pytorch_model\.bin: a pickle"):
        load_speech_llm("x", directory, tiny.CPU)
    (directory / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}")
    with pytest.raises(ModelError):
        load_speech_llm("x", directory, tiny.CPU)
    assert not trace.exists()


@pytest.mark.parametrize("family", ["qwen2-audio", "phi4-multimodal"])
def test_every_tensor_of_a_class_is_accounted_for(family: str, tmp_path: Path) -> None:
    directory = tmp_path / family
    (tiny.write_qwen2_audio if family == "qwen2-audio" else tiny.write_phi4)(directory)
    path = directory / "model.safetensors"
    tensors = load_file(path)
    name = next(key for key in tensors if key.endswith("layers.1.mlp.down_proj.weight"))
    for changed, message in (
        ({k: v for k, v in tensors.items() if k != name}, "missing tensors"),
        (tensors | {"stray.weight": torch.zeros(2)}, r"unexpected tensors: stray\.weight"),
        (tensors | {name: torch.zeros(3, 3)}, r"down_proj\.weight is \(3, 3\), not \(32, 64\)"),
    ):
        save_file(changed, path, {"format": "pt"})
        with pytest.raises(ModelError, match=message):
            load_speech_llm("x", directory, tiny.CPU)


def test_whole_checkpoints_share_nothing(parts: tuple[Path, Path], tmp_path: Path) -> None:
    directory = tiny.write_qwen2_audio(tmp_path / "q")
    with pytest.raises(ModelError, match="inside this checkpoint"):
        load_speech_llm("q", directory, tiny.CPU, Backbone.load("llm", parts[0], tiny.CPU))


def test_shipped_models_are_located_and_verified(
    parts: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shipped, "WEIGHTS", tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(ModelError, match="install the package again"):
        locate("pocket-ctc", print)
    for kind in ("ctc", "frames"):
        pocket(tmp_path / f"pocket-{kind}", parts, kind)
        assert locate(f"pocket-{kind}", print) == tmp_path / f"pocket-{kind}"
    assert main(["models", "list"]) == 0
    listed = capsys.readouterr().out
    assert "pocket-ctc" in listed
    assert "shipped" in listed
    assert main(["models", "verify", "pocket-ctc", "pocket-frames"]) == 0
    assert "pocket-frames: every file as recorded" in capsys.readouterr().out
    assert main(["models", "pull", "pocket-ctc"]) == 0
    assert "nothing to fetch" in capsys.readouterr().out
    weights = tmp_path / "pocket-ctc" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    assert main(["models", "verify", "pocket-ctc"]) == 1
    assert "sha256 differs" in capsys.readouterr().err


def test_a_connector_is_read_back_as_the_same_function(parts: tuple[Path, Path], tmp_path: Path) -> None:
    """What is loaded computes what the saved one, as it was rounded, computes."""
    speech = load_speech_llm("p", pocket(tmp_path / "p", parts), tiny.CPU)
    connector = speech.module("connector")
    assert isinstance(connector, CtcConnector)
    again = CtcConnector(connector.config)
    again.load_state_dict(unpack(load_file(tmp_path / "p/model.safetensors")))
    frames, there = torch.randn(1, 9, 128), torch.ones(1, 9, dtype=torch.bool)
    with torch.inference_mode():
        assert torch.equal(again.eval().logits(frames, there), connector.logits(frames, there))


def test_how_words_are_found_is_part_of_what_a_checkpoint_is(parts: tuple[Path, Path], tmp_path: Path) -> None:
    assert reading_of(pocket(tmp_path / "ctc", parts)) == {"reading": SETTINGS}
    assert reading_of(pocket(tmp_path / "frames", parts, "frames")) == {}
    assert reading_of(parts[0]) == {}


def test_a_copy_in_another_precision_leaves_the_first_as_it_is(parts: tuple[Path, Path]) -> None:
    llm = Backbone.load("llm", parts[0], tiny.CPU)
    copy = llm.at(torch.bfloat16)
    assert llm.at(torch.float32) is llm
    assert (llm.model.dtype, copy.model.dtype) == (torch.float32, torch.bfloat16)
    assert torch.equal(llm.embed([40, 41]).bfloat16(), copy.embed([40, 41]))
