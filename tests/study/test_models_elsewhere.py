"""`models:` of a study: revisions, and the parts of a speech LLM taken from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cascade_equivalence.errors import ModelError, UsageError
from cascade_equivalence.run.plan import Plan
from cascade_equivalence.study.build import build_plan
from cascade_equivalence.study.spec import Study
from tests.systems.speech import tiny


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    root = tmp_path_factory.mktemp("parts")
    speech = tiny.write_ultravox(root / "uv", True, Path("meta-llama/Meta-Llama-9"), Path("openai/whisper-9"))
    return speech, tiny.write_llm(root / "llm"), tiny.write_whisper(root / "whisper")


def plan(models: dict[str, Any], said: list[str]) -> Plan:
    arms: dict[str, Any] = {"uv": {"speech_llm": "uv"}, "gold": {"transcript": "gold", "llm": "llm"}}
    raw = {"tasks": ["topic"], "limit": 3, "models": models, "arms": arms, "device": "cpu", "dtype": "float32"}
    return build_plan(Study.model_validate(raw), Path(), said.append)


def test_llm_and_encoder_from_elsewhere(parts: tuple[Path, Path, Path]) -> None:
    speech, llm, encoder = parts
    said: list[str] = []
    found = plan({"llm": {"id": str(llm)}, "uv": {"id": str(speech), "llm": "llm", "encoder": str(encoder)}}, said)
    (arm,) = [arm for arm in found.arms if arm.name == "uv"]
    assert arm.llm == "llm"
    assert any("its llm from" in line and "instead of 'meta-llama/Meta-Llama-9'" in line for line in said)
    assert any("its encoder from" in line and "instead of 'openai/whisper-9'" in line for line in said)


def test_keys_that_do_not_apply(parts: tuple[Path, Path, Path], tmp_path: Path) -> None:
    _, llm, _ = parts
    qwen = tiny.write_qwen2_audio(tmp_path / "q")
    with pytest.raises(UsageError, match=r"models\.uv\.llm: 'uv' brings its own llm; leave the key out"):
        plan({"llm": {"id": str(llm)}, "uv": {"id": str(qwen), "llm": "llm"}}, [])
    with pytest.raises(ModelError, match=r"is no hub id and has no revision 'main'"):
        plan({"llm": {"id": str(llm), "revision": "main"}, "uv": {"id": str(qwen)}}, [])


def test_tensors_that_do_not_fit_end_the_plan(parts: tuple[Path, Path, Path], tmp_path: Path) -> None:
    """Before the LLM that it builds on is looked for."""
    _, llm, _ = parts
    speech = tiny.write_ultravox(tmp_path / "uv", True, Path("meta-llama/x"), Path("openai/y"), hidden_size=64)
    with pytest.raises(ModelError, match=r"multi_modal_projector: shapes that do not fit.*linear_1\.weight"):
        plan({"llm": {"id": str(llm)}, "uv": {"id": str(speech)}}, [])
