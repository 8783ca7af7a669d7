"""A Ray cluster of two nodes on this machine, each with one processor: real nodes, processes of their own."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

# Nodes ask for a token, which the driver then has too. Ray reads this when it is imported.
os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}


class Nodes:
    """The head and one more node, which can be killed and put back."""

    def __enter__(self) -> Nodes:
        # Workers import this repository.
        paths = [str(Path(__file__).parents[2]), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(filter(None, paths)))
        from ray.cluster_utils import Cluster

        # Not a test's own folder: the names of sockets in it may not be long.
        self._folder = tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True)
        small: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 100_000_000, "temp_dir": self._folder.name}
        self._small = small
        self._cluster = Cluster(initialize_head=True, head_node_args=small | {"include_dashboard": False})
        self._more: list[Any] = []
        self.add()
        return self

    @property
    def address(self) -> str:
        """Of the head."""
        return str(self._cluster.address)

    def add(self) -> None:
        """One more node."""
        self._more.append(self._cluster.add_node(**self._small))

    def kill(self) -> None:
        """The node that was added last, with all that runs on it, at once."""
        self._cluster.remove_node(self._more.pop(), allow_graceful=False)

    def workers(self) -> list[int]:
        """Process ids of the actors on all nodes."""
        raylets = [node.all_processes["raylet"][0].process.pid for node in self._cluster.list_all_nodes()]
        return [pid for raylet in raylets for pid in children(raylet) if words_of(pid).startswith("ray::RayWorker")]

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        import ray

        ray.shutdown()
        self._cluster.shutdown()
        self._folder.cleanup()


def children(pid: int) -> list[int]:
    """Process ids of a process's children; none where it is gone."""
    try:
        return [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except OSError:
        return []


def words_of(pid: int) -> str:
    """The command line of a process; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
