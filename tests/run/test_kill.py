"""Killed at random moments, a run loses at most the batch in flight: resumed, it ends as if nothing had happened."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.run.small import command, contents, run

KILLS = 20


@pytest.mark.slow
def test_twenty_kills_leave_the_journal_of_an_undisturbed_run(tmp_path: Path) -> None:
    start = time.monotonic()
    assert run(tmp_path / "calm").returncode == 0
    whole = time.monotonic() - start
    rng = random.Random(0)
    killed = 0
    while killed < KILLS:
        process = subprocess.Popen(
            command(tmp_path / f"rough{killed // 5}"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            process.wait(rng.uniform(0.15, 1.0) * whole)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        killed += 1
    for rough in sorted(tmp_path.glob("rough*")):
        assert run(rough).returncode == 0
        assert contents(rough) == contents(tmp_path / "calm")
