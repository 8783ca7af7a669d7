"""The journal of a run: SQLite in WAL mode, one transaction per batch.

Tables: `facts` (study, items, identities, offsets, latencies as JSON), `clips`, `transcripts`, `replies` (what a model
said to one prompt with one content, whichever arm asked first) and `answers` (arm × trial → reply). Keys hash
recipes, so a row is there exactly when the work it stands for is done. Each row carries a hash of itself (`digest`),
each fact has one beside it; both are checked when they are read.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from cascade_equivalence.errors import RunError

SCHEMA = 2
_DIGEST = "digest:"
"""Before the key of a fact: the fact that holds its digest."""


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
    logprob: float | None
    tokens: int
    complete: int
    compute_s: float
    batch_size: int


@dataclass(frozen=True, slots=True)
class ReplyRow:
    """What a model said: JSON list of raw label scores (null where one is no finite number), or a text.

    asker: the arm that asked first. written, read: tokens. compute_s: see `TranscriptRow`; listened_s: the part of it
    spent on hearing. ended: `end`, `limit` or `refused`, `text` then being the reason. served: what a server says it
    served.
    """

    key: str
    asker: str
    content: str
    scores: str | None
    text: str | None
    written: int
    compute_s: float
    batch_size: int
    read: int = 0
    ended: str = "end"
    served: str | None = None
    listened_s: float = 0.0


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One arm's answer on one trial.

    label: the calibrated label, the parsed one, or INVALID; note says why it is INVALID. tie, raw_tie: whether the best
    two labels were equal after calibration, and before.
    """

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
    raw_tie: int = 0
    note: str | None = None


Row = ClipRow | TranscriptRow | ReplyRow | AnswerRow
R = TypeVar("R", ClipRow, TranscriptRow, ReplyRow, AnswerRow)
_TABLES: dict[type, str] = {
    ClipRow: "clips",
    TranscriptRow: "transcripts",
    ReplyRow: "replies",
    AnswerRow: "answers",
}


class Journal:
    """The rows of a run directory's `journal.sqlite`.

    create: open it to be written, made where it is missing; a journal of an older version can only be read.
    """

    def __init__(self, path: Path, create: bool = True) -> None:
        if not create and not path.is_file():
            raise RunError(f"{path.parent}: no journal there; is it the directory of a run?")
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=60, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._schema = self._version()
            if create and self._schema is None:
                self._create()
        except (sqlite3.Error, OSError) as error:
            raise RunError(f"{path}: the journal cannot be opened ({error})") from None
        if self._schema not in (None, 1, SCHEMA):
            raise RunError(f"{path}: written by another version (schema {self._schema}); use a new directory")
        if create and self._schema == 1:
            raise RunError(
                f"{path}: written by an older version; `ceq report` still reads it, a run needs a new directory"
            )

    def _version(self) -> int | None:
        """The schema of what is there; None where nothing is."""
        if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'facts'").fetchone():
            return None
        found = self._select("SELECT value FROM facts WHERE key = 'schema'")
        version = self._decoded("schema", found[0][0]) if found else 1
        if isinstance(version, bool) or not isinstance(version, int):
            raise self._damaged(f"fact 'schema' is {str(version)[:40]!r}")
        return version

    def _create(self) -> None:
        with self._writing():
            self._db.execute("CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
            for kind, table in _TABLES.items():
                columns = ", ".join(f"{f.name} PRIMARY KEY" if f.name == "key" else f.name for f in fields(kind))
                self._db.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns}, digest) WITHOUT ROWID")
            self._db.execute("INSERT OR IGNORE INTO facts VALUES ('schema', ?)", (json.dumps(SCHEMA),))
        self._schema = SCHEMA

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
                values = tuple(map(_native, astuple(row)))
                marks = ", ".join("?" * (len(values) + 1))
                statement = f"INSERT OR IGNORE INTO {_TABLES[type(row)]} VALUES ({marks})"  # noqa: S608
                self._db.execute(statement, (*values, _digest(values)))

    def put_fact(self, key: str, value: Any) -> None:
        """Set a fact, as JSON."""
        text = json.dumps(value, allow_nan=False)
        with self._writing():
            for name, said in ((key, text), (_DIGEST + key, json.dumps(_digest((key, text))))):
                self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, said))

    def fact(self, key: str, default: Any = None) -> Any:
        """A fact, or `default`. Raises `RunError` where the journal is damaged, as all that reads does."""
        if self._schema is None:
            return default
        found = self._select("SELECT key, value FROM facts WHERE key IN (?, ?)", (key, _DIGEST + key))
        return self._checked(found).get(key, default)

    def facts(self, prefix: str) -> list[Any]:
        """All facts whose key starts with `prefix`, by key."""
        if self._schema is None:
            return []
        starts = (f"{prefix}%", f"{_DIGEST}{prefix}%")
        return list(self._checked(self._select(
            "SELECT key, value FROM facts WHERE key LIKE ? OR key LIKE ? ORDER BY key", starts
        )).values())  # fmt: skip

    def check(self) -> None:
        """Raise `RunError` where SQLite finds the file damaged (about 0.1 s for 5 MB), or a row or a fact is not what
        was written, whether anybody reads it or not (3 µs a row)."""
        found = self._select("PRAGMA integrity_check(1)")
        if found != [("ok",)]:
            raise self._damaged(str(found[0][0]) if found else "no answer")
        self.facts("")
        if self._schema != SCHEMA:
            return
        for table in _TABLES.values():
            try:
                for row in self._db.execute(f"SELECT * FROM {table}"):  # noqa: S608
                    self._as_written(table, row)
            except sqlite3.Error as error:
                raise self._damaged(str(error)) from None

    def _as_written(self, table: str, row: tuple[Any, ...]) -> None:
        if row[-1] != _digest(row[:-1]):
            raise self._damaged(f"a row of {table} is not what was written: {row[0]}")

    def _select(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._damaged(str(error)) from None

    def _checked(self, found: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
        """Facts by key; of journals from before facts had digests as they are."""
        values = {key: self._decoded(key, value) for key, value in found}
        for key, text in found:
            kept = values.get(_DIGEST + key)
            if kept is not None and kept != _digest((key, text)):
                raise self._damaged(f"fact '{key[:80]}' is not what was written")
        return {key: value for key, value in values.items() if not str(key).startswith(_DIGEST)}

    def _decoded(self, key: str, value: Any) -> Any:
        try:
            return json.loads(value)
        except (ValueError, TypeError, RecursionError) as error:
            raise self._damaged(f"fact '{str(key)[:80]}' is no JSON: {error}") from None

    def _damaged(self, what: str) -> RunError:
        return RunError(
            f"{self.path}: the journal is damaged and cannot be read ({' '.join(what.split())[:200]}); "
            "take a copy of it from before, or run the study into a new directory"
        )

    def rows(self, kind: type[R], keys: Iterable[str] | None = None) -> dict[str, R]:
        """Rows of a kind by key: all, or those of `keys` that are there."""
        return {row.key: row for row in self.each(kind, keys)}

    def each(self, kind: type[R], keys: Iterable[str] | None = None) -> Iterator[R]:
        """`rows` one by one, so that not all need be kept."""
        if self._schema is None:
            return
        select = f"SELECT * FROM {_TABLES[kind]}"  # noqa: S608
        if keys is None:
            yield from self._read(kind, self._select(select + " ORDER BY key"))
            return
        wanted = list(keys)
        for start in range(0, len(wanted), 500):
            part = wanted[start : start + 500]
            yield from self._read(kind, self._select(f"{select} WHERE key IN ({', '.join('?' * len(part))})", part))

    def _read(self, kind: type[R], found: Iterable[tuple[Any, ...]]) -> Iterator[R]:
        for row in found:
            if self._schema == 1:
                yield _older(kind, row)
                continue
            self._as_written(_TABLES[kind], row)
            yield kind(*row[:-1])

    def missing(self, kind: type[R], keys: Sequence[str]) -> list[str]:
        """Those of `keys` without a row, in their order."""
        if self._schema is None:
            return list(keys)
        select = f"SELECT key FROM {_TABLES[kind]} WHERE key IN"  # noqa: S608
        there: set[str] = set()
        for start in range(0, len(keys), 500):
            part = keys[start : start + 500]
            there.update(key for (key,) in self._select(f"{select} ({', '.join('?' * len(part))})", part))
        return [key for key in keys if key not in there]

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _digest(values: Sequence[Any]) -> str:
    return hashlib.blake2b(repr(tuple(values)).encode(), digest_size=8).hexdigest()


def _native(value: Any) -> Any:
    """As SQLite gives it back, so that a row's digest is the same before and after."""
    if isinstance(value, bool):
        return int(value)
    return float(value) if isinstance(value, float) else value


def _older(kind: type[R], row: tuple[Any, ...]) -> R:
    """A row of schema 1, where one number held the tokens read under labels and those written under generation."""
    made = kind(*row)
    if isinstance(made, ReplyRow) and made.scores is not None:
        return replace(made, written=0, read=made.written)
    return made
