"""`ceq systems check`: what it finds on whole checkpoints, on a deaf one, and on one whose tensors do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from cascade_equivalence.cli import main
from tests.systems.speech import tiny


def run(capsys: pytest.CaptureFixture[str], *what: str) -> tuple[int, dict[str, tuple[bool | None, str]]]:
    code = main(["systems", "check", *what, "--device", "cpu", "--dtype", "float32", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is (code == 0)
    return code, {f["what"]: (f["ok"], f["said"]) for f in found["findings"]}


def test_a_checkpoint_that_hears(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = run(capsys, str(tiny.write_granite(tmp_path / "granite")))
    assert code == 0, found
    assert found["family"][1].startswith("granite_speech")
    assert "every name and shape fits" in found["layout"][1]
    assert found["match"][1].startswith("LoRA-shifted against itself without its LoRA")
    assert "about" in found["memory"][1]
    assert found["template"] == (None, "no chat template: prompts are plain")
    ok, said = found["hearing"]
    assert ok
    assert "silence moves its label scores by" in said


def test_parts_from_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    llm, encoder = tiny.write_llm(tmp_path / "llm"), tiny.write_whisper(tmp_path / "whisper")
    speech = tiny.write_ultravox(tmp_path / "uv", True, Path("meta-llama/x"), Path("openai/y"))
    code, found = run(capsys, str(speech), "--llm", str(llm), "--encoder", str(encoder))
    assert code == 0, found
    assert found["match"][1].startswith("identical against the LLM it builds on (llm)")
    other = tiny.write_llm(tmp_path / "other", seed=9)
    code, found = run(
        capsys, str(speech), "--llm", str(llm), "--encoder", str(encoder), "--twin", str(other), "--no-listen"
    )
    assert found["match"][1].startswith("fine-tuned against")
    assert "hearing" not in found


def test_what_is_deaf_or_does_not_fit_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    llm, encoder = tiny.write_llm(tmp_path / "llm"), tiny.write_whisper(tmp_path / "whisper")
    deaf = tiny.write_ultravox(tmp_path / "deaf", True, llm, encoder)
    tensors = load_file(deaf / "model.safetensors")
    tensors["multi_modal_projector.linear_2.weight"].zero_()
    save_file(tensors, deaf / "model.safetensors")
    code, found = run(capsys, str(deaf))
    assert code == 1
    assert found["hearing"][0] is False
    assert "deaf to another clip" in found["hearing"][1] or "deaf to silence" in found["hearing"][1]
    del tensors["multi_modal_projector.linear_2.weight"]
    save_file(tensors, deaf / "model.safetensors")
    code, found = run(capsys, str(deaf))
    assert code == 1
    assert found["layout"][0] is False
    assert "missing tensors: linear_2.weight" in found["layout"][1]
    assert found.keys() == {"family", "layout"}
