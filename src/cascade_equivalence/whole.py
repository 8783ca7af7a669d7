"""Files that hold all of their content or are not there, and nothing left over where the writer was killed."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

PART = ".part"
"""Suffix of what is being written, beside what it will be: `.NAME.part`."""


@contextlib.contextmanager
def whole(path: Path, sync: bool = False) -> Iterator[Path]:
    """Yield a path to write to, which becomes `path` when the block ends and is gone where it fails.

    It has the rights of any new file. Its name follows from `path`'s, and its writer holds a lock on it: what a killed
    writer left is taken over by the next one, and that of a living writer is let alone. sync: have it on the disk
    before it gets its name. Raises what opening, writing and renaming raise.
    """
    handle, part = _taken(path)
    try:
        yield part
        if sync:
            with part.open("rb") as written:
                os.fsync(written.fileno())
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    finally:
        if handle is not None:
            os.close(handle)


def clear_parts(directory: Path, pattern: str = "*") -> None:
    """Remove what killed writers left in the directories that `pattern` finds below this one, and in itself."""
    for place in (directory, *directory.glob(f"{pattern}/")):
        for left in place.glob(f".*{PART}"):
            with contextlib.suppress(OSError):
                handle = os.open(left, os.O_RDWR)
                try:
                    if _locked(handle):
                        left.unlink()
                finally:
                    os.close(handle)


def why_not(error: BaseException) -> str:
    """Why a file could not be written, and what may help."""
    said = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"{said}: give a place that you may write to"
    if number in (errno.ENOTDIR, errno.EISDIR, errno.EEXIST):
        return f"{said}: something else has that name"
    return f"{said}; is the disk full?"


def _taken(path: Path) -> tuple[int | None, Path]:
    """A new, empty file under lock, and its path; another name where a living writer has the usual one."""
    part = path.with_name(f".{path.name}{PART}")
    if fcntl is None:  # and where an open file could not be renamed
        part.write_bytes(b"")
        return None, part
    for _ in range(100):
        handle = os.open(part, os.O_RDWR | os.O_CREAT, 0o666)
        if not _locked(handle):
            os.close(handle)
            part = path.with_name(f".{path.name}.{os.getpid()}{PART}")
            continue
        # Between opening and locking, another writer may have renamed or removed it.
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(handle), part.stat()):
                os.ftruncate(handle, 0)
                return handle, part
        os.close(handle)
    raise OSError(f"{part}: cannot be held; is another program writing there?")


def _locked(handle: int) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: as if there were one writer
        return True
    return True
