"""Python that is shown runs, each block by itself, in an empty directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from .blocks import Block, of


def run(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(block.text, str(block), "exec"), names)
    return names


@pytest.mark.parametrize("block", [b for b in of("python") if not b.heavy], ids=str)
def test_python_runs(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(block, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("block", [b for b in of("python") if b.heavy], ids=str)
def test_a_study_from_python_runs(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = run(block, tmp_path, monkeypatch)["results"]
    assert len(results.answers()) > 0  # type: ignore[attr-defined]
