"""A small real study: every kind of arm on a few shipped items, run as a user would."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

STUDY = str(Path(__file__).with_name("small.yaml"))
ARGUMENTS = ["run", STUDY]

STEADY = {
    "clips": "key, task, item, condition, sha256, seconds, snr_db, scale",
    "transcripts": "key, asr, clip, text, logprob, tokens, complete",
    "replies": "key, asker, content, scores, text, read, written, ended",
    "answers": "key, arm, task, item, condition, replicate, mode, reply, clip, transcript, tie, raw_tie, note, label",
}
"""Columns that do not depend on how long something took."""


def command(out: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "cascade_equivalence", *(arguments or ARGUMENTS), "--out", str(out)]


def run(out: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(out, *arguments), capture_output=True, text=True, check=False, env=os.environ | environment
    )


def contents(out: Path) -> dict[str, list[Any]]:
    """Every steady column of every row, by table."""
    db = sqlite3.connect(out / "journal.sqlite")
    try:
        return {t: db.execute(f"SELECT {c} FROM {t} ORDER BY key").fetchall() for t, c in STEADY.items()}
    finally:
        db.close()


def facts(out: Path) -> dict[str, str]:
    """The facts that are computed from rows, as they are written: offsets, hearing checks, repeated answers."""
    db = sqlite3.connect(out / "journal.sqlite")
    try:
        return {
            key: value
            for key, value in db.execute("SELECT key, value FROM facts ORDER BY key")
            if key.startswith(("offset:", "hearing:", "retest:"))
        }
    finally:
        db.close()
