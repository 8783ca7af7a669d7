"""The paper's study and its six data sets, at small sizes, from files of the published layouts to the report."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cascade_equivalence.cli import main
from cascade_equivalence.pocket.fetch import cache_dir
from cascade_equivalence.study.results import Results, analyse
from cascade_equivalence.study.spec import load_study
from tests.public import published
from tests.report.page import Page
from tests.run import stand_ins

pytestmark = pytest.mark.slow
SPEECH = ("ultravox", "qwen2-audio", "phi4-mm")
DEAF = ("qwen2-audio", "phi4-mm")
"""Stand-ins whose weights are all random; a random projector before SmolLM2 may let something through."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of its own for data sets; models and spoken clips are the machine's."""
    own = tmp_path_factory.mktemp("cache")
    for kept in ("models", "spoken"):
        (cache_dir() / kept).mkdir(parents=True, exist_ok=True)
        (own / kept).symlink_to(cache_dir() / kept)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CEQ_CACHE", str(own))
        patched.delenv("GEMINI_API_KEY", raising=False)
        yield own


def test_the_six_data_sets_are_pulled_and_run(cache: Path, shared_data: Path, tmp_path: Path) -> None:
    tasks = stand_ins.data_sets(tmp_path / "data", shared_data)
    assert [task["dataset"] for task in tasks] == list(published.NAMES)
    for task in tasks:
        pulled = ["tasks", "pull", task["dataset"], "--path", task["path"], "--rows", str(task["rows"])]
        assert main([*pulled, "--limit", "2"]) == 0
    study = {
        "extends": "pocket",
        "tasks": [{**task, "limit": 2} for task in tasks],
        "conditions": ["clean"],
        "arms": ["gold", "cascade-w", "pocket-frames"],
        "analyses": ["agreement"],
        "checks": {"hearing": 0, "repeats": 0, "latency": 0},
        "calibration": "none",
        "resamples": 100,
    }
    path = tmp_path / "six.yaml"
    path.write_text(yaml.safe_dump(study), encoding="utf-8")
    main(["run", str(path), "--out", str(tmp_path / "run")])
    found = analyse(tmp_path / "run")
    assert [task.origin and task.origin.dataset for task in found.tasks] == list(published.NAMES)
    assert all(task.origin and task.origin.rows == one["rows"] for task, one in zip(found.tasks, tasks, strict=True))
    assert {(c.task, c.arm): (c.n, c.wanted) for c in found.cells} == {
        (name, arm): (2, 2) for name in published.NAMES for arm in ("gold", "cascade-w", "pocket-frames")
    }
    assert {w.task for w in found.word_errors} >= {"ag_news", "sst2", "commonsenseqa", "triviaqa", "meld"}


@pytest.fixture(scope="module")
def ran(cache: Path, shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, str]:
    """The paper's preset on stand-ins, run as a user would: directory, exit status, what was said."""
    folder = tmp_path_factory.mktemp("paper")
    path = stand_ins.write_study(folder, shared_data)
    command = [sys.executable, "-m", "cascade_equivalence", "run", str(path), "--out", str(folder / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return folder / "run", done.returncode, " ".join(done.stderr.split())


@pytest.fixture(scope="module")
def found(ran: tuple[Path, int, str]) -> Results:
    return analyse(ran[0])


def test_the_whole_preset_runs_to_its_end_and_its_gate_fails_who_does_not_hear(
    ran: tuple[Path, int, str], found: Results
) -> None:
    _, status, said = ran
    assert status == 1, said
    assert "Traceback" not in said and "still missing" not in said and "no prediction for them" not in said
    preset, _ = load_study("paper")
    assert {name for arm in found.arms for name in (arm.name, *arm.same)} == set(preset.arms)
    assert all(cell.n == cell.wanted for cell in found.cells)
    assert found.hearing
    for arm in DEAF:
        assert found.hearing[arm].passed is False, found.hearing[arm].reason
        assert any(arm in failure and "hear" in failure for failure in found.failures), found.failures
        assert f"arm '{arm}' does not pass the hearing check" in said
    assert found.hearing["ultravox"].passed is not None
    assert "gemini" not in found.hearing, "a file cannot be asked"
    assert found.cell("sst2", "clean", "gemini").accuracy.value == 1.0  # type: ignore[union-attr]


def test_its_report_has_every_table_of_the_paper(ran: tuple[Path, int, str], found: Results) -> None:
    page = Page((ran[0] / "report.html").read_text(encoding="utf-8")).text
    for arm in SPEECH:
        analyses = found.mechanism[arm]
        assert analyses.probes and analyses.lens and analyses.implicit and analyses.erasure and analyses.patching
    beside = page[page.index("Published figures of arXiv") :]
    for title in (
        "Figure 1: κ", "Figure 2: shared mistakes", "Table 4: probes", "Table 5: logit lens",
        "Table 6: implicit cascade", "Table 7: LEACE", "In its text: ceiling and noise",
    ):  # fmt: skip
        assert title in beside
    assert "Not compared: Gemini 2.0 Flash: it was shut down" in beside
    # Neither the data (a part of it) nor the models are the paper's.
    assert "Not compared: SST-2 here has 24 rows, published are 872" in beside
    assert "Not compared: no arm is the paper's Qwen2-Audio" in beside
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["report", str(ran[0]), "--full"]) == 1
    assert "BESIDE THE PAPER" in out.getvalue() and "not compared: " in out.getvalue()
