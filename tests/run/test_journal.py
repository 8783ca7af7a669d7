"""The journal keeps what was committed, whatever happens next."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from cascade_equivalence.errors import RunError
from cascade_equivalence.run.journal import AnswerRow, ClipRow, Journal


def row(key: str) -> ClipRow:
    return ClipRow(key, "topic", f"item-{key}", "clean", "ab" * 32, 1.5, None, 1.0)


def test_rows_and_facts_survive_reopening(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite")
    journal.add(row("a"), row("b"))
    journal.put_fact("study", {"x": [1, 2]})
    journal.close()
    again = Journal(tmp_path / "j.sqlite", create=False)
    assert again.rows(ClipRow) == {"a": row("a"), "b": row("b")}
    assert again.fact("study") == {"x": [1, 2]}
    assert again.missing(ClipRow, ["c", "a", "d"]) == ["c", "d"]
    assert again.facts("stu") == [{"x": [1, 2]}]


def test_a_batch_is_all_or_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite")
    broken = AnswerRow("k", "a", "t", "i", "c", 0, "labels", "r", None, None, object(), 0)  # type: ignore[arg-type]
    with pytest.raises(RunError, match="cannot be written"):
        journal.add(row("a"), broken)
    assert journal.rows(ClipRow) == {}
    journal.add(row("a"))
    assert set(journal.rows(ClipRow)) == {"a"}


def test_a_row_once_committed_is_not_replaced(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite")
    journal.add(row("a"))
    journal.add(ClipRow("a", "other", "x", "clean", "cd" * 32, 9.0, None, 1.0))
    assert journal.rows(ClipRow)["a"] == row("a")


def test_what_is_no_journal(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no journal there"):
        Journal(tmp_path / "none" / "j.sqlite", create=False)
    (tmp_path / "junk.sqlite").write_bytes(b"junk" * 1000)
    with pytest.raises(RunError, match="cannot be opened"):
        Journal(tmp_path / "junk.sqlite")


def test_a_damaged_journal_is_one_clear_error_from_every_read(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    journal = Journal(path)
    journal.add(*(row(f"{i:05}") for i in range(2000)))
    journal.put_fact("study", {"x": 1})
    journal.check()
    journal.close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE facts SET value = '{\"x\": ' WHERE key = 'study'")
    db.close()
    journal = Journal(path)
    for read in (lambda: journal.fact("study"), lambda: journal.facts("st")):
        with pytest.raises(RunError, match=r"is damaged .*fact 'study' is no JSON.*new directory"):
            read()
    journal.close()
    whole = path.read_bytes()
    pages = len(whole) // 4096
    # The first pages hold the schema: without them SQLite cannot open the file at all.
    path.write_bytes(whole[: 8 * 4096] + bytes(4096 * (pages - 8)))
    journal = Journal(path)
    for read in (journal.check, lambda: journal.rows(ClipRow)):
        with pytest.raises(RunError, match=r"is damaged and cannot be read"):
            read()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE clips SET key = 'c' WHERE key = 'a'", "UPDATE clips SET snr_db = 3.0 WHERE key = 'b'",
        "UPDATE clips SET digest = NULL WHERE key = 'b'",
        "UPDATE clips SET item = CAST(x'ff31' AS TEXT) WHERE key = 'a'",
        "UPDATE facts SET value = '2' WHERE key = 'x'",
    ],
)  # fmt: skip
def test_a_check_finds_what_nobody_reads(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "j.sqlite"
    journal = Journal(path)
    journal.check()
    journal.add(row("a"), row("b"))
    journal.put_fact("x", 1)
    journal.check()
    journal.close()
    with sqlite3.connect(path) as db:
        db.execute(statement)
    db.close()
    with pytest.raises(RunError, match="is damaged and cannot be read"):
        Journal(path, create=False).check()


def test_a_damaged_version_is_a_clear_error(tmp_path: Path) -> None:
    for number, value in enumerate(["{", "null", '"2"', "true", "[2]", "1" * 5000]):
        path = tmp_path / f"{number}.sqlite"
        Journal(path).close()
        with sqlite3.connect(path) as db:
            db.execute("UPDATE facts SET value = ? WHERE key = 'schema'", (value,))
        db.close()
        with pytest.raises(RunError, match="fact 'schema' is"):
            Journal(path)


def test_a_journal_of_another_version_is_refused(tmp_path: Path) -> None:
    Journal(tmp_path / "j.sqlite").put_fact("schema", 999)
    with pytest.raises(RunError, match="another version"):
        Journal(tmp_path / "j.sqlite")


def test_killed_between_commits(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite")
    journal.add(row("a"))
    raw = sqlite3.connect(tmp_path / "j.sqlite", isolation_level=None)
    raw.execute("BEGIN IMMEDIATE")
    raw.execute("INSERT INTO clips VALUES ('x', 't', 'i', 'c', 's', 1, NULL, 1, '')")
    raw.close()
    assert set(Journal(tmp_path / "j.sqlite").rows(ClipRow)) == {"a"}
