"""What runs in an actor of a Ray cluster: receives work, does it, gives back rows. Knows nothing of Ray."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cascade_equivalence.run.journal import Row
from cascade_equivalence.run.work import Ask, Make, Sound, Transcribe, Work
from cascade_equivalence.run.worker import limit_threads, portable

MARK = ".run"
"""A file beside the clips whose content tells a worker that it sees the very folder of the run."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a piece: its rows, or the error. said: lines for the user. clips: FLAC files that were made where
    the run's own folder is not seen, by hash."""

    rows: list[Row]
    error: Exception | None = None
    said: tuple[str, ...] = ()
    clips: Mapping[str, bytes] = field(default_factory=dict)


class RayWorker:
    """One worker with models of its own. parcel: as of `workers.pickled`. clips: the run's folder of clips, used where
    it holds the file `MARK` with this `mark`; else the sounds of a piece come with it."""

    def __init__(self, threads: int, parcel: bytes, clips: str, mark: str) -> None:
        limit_threads(threads)
        from cascade_equivalence.audio.store import ClipStore
        from cascade_equivalence.run.models import Models

        # Of the main process, over Ray's own connections.
        self._does, self._plan = pickle.loads(parcel)  # noqa: S301
        self._said: list[str] = []
        self._models = Models(self._plan, self._said.append)
        seen = Path(clips) / MARK
        self._own = None
        if not (seen.is_file() and seen.read_text(encoding="utf-8") == mark):
            self._own = tempfile.TemporaryDirectory(prefix="ceq-clips-")
        self._store = ClipStore(Path(clips if self._own is None else self._own.name))

    def sees_clips(self) -> bool:
        """Whether the run's folder of clips is there."""
        return self._own is None

    def work(self, piece: Work, clips: Mapping[str, bytes]) -> Outcome:
        """Do one piece. clips: its sounds as FLAC files, by hash, for a worker that does not see the run's folder."""
        # Where the run's own folder is seen, its files are neither written nor removed.
        put = {} if self._own is None else {self._store.path(sha256): content for sha256, content in clips.items()}
        try:
            for path, content in put.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            does = self._does(piece, self._plan, self._models, self._store)
            rows = [row for rows in does for row in rows]
            return Outcome(rows, said=self._lines(), clips=self._made(piece, rows))
        except Exception as error:
            return Outcome([], portable(error), self._lines())
        finally:
            for path in put:
                path.unlink(missing_ok=True)

    def _lines(self) -> tuple[str, ...]:
        said = tuple(self._said)
        self._said.clear()
        return said

    def _made(self, piece: Work, rows: list[Row]) -> Mapping[str, bytes]:
        if self._own is None or not isinstance(piece, Make):
            return {}
        paths = {row.sha256: self._store.path(row.sha256) for row in rows if hasattr(row, "sha256")}
        made = {sha256: path.read_bytes() for sha256, path in paths.items()}
        for path in paths.values():
            path.unlink()
        return made


def sounds_of(piece: Work) -> set[str]:
    """Hashes of the clips that a piece needs."""
    match piece:
        case Make():
            return set()
        case Transcribe():
            return {clip.sha256 for clip in piece.clips}
        case Ask():
            return {given.sha256 for given in piece.given if isinstance(given, Sound)}
