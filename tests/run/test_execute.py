"""A real study end to end: complete, resumable, and doing nothing twice."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.run.small import STUDY, contents, facts, run

CONDITIONS = 2
"""Under which the default study asks about topics."""
SOUNDS = 4 * CONDITIONS
"""Clips of the four items that the small run takes."""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    ran = run(out)
    assert ran.returncode == 0, ran.stderr
    return out


def test_every_trial_is_answered(done: Path) -> None:
    rows = contents(done)
    answered = {row[8] for row in rows["answers"] if row[8]}
    assert len(answered) == SOUNDS
    # Beside its conditions each item is heard silent and 10 ms later, some in a second voice.
    others = {row[4] for row in rows["clips"]} - answered
    assert 2 * 4 <= len(others) <= 3 * 4
    assert len(rows["answers"]) == 4 + 4 * SOUNDS
    assert {row[-1] for row in rows["answers"]} <= {"World", "Sports", "Business", "Sci/Tech"}


def test_clips_of_a_condition_are_shared_by_all_arms(done: Path) -> None:
    db = sqlite3.connect(done / "journal.sqlite")
    clips = db.execute("SELECT item, condition, COUNT(DISTINCT clip) FROM answers WHERE clip NOTNULL GROUP BY 1, 2")
    assert {count for _, _, count in clips} == {1}


def test_equal_contents_are_asked_once(done: Path) -> None:
    db = sqlite3.connect(done / "journal.sqlite")
    used = "SELECT COUNT(DISTINCT r.key), COUNT(DISTINCT r.content) FROM answers a JOIN replies r ON r.key = a.reply "
    asked, distinct = db.execute(used + "WHERE a.arm NOT LIKE 'pocket-%'").fetchone()
    assert asked == distinct
    # A speech LLM is asked about sounds: each of the two once about every clip.
    assert db.execute(used + "WHERE a.arm LIKE 'pocket-%'").fetchone() == (2 * SOUNDS, SOUNDS)


def test_timings_are_kept(done: Path) -> None:
    db = sqlite3.connect(done / "journal.sqlite")
    assert db.execute("SELECT MIN(compute_s) > 0, MIN(batch_size) > 0 FROM replies").fetchone() == (1, 1)
    assert db.execute("SELECT MIN(compute_s) > 0, MIN(batch_size) > 0 FROM transcripts").fetchone() == (1, 1)
    assert db.execute("SELECT MIN(read) > 0, MAX(written) FROM replies").fetchone() == (1, 0)
    facts = [json.loads(v) for (v,) in db.execute("SELECT value FROM facts WHERE key LIKE 'latency:%'")]
    assert {f["arm"] for f in facts} == {"gold", "cascade-s", "cascade-w", "pocket-ctc", "pocket-frames"}
    assert all(seconds > 0 for f in facts for stage in f["stages"] for seconds in stage.values())


def test_running_again_does_no_model_work(done: Path) -> None:
    before = contents(done)
    again = run(done)
    assert again.returncode == 0
    assert "loading" not in again.stderr
    assert "nothing to do: every answer is there" in again.stderr
    assert contents(done) == before


def test_what_checks_found_is_read_from_the_replies_again_where_it_is_lost(done: Path) -> None:
    before = facts(done)
    db = sqlite3.connect(done / "journal.sqlite")
    with db:
        db.execute("DELETE FROM facts WHERE key LIKE '%hearing:%' OR key LIKE '%retest:%'")
    db.close()
    assert facts(done) != before
    again = run(done)
    assert again.returncode == 0
    assert "loading" not in again.stderr
    assert facts(done) == before


def test_more_items_only_add_what_is_missing(done: Path) -> None:
    db = sqlite3.connect(done / "journal.sqlite")
    before = set(db.execute("SELECT key, batch_size FROM transcripts"))
    study = db.execute("SELECT value FROM facts WHERE key = 'study'").fetchone()
    arguments = ("run", STUDY, "--limit", "5", "--arms", "gold,cascade-w")
    refused = run(done, *arguments)
    assert refused.returncode == 2
    assert "holds another study" in refused.stderr and "--replace" in refused.stderr
    assert db.execute("SELECT value FROM facts WHERE key = 'study'").fetchone() == study
    ran = run(done, *arguments, "--replace")
    assert ran.returncode == 0, ran.stderr
    assert "asr-s" not in ran.stderr
    assert before <= set(db.execute("SELECT key, batch_size FROM transcripts"))
    items = "SELECT COUNT(DISTINCT item) FROM answers WHERE arm = 'cascade-w'"
    assert db.execute(items).fetchone() == (5,)


def test_report_is_rebuilt_without_models(done: Path, tmp_path: Path) -> None:
    (done / "report.html").unlink()
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "cascade_equivalence", "report", str(done)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"CEQ_CACHE": str(tmp_path)},
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert (done / "report.html").is_file()
    assert "| torch" not in ran.stderr
    assert not list(tmp_path.iterdir())


def test_two_at_once_are_refused(done: Path) -> None:
    from filelock import FileLock

    before = (done / "journal.sqlite").read_bytes()
    with FileLock(done / "run.lock"):
        # Another study, so that anything written before the lock is held would show.
        ran = run(done, "run", STUDY, "--limit", "2", "--arms", "gold", "--replace")
    assert ran.returncode == 1
    assert "another process is running this study" in ran.stderr
    assert (done / "journal.sqlite").read_bytes() == before
