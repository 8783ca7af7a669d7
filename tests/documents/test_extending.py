"""The example of a new condition: its patch fits the code as it is, and its test passes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from cascade_equivalence.audio.condition import FORMS

from .blocks import ROOT, TEXTS, of


def test_every_condition_is_described() -> None:
    page = " ".join(re.findall(r"`([^`]+)`", TEXTS["docs/conditions.md"]))
    names = {f"{form.name}:{form.kind}" if form.kind not in (None, "path") else form.name for form in FORMS}
    assert {name for name in names if not re.search(rf"(?<![\w:]){re.escape(name)}(?![\w-])", page)} == set()


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
