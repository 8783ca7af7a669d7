"""Which file system a run directory is on: a journal in WAL mode needs memory that all its readers share."""

from __future__ import annotations

import re
from pathlib import Path

from cascade_equivalence.errors import RunError

MOUNTS = Path("/proc/mounts")
"""Linux's table of what is mounted where."""

NETWORK = re.compile(
    r"nfs\d?|cifs|smb\w*|lustre|gpfs|beegfs\w*|ceph|afs|glusterfs|ncpfs|fuse\.(sshfs|s3fs|gcsfuse|glusterfs|ceph\w*|"
    r"rclone|juicefs|goofys|blobfuse\d?|mount-s3)"
)


def refuse_network(directory: Path, mounts: Path = MOUNTS) -> None:
    """Raise `RunError` where a journal's directory is on a network file system, as far as the system says."""
    found = kind_of(directory, mounts)
    if found and NETWORK.fullmatch(found[0]):
        kind, point = found
        raise RunError(
            f"{directory}: {point} is a network file system ({kind}), where SQLite's locks and shared memory do not "
            "hold and a journal would be damaged; give --out on a local disk, and copy the directory when it is done"
        )


def kind_of(directory: Path, mounts: Path = MOUNTS) -> tuple[str, str] | None:
    """The type of the file system that a path is (or will be) on, and where that is mounted; None: not known."""
    try:
        table = mounts.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    place = directory.resolve()
    found: tuple[str, str] | None = None
    for line in table.splitlines():
        parts = line.split(" ")
        if len(parts) < 3:
            continue
        point = Path(_unescaped(parts[1]))
        # What is mounted later, or deeper, covers what was there.
        if (place == point or point in place.parents) and (found is None or len(str(point)) >= len(found[1])):
            found = (parts[2], str(point))
    return found


def _unescaped(text: str) -> str:
    """A mount point as it is: the table writes blanks and backslashes in octal."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
