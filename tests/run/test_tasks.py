"""A real run in which tasks have conditions, limits and option orders of their own."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys

import pytest

from tests.run.small import run

STUDY = """
extends: pocket
tasks:
  - {task: topic, limit: 4, conditions: [clean, swap], permute: [1]}
  - {task: sentiment, limit: 2}
conditions: [clean, noise:white@5dB]
arms: [gold, cascade-w]
analyses: [agreement]
"""


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> sqlite3.Connection:
    folder = tmp_path_factory.mktemp("study")
    (folder / "own.yaml").write_text(STUDY)
    ran = run(folder / "out", "run", str(folder / "own.yaml"))
    assert ran.returncode == 0, ran.stderr
    tables = subprocess.run(
        [sys.executable, "-m", "cascade_equivalence", "report", str(folder / "out"), "--full"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "OPTION ORDER" in tables and "CONTROLS" in tables
    assert (folder / "out" / "report.html").is_file()
    return sqlite3.connect(folder / "out" / "journal.sqlite")


def test_each_task_is_asked_under_its_own_conditions(
    journal: sqlite3.Connection,
) -> None:
    rows = journal.execute("SELECT arm, task, condition, COUNT(*) FROM answers GROUP BY 1, 2, 3").fetchall()
    assert {tuple(row[:3]): row[3] for row in rows} == {
        ("gold", "topic", "text"): 4,
        ("gold", "sentiment", "text"): 2,
        ("gold", "topic~perm1", "text"): 4,
        ("cascade-w", "topic", "clean"): 4,
        ("cascade-w", "topic", "swap"): 4,
        ("cascade-w", "topic~perm1", "clean"): 4,
        ("cascade-w", "sentiment", "clean"): 2,
        ("cascade-w", "sentiment", "noise:white@5dB"): 2,
    }


def test_another_order_is_asked_anew_on_the_same_clips(journal: sqlite3.Connection) -> None:
    def of(task: str) -> dict[str, tuple[str, str, str]]:
        found = journal.execute(
            "SELECT a.item, a.clip, a.reply, r.scores FROM answers a JOIN replies r ON r.key = a.reply "
            "WHERE a.arm = 'cascade-w' AND a.condition = 'clean' AND a.task = ?",
            (task,),
        )
        return {item: tuple(rest) for item, *rest in found}

    own, other = of("topic"), of("topic~perm1")
    assert own.keys() == other.keys()
    for item, (clip, reply, scores) in own.items():
        assert other[item][0] == clip
        assert other[item][1] != reply
        # The plain prompt lists no options: the same scores, in another order.
        assert sorted(json.loads(other[item][2])) == pytest.approx(sorted(json.loads(scores)), abs=1e-4)
    # Swapped, each item hears the sound of another.
    assert journal.execute("SELECT COUNT(DISTINCT clip) FROM answers").fetchone() == (4 + 2 + 2,)
    assert journal.execute("SELECT COUNT(*) FROM clips WHERE task LIKE '%~%'").fetchone() == (0,)
