"""Run directories: journals and clips."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from cascade_equivalence.errors import CeqError
from tests.fuzz import damage
from tests.fuzz.damage import as_json, changed, harmed
from tests.fuzz.door import Door
from tests.fuzz.room import Fault, called, inside


@cache
def _journal() -> tuple[bytes, str, dict[str, bytes]]:
    """A small journal's bytes, what is read from it, and its clips by name."""
    from cascade_equivalence.study.load import load
    from tests.report.journals import Made, make_run

    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        make_run(directory, Made(n=3, conditions=("clean",)))
        db = sqlite3.connect(directory / "journal.sqlite")
        db.execute("PRAGMA journal_mode=DELETE")
        db.execute("VACUUM")
        db.close()
        read = repr(load(directory))
        clips = {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*.flac")}
        return (directory / "journal.sqlite").read_bytes(), read, clips


_TABLES = ("facts", "clips", "transcripts", "replies", "answers")


def _reread(case: Any, room: Path) -> None:
    from cascade_equivalence.study.load import load
    from cascade_equivalence.study.results import analyse
    from cascade_equivalence.study.stimuli import write_stimuli

    harm, page, rows, facts = case
    data, before, _ = _journal()
    directory = room / "out"
    shutil.rmtree(directory, ignore_errors=True)
    with inside(room):
        directory.mkdir()
        changed_bytes = bytearray(harmed(data, harm))
        if page is not None:
            at = (page[0] * 4096) % max(len(changed_bytes), 1)
            changed_bytes[at : at + 4096] = random.Random(page[1]).randbytes(len(changed_bytes[at : at + 4096]))
        path = directory / "journal.sqlite"
        path.write_bytes(changed_bytes)
        touched = _altered(path, rows, facts)
        found = called(lambda: load(directory))
        if isinstance(found, CeqError):
            return
        if not touched and repr(found) != before:
            raise Fault("another content, and not a word")
        results = called(lambda: analyse(directory))
        if not isinstance(results, CeqError) and touched:
            called(lambda: write_stimuli(directory, room / "out" / "stimuli"))


def _altered(path: Path, rows: Any, facts: Any) -> bool:
    """Values that SQLite takes and a run never wrote, and facts as they were before they had digests; whether any."""
    if not rows and not facts:
        return False
    db = sqlite3.connect(path)
    try:
        for table, column, value in rows:
            names = [one[1] for one in db.execute(f"PRAGMA table_info({_TABLES[table]})")]
            db.execute(f"UPDATE {_TABLES[table]} SET {names[column % len(names)]} = ?", (value,))
        every = [key for (key,) in db.execute("SELECT key FROM facts ORDER BY key")]
        for at, done in facts:
            key = every[at % len(every)]
            ((value,),) = db.execute("SELECT value FROM facts WHERE key = ?", (key,)).fetchall()
            now = as_json(changed(json.loads(value), done)).decode()
            db.execute("UPDATE facts SET value = ? WHERE key = ?", (now, key))
            db.execute("DELETE FROM facts WHERE key = ?", (f"digest:{key}",))  # as of a journal from before digests
        db.commit()
    except (sqlite3.Error, ArithmeticError, ValueError, TypeError, RecursionError):
        pass  # too damaged to be altered
    finally:
        db.close()
    return True


_cell = st.sampled_from([None, 0, -1, 1.5, "x", "", b"\x00\xff", 2**62, "INVALID", float("inf")])


def _clips(case: Any, room: Path) -> None:
    """Damaged clips of a run: told, left out of the report, never taken for what they were."""
    from cascade_equivalence.audio.store import ClipStore
    from cascade_equivalence.report.sound import embed

    harm, other = case
    _, _, clips = _journal()
    directory = room / "out"
    shutil.rmtree(directory, ignore_errors=True)
    with inside(room):
        names = sorted(clips)
        path = directory / names[0]
        path.parent.mkdir(parents=True)
        data = clips[names[1]] if other else clips[names[0]]
        path.write_bytes(harmed(data, harm))
        sha256 = path.stem
        found = called(lambda: ClipStore(directory / "clips").get(sha256))
        if not isinstance(found, CeqError) and found.sha256 != sha256:
            raise Fault("another clip")
        shown = called(lambda: embed(directory, [sha256])[sha256].uri)
        if isinstance(found, CeqError) and shown is not None:
            raise Fault("a clip that is not the one is played")


_none: st.SearchStrategy[list[Any]] = st.just([])
_page = st.none() | st.tuples(st.integers(0, 40), st.integers(0, 9))
_cells = _none | st.lists(st.tuples(st.integers(0, 4), st.integers(0, 14), _cell), max_size=2)
_facts = _none | st.lists(st.tuples(st.integers(0, 9), damage.changes(2)), max_size=2)

JOURNALS = Door("journals", st.tuples(damage.harms(3), _page, _cells, _facts), _reread)
CLIPS = Door("clips", st.tuples(damage.harms(), st.booleans()), _clips)
