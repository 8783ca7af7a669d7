"""Speech LLMs whose language model lies in their own checkpoint, through a whole run."""

from __future__ import annotations

from pathlib import Path

import pytest

from cascade_equivalence.run.execute import execute
from cascade_equivalence.run.progress import Silent
from cascade_equivalence.run.run import open_run
from cascade_equivalence.study.build import build_plan
from cascade_equivalence.study.record import record
from cascade_equivalence.study.results import analyse
from cascade_equivalence.study.spec import Study
from tests.systems.speech.tiny import write_phi4, write_qwen2_audio


@pytest.mark.parametrize(
    ("family", "grade"), [("qwen2_audio", "identical"), ("phi4_multimodal", "LoRA-shifted")], ids=["qwen", "phi"]
)
def test_the_self_cascade_reads_through_the_checkpoints_own_llm(tmp_path: Path, family: str, grade: str) -> None:
    directory = (write_qwen2_audio if family == "qwen2_audio" else write_phi4)(tmp_path / "model")
    study = Study.model_validate(
        {
            "tasks": ["topic"],
            "models": {
                "asr": {"id": "whisper-tiny.en"},
                "speech": {"id": str(directory), "prompt": "plain", "dtype": "float32"},
            },
            "arms": {
                "gold": {"transcript": "gold", "llm": {"of": "speech"}},
                "speech": {"speech_llm": "speech"},
                "self-cascade": {"asr": "asr", "llm": {"of": "speech"}},
            },
            "limit": 4,
            "resamples": 100,
        }
    )
    plan = build_plan(study, tmp_path, print)
    self_cascade = next(arm for arm in plan.arms if arm.name == "self-cascade")
    with open_run(tmp_path / "run", plan, Silent()) as run:
        assert self_cascade.llm is not None
        assert run.models.llm(self_cascade.llm) is run.models.speech("speech").matched
        record(study, plan, run.journal)
        assert execute(run) == 0
    results = analyse(tmp_path / "run")
    assert {match.grade for match in results.matches} == {grade}
    pairs = {(c.left, c.right) for c in results.comparisons}
    assert ("speech", "self-cascade") in pairs
    assert all(cell.n == 4 for cell in results.cells)
