"""A few kills of each command; `tests.crash` and `tests.crash.spread` do more, and what disks and damage can do."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def campaign(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *words],
        capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    return done.stdout


def test_killed_commands_go_on_and_end_the_same() -> None:
    assert "0 faults" in campaign("tests.crash", "--kills", "10", "--parts", "run,report,export,pull,model")


def test_killed_workers_and_runs_of_workers_go_on_and_end_the_same() -> None:
    assert "0 faults" in campaign("tests.crash.spread", "--kills", "4", "--parts", "workers")


def test_killed_nodes_of_a_ray_cluster_and_runs_on_it_go_on_and_end_the_same() -> None:
    pytest.importorskip("ray")
    assert "0 faults" in campaign("tests.crash.spread", "--kills", "4", "--parts", "ray")
