"""The example of a new condition: its patch fits the code as it is, and its test passes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .blocks import ROOT, of


def test_the_patch_applies_and_its_test_passes(tmp_path: Path) -> None:
    (block,) = of("diff")
    heavy = shutil.ignore_patterns("*.ogg", "*.safetensors", "__pycache__")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=heavy)
    (tmp_path / "tests" / "audio").mkdir(parents=True)
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=block.text, text=True, check=True)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/audio/test_muffled.py"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path / "src")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr
