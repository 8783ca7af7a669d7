"""The tutorial on one's own recordings, followed to the letter but on few of them: from a folder to a report."""

from __future__ import annotations

from pathlib import Path

import pytest

from cascade_equivalence.cli import main
from cascade_equivalence.study.results import load_results

from .blocks import commands, of

PAGE = "docs/tutorial-recordings.md"


@pytest.mark.slow
def test_from_a_folder_of_recordings_to_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (setting,) = [block for block in of("python") if block.file == PAGE]
    exec(compile(setting.text, str(setting), "exec"), {})
    shown = [words for block in of("bash") if block.file == PAGE for words in commands(block.text)]
    assert [words[1] for words in shown] == ["init", "run", "run", "run", "report", "plan"]
    init, dry, look, *_ = shown
    assert main(init[1:]) == main(dry[1:]) == 0
    assert main([*look[1:-1], "4", "--out", "runs/recordings"]) == 0
    assert main(["report", "runs/recordings"]) == 0
    results = load_results("runs/recordings")
    assert {arm.name for arm in results.arms} == {"gold", "cascade-s", "cascade-w", "speech"}
    assert (tmp_path / "runs" / "recordings" / "report.html").is_file()
