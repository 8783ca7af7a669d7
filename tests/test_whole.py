"""Files appear whole or not at all, and what killed writers left is taken over or cleared."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cascade_equivalence.whole import clear_parts, whole

WRITES = """
import sys, time
from pathlib import Path
from cascade_equivalence.whole import whole
with whole(Path(sys.argv[1])) as part:
    part.write_text("half of it")
    print("writing", flush=True)
    time.sleep(600)
"""


def writer(path: Path) -> subprocess.Popen[str]:
    """A process in the middle of writing."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITES, str(path)], stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "writing\n"
    return process


def test_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError), whole(path) as part:
        part.write_text("half")
        raise ZeroDivisionError
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"] and path.read_text() == "before"
    with whole(path, sync=True) as part:
        part.write_text("after")
        assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"] and path.read_text() == "after"
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


def test_what_a_killed_writer_left_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    process = writer(path)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert [p.name for p in tmp_path.iterdir()] == [".a.txt.part"]
    with whole(path) as part:
        assert part.read_text() == ""
        part.write_text("all")
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"] and path.read_text() == "all"


def test_a_living_writer_is_let_alone(tmp_path: Path) -> None:
    path = tmp_path / "x" / "a.txt"
    path.parent.mkdir()
    process = writer(path)
    try:
        clear_parts(tmp_path)
        assert (path.parent / ".a.txt.part").read_text() == "half of it"
        with whole(path) as part:
            part.write_text("the other's")
        assert path.read_text() == "the other's"
    finally:
        process.kill()
        process.communicate()
    clear_parts(tmp_path)
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_two_writers_in_turn_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with whole(path) as first:
        first.write_text("first")
        with whole(path) as second:
            assert second != first
            second.write_text("second")
        assert path.read_text() == "second"
    assert path.read_text() == "first" and [p.name for p in tmp_path.iterdir()] == ["a.txt"]
