"""The journal of a run: SQLite in WAL mode, one transaction per batch.

Tables: `facts` (study, items, identities, offsets, latencies as JSON), `clips`, `transcripts`, `replies` (what an LLM
said to one prompt with one content, whichever arm asked first) and `answers` (arm × trial → reply). Keys hash
recipes, so a row is there exactly when the work it stands for is done.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from cascade_equivalence.errors import RunError

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class ClipRow:
    """The clip of a trial. `snr_db`: reached on active-speech level; `scale`: against clipping."""

    key: str
    task: str
    item: str
    condition: str
    sha256: str
    seconds: float
    snr_db: float | None
    scale: float


@dataclass(frozen=True, slots=True)
class TranscriptRow:
    """One ASR's transcript of one clip. `compute_s`: the batch's model time divided by its size."""

    key: str
    asr: str
    clip: str
    text: str
    logprob: float
    tokens: int
    complete: int
    compute_s: float
    batch_size: int


@dataclass(frozen=True, slots=True)
class ReplyRow:
    """What an LLM said: JSON list of raw label scores, or a text. `asker`: the arm that asked first."""

    key: str
    asker: str
    content: str
    scores: str | None
    text: str | None
    tokens: int
    compute_s: float
    batch_size: int


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One arm's answer on one trial. `label` is the calibrated label, the parsed one, or INVALID."""

    key: str
    arm: str
    task: str
    item: str
    condition: str
    replicate: int
    mode: str
    reply: str
    clip: str | None
    transcript: str | None
    label: str
    tie: int


Row = ClipRow | TranscriptRow | ReplyRow | AnswerRow
R = TypeVar("R", ClipRow, TranscriptRow, ReplyRow, AnswerRow)
_TABLES: dict[type, str] = {
    ClipRow: "clips",
    TranscriptRow: "transcripts",
    ReplyRow: "replies",
    AnswerRow: "answers",
}


class Journal:
    """The rows of a run directory's `journal.sqlite`."""

    def __init__(self, path: Path, create: bool = True) -> None:
        if not create and not path.is_file():
            raise RunError(f"{path.parent}: no journal there; is it the directory of a run?")
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=60, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            with self._writing():
                self._db.execute("CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
                for kind, table in _TABLES.items():
                    columns = ", ".join(f"{f.name} PRIMARY KEY" if f.name == "key" else f.name for f in fields(kind))
                    self._db.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns}) WITHOUT ROWID")
        except (sqlite3.Error, OSError) as error:
            raise RunError(f"{path}: the journal cannot be opened ({error})") from None
        if (found := self.fact("schema", SCHEMA)) != SCHEMA:
            raise RunError(f"{path}: written by another version (schema {found}); use a new directory")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise RunError(
                f"{self.path}: cannot be written ({error}); is the disk full? What was committed before is kept: "
                "run the same command again"
            ) from None

    def add(self, *rows: Row) -> None:
        """Commit rows in one transaction; a row whose key is there is kept as it was."""
        with self._writing():
            for row in rows:
                marks = ", ".join("?" * len(fields(row)))
                self._db.execute(f"INSERT OR IGNORE INTO {_TABLES[type(row)]} VALUES ({marks})", astuple(row))  # noqa: S608

    def put_fact(self, key: str, value: Any) -> None:
        """Set a fact, as JSON."""
        with self._writing():
            self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (key, json.dumps(value)))

    def fact(self, key: str, default: Any = None) -> Any:
        """A fact, or `default`. Raises `RunError` where the journal is damaged, as all that reads does."""
        found = self._select("SELECT value FROM facts WHERE key = ?", (key,))
        return self._decoded(key, found[0][0]) if found else default

    def facts(self, prefix: str) -> list[Any]:
        """All facts whose key starts with `prefix`, by key."""
        found = self._select("SELECT key, value FROM facts WHERE key LIKE ? ORDER BY key", (f"{prefix}%",))
        return [self._decoded(key, value) for key, value in found]

    def check(self) -> None:
        """Raise `RunError` where SQLite finds the file damaged (about 0.1 s for 5 MB)."""
        found = self._select("PRAGMA integrity_check(1)")
        if found != [("ok",)]:
            raise self._damaged(str(found[0][0]) if found else "no answer")

    def _select(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._damaged(str(error)) from None

    def _decoded(self, key: str, value: Any) -> Any:
        try:
            return json.loads(value)
        except (ValueError, TypeError, RecursionError) as error:
            raise self._damaged(f"fact '{key[:80]}' is no JSON: {error}") from None

    def _damaged(self, what: str) -> RunError:
        return RunError(
            f"{self.path}: the journal is damaged and cannot be read ({' '.join(what.split())[:200]}); "
            "take a copy of it from before, or run the study into a new directory"
        )

    def rows(self, kind: type[R], keys: Iterable[str] | None = None) -> dict[str, R]:
        """Rows of a kind by key: all, or those of `keys` that are there."""
        select = f"SELECT * FROM {_TABLES[kind]}"  # noqa: S608
        if keys is None:
            found = self._select(select + " ORDER BY key")
        else:
            found = []
            wanted = list(keys)
            for start in range(0, len(wanted), 500):
                part = wanted[start : start + 500]
                found += self._select(f"{select} WHERE key IN ({', '.join('?' * len(part))})", part)
        return {row[0]: kind(*row) for row in found}

    def missing(self, kind: type[R], keys: Sequence[str]) -> list[str]:
        """Those of `keys` without a row, in their order."""
        there = self.rows(kind, keys)
        return [key for key in keys if key not in there]

    def close(self) -> None:
        """Close the file."""
        self._db.close()
