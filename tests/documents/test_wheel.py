"""The wheel is whole, of the size that is stated, and works in an environment that has nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .blocks import ROOT, TEXTS


@pytest.mark.slow
def test_the_wheel_installs_and_works_by_itself() -> None:
    script, env = ROOT / "scripts" / "wheel.sh", os.environ | {"CEQ_BIN": str(Path(sys.executable).parent)}
    done = subprocess.run(["bash", script], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ceq 0.1.0" in done.stdout and "accuracy" in done.stdout
    (wheel,) = Path(ROOT / "dist").glob("*.whl")
    stated = re.search(r"about (\d+) MB: the pocket speech LLMs' weights", TEXTS["docs/index.md"].replace("\n", " "))
    assert stated and abs(wheel.stat().st_size / 1e6 - int(stated[1])) < 1
