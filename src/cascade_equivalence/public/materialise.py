"""A data set as a manifest with its audio in the cache: made whole or not at all, and made once.

`tasks/<name>-<recipe>/` holds `items.jsonl`, `audio/` (recorded sets) and `source.json`: where it is from, the commit,
the files, and the items that were excluded, with their reasons. It appears by one atomic rename, under a lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from cascade_equivalence.audio.clip import write_flac
from cascade_equivalence.errors import UsageError
from cascade_equivalence.hashing import sha256_file
from cascade_equivalence.pocket.fetch import cache_dir
from cascade_equivalence.public import folder, hub, parquet
from cascade_equivalence.public.clips import Excluded, decode
from cascade_equivalence.public.rows import manifest_rows, shuffled
from cascade_equivalence.public.sets import PublicSet
from cascade_equivalence.public.speech import VOICE, clip_path

Say = Callable[[str], None]

ITEMS = "items.jsonl"
SOURCE = "source.json"

CLEANING = 1
"""Raised when a row is read or cleaned in another way, so that older cache entries are not used."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A data set as a study wants it.

    path: a local folder in place of the hub. voice: who speaks its texts, where it brings no sound. rows: the number of
    rows to expect instead of the published one.
    """

    chosen: PublicSet
    path: Path | None = None
    voice: str | None = None
    rows: int | None = None

    @property
    def directory(self) -> Path:
        """Where it is, or will be, in the cache."""
        chosen = self.chosen
        recipe = (CLEANING, chosen.hub, chosen.reader, sorted(chosen.columns.items()), sorted(chosen.fields.items()))
        local = folder.digest(self.path) if self.path and self.path.is_dir() else None
        text = repr((*recipe, chosen.labels, local, self.speaker, self.rows))
        return cache_dir() / "tasks" / f"{chosen.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    @property
    def speaker(self) -> str | None:
        """Who speaks its texts; None where it brings its sound."""
        return (self.voice or VOICE) if self.chosen.spoken else None

    def manifest(self) -> Path:
        """Its manifest, there or not."""
        return self.directory / ITEMS

    def is_there(self) -> bool:
        """Whether the manifest is made (texts may still be unspoken)."""
        return self.manifest().is_file()

    def announcement(self) -> str:
        """What fetching it means, in one line."""
        if self.path:
            return f"{self.chosen.name}: from {self.path}"
        size = f"about {self.chosen.download_mb:g} MB" if self.chosen.download_mb else "its size is said by the hub"
        pinned = "" if self.chosen.hub.revision else ", no pinned revision: known by its columns and number of rows"
        return f"{self.chosen.name}: {size} to fetch from the Hugging Face hub ({self.chosen.hub}{pinned}), once"


def materialise(wanted: Wanted, say: Say) -> Path:
    """The data set's manifest, fetched and made unless the cache holds it.

    Raises `UsageError` or `DataError`, one sentence that names the cure.
    """
    if wanted.voice and not wanted.chosen.spoken:
        raise UsageError(f"{wanted.chosen.name} brings its own sound; voice: is for data sets of texts")
    target = wanted.directory
    if wanted.is_there():
        return wanted.manifest()
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(f"{target.name}.lock")):
        if wanted.is_there():
            return wanted.manifest()
        for stale in target.parent.glob(f".{target.name}.*"):
            shutil.rmtree(stale, ignore_errors=True)
        say(wanted.announcement())
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            _make(wanted, work, target, say)
            if target.exists():
                shutil.rmtree(target)
            work.chmod(0o755)
            work.rename(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return wanted.manifest()


def source_of(manifest: Path) -> dict[str, Any]:
    """What a materialised data set records of itself; empty for any other manifest."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((manifest.parent / SOURCE).read_text(encoding="utf-8"))
        return dict(found)
    return {}


def _make(wanted: Wanted, work: Path, target: Path, say: Say) -> None:
    chosen = wanted.chosen
    rows, count, labels, origin = _rows(wanted, say)
    expected = wanted.rows if wanted.rows is not None else chosen.rows
    made: list[dict[str, Any]] = []
    excluded: list[dict[str, str]] = []
    read = 0

    def counted() -> Iterator[dict[str, Any]]:
        nonlocal read
        for row in rows:
            read += 1
            yield row

    if count is not None:
        _expect(wanted, count, expected)
    for row in manifest_rows(chosen, counted(), labels):
        try:
            made.append(_with_sound(wanted, row, work, target))
        except Excluded as reason:
            excluded.append({"id": row["id"], "reason": str(reason)})
    if count is None:
        _expect(wanted, read, expected)
    if not made:
        raise UsageError(f"{chosen.name}: none of its {read} rows can be used ({excluded[0]['reason']})")
    lines = [json.dumps(row, ensure_ascii=False) for row in shuffled(chosen, made)]
    (work / ITEMS).write_text("\n".join(lines) + "\n", encoding="utf-8")
    source = {
        "name": chosen.name,
        **origin,
        "rows": read,
        "items": len(made),
        "excluded": excluded,
        "licence": chosen.licence,
        "cleaning": CLEANING,
        "spoken_by": wanted.speaker,
    }
    (work / SOURCE).write_text(json.dumps(source, indent=1, ensure_ascii=False), encoding="utf-8")
    say(f"{chosen.name}: {len(made)} items" + _excluded(excluded))


def _excluded(excluded: list[dict[str, str]]) -> str:
    if not excluded:
        return ""
    first = ", ".join(f"{one['id']} ({one['reason']})" for one in excluded[:3])
    more = f" and {len(excluded) - 3} more" if len(excluded) > 3 else ""
    return f"; {len(excluded)} clips excluded for every arm: {first}{more}"


def _rows(wanted: Wanted, say: Say) -> tuple[Iterator[dict[str, Any]], int | None, tuple[str, ...], dict[str, Any]]:
    """The rows, how many (None: known when they are read), their recorded label names, and where they are from."""
    chosen = wanted.chosen
    commit: str | None = None
    if wanted.path is not None:
        files = folder.parquet_in(chosen, wanted.path)
        if not files:
            return folder.own_rows(chosen, wanted.path), None, (), {"from": str(wanted.path), "files": {}}
    else:
        fetched = hub.fetch(chosen.hub, say)
        files, commit = fetched.files, fetched.commit
    column = chosen.fields.get("label", "label")
    labels = parquet.recorded_labels(files, column)
    if chosen.labels and labels and chosen.reader in ("news", "review") and labels != chosen.labels:
        known = tuple(one.casefold() for one in chosen.labels)
        if tuple(one.casefold() for one in labels) != known:
            raise UsageError(
                f"{chosen.name}: its labels are {', '.join(labels)}, not {', '.join(chosen.labels)}; this is not the "
                f"data set that is meant ({chosen.hub})"
            )
    origin = {
        "from": str(wanted.path) if wanted.path else str(chosen.hub),
        "revision": commit,
        "files": {path.name: sha256_file(path) for path in files},
    }
    count = parquet.count_rows(files)
    return parquet.read_rows(files, chosen.columns, chosen.name), count, labels, origin


def _expect(wanted: Wanted, count: int, expected: int | None) -> None:
    # TriviaQA's makers publish several development files; only the hub's one has a known number of rows.
    if (
        expected is None
        or count == expected
        or (wanted.rows is None and wanted.path and wanted.chosen.name == "triviaqa")
    ):
        return
    chosen = wanted.chosen
    where = str(wanted.path) if wanted.path else str(chosen.hub)
    raise UsageError(
        f"{chosen.name}: {count:,} rows in {where}, {expected:,} expected; part of the data would be measured as the "
        f"whole: get all of it, or say that this is what you mean (rows: {count})"
    )


def _with_sound(wanted: Wanted, row: dict[str, Any], work: Path, target: Path) -> dict[str, Any]:
    """The row with `audio` as a path from the manifest: of the clip written now, or of the one to be spoken."""
    if wanted.speaker is not None:
        path = os.path.relpath(clip_path(row["text"], wanted.speaker), target)
        return row | {"audio": path, "speaker": row.get("speaker", wanted.speaker), "spoken_by": wanted.speaker}
    audio = row["audio"]
    clip = decode(audio, f"item '{row['id']}'")
    safe = "".join(c if c.isalnum() or c in "-_" else "_" for c in str(row["id"]))
    name = f"audio/{safe}-{clip.sha256[:12]}.flac"
    write_flac(clip, work / name)
    meta = row["meta"] | {"seconds": round(clip.seconds, 3)}
    return row | {"audio": name, "meta": meta}
