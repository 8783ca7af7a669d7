"""A few kills of each command; `python -m tests.crash` does more of them, and what a disk and damage can do."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_killed_commands_go_on_and_end_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash", "--kills", "10", "--parts", "run,report,export,pull,model"],
        capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "0 faults" in done.stdout
