"""A journal is refused where SQLite cannot keep it: on network file systems, by the system's table of mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from cascade_equivalence.errors import RunError
from cascade_equivalence.run.filesystem import kind_of, refuse_network

TABLE = """\
/dev/vda1 / ext4 rw,relatime 0 0
server:/home /home nfs4 rw,vers=4.2 0 0
/dev/nvme0n1 /home/scratch xfs rw 0 0
//files/share /mnt/my\\040share cifs rw 0 0
me@host:/data /mnt/ssh fuse.sshfs rw 0 0
portal /run/portal fuse.portal rw 0 0
tmpfs /lustre-like tmpfs rw 0 0
mds:/work /lustre lustre rw 0 0
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    path = tmp_path / "mounts"
    path.write_text(TABLE)
    return path


@pytest.mark.parametrize(
    ("directory", "kind"),
    [
        ("/home/me/runs/pocket", "nfs4"),
        ("/home", "nfs4"),
        ("/mnt/my share/run", "cifs"),
        ("/mnt/ssh/run", "fuse.sshfs"),
        ("/lustre/run", "lustre"),
    ],
)
def test_network_file_systems_are_refused_with_the_reason(mounts: Path, directory: str, kind: str) -> None:
    with pytest.raises(RunError, match=rf"network file system \({kind}\).*local disk"):
        refuse_network(Path(directory), mounts)


@pytest.mark.parametrize(
    "directory", ["/home/scratch/run", "/homes/run", "/var/run1", "/run/portal/x", "/lustre-like/x"]
)
def test_local_disks_are_not(mounts: Path, directory: str) -> None:
    refuse_network(Path(directory), mounts)


def test_the_deepest_mount_counts_and_the_last_of_equals(mounts: Path) -> None:
    assert kind_of(Path("/home/scratch/run"), mounts) == ("xfs", "/home/scratch")
    mounts.write_text(TABLE + "server:/b /home/scratch nfs rw 0 0\n")
    assert kind_of(Path("/home/scratch/run"), mounts) == ("nfs", "/home/scratch")


def test_where_there_is_no_table_nothing_is_refused(tmp_path: Path) -> None:
    assert kind_of(tmp_path, tmp_path / "none") is None
    refuse_network(tmp_path, tmp_path / "none")
