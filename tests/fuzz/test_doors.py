"""A few inputs at every door with each test run, the same ones each time; `python -m tests.fuzz` tries many more."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.doors import DOORS

FEW = {"journals": 15, "checkpoints": 15}


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_door(door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CEQ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))

    @settings(
        max_examples=FEW.get(door.name, 40), derandomize=True, database=None, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.data())
    def tried(data) -> None:
        door.enter(data.draw(door.cases), tmp_path / "room")

    tried()
