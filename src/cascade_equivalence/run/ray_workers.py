"""Workers on a Ray cluster, one actor each: Ray places and watches them, this process alone writes.

Needs the extra `[ray]`; `import ray` happens when a cluster is first spoken to.
"""

from __future__ import annotations

import socket
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cascade_equivalence.audio.store import ClipStore
from cascade_equivalence.errors import RunError, UsageError
from cascade_equivalence.run.journal import Row
from cascade_equivalence.run.models import Models
from cascade_equivalence.run.plan import Plan
from cascade_equivalence.run.pool import Away, Back, Done, Event, Failed, Lost
from cascade_equivalence.run.ray_worker import MARK, Outcome, RayWorker, sounds_of
from cascade_equivalence.run.work import Work, do
from cascade_equivalence.run.workers import pickled, placed

TICK_S = 2.0
"""How often the cluster is looked at while nothing comes."""
WITHOUT_ROOM_S = 600.0
"""How long a run waits for a cluster none of whose nodes has room for a worker."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Ray cluster and what each worker takes of it.

    address: as `ray.init` takes it. workers: how many; None: as many as there is room for at the start. resources:
    Ray's custom ones. environment: a `runtime_env`.
    """

    address: str = "auto"
    workers: int | None = None
    cpus: float = 1.0
    gpus: float = 0.0
    resources: Mapping[str, float] = field(default_factory=dict)
    environment: Mapping[str, Any] | None = None

    @property
    def needs(self) -> dict[str, float]:
        """What a worker takes, as nodes name what they have."""
        asked = {"CPU": self.cpus, "GPU": self.gpus, **self.resources}
        return {name: amount for name, amount in asked.items() if amount}


@dataclass(slots=True)
class _Actor:
    handle: Any
    ready: Any
    """Reference to whether it sees the clips; None once that is known."""
    sees: bool = False
    given: deque[tuple[Any, Work]] = field(default_factory=deque)


class OnRay:
    """See `Workers`. does: what does a piece there, a function at the top of a module. Raises `UsageError` where there
    is no cluster, or no node with room for a worker."""

    def __init__(
        self,
        plan: Plan,
        store: ClipStore,
        cluster: Cluster,
        say: Callable[[str], None],
        does: Callable[[Work, Plan, Models, ClipStore], Iterator[list[Row]]] = do,
    ) -> None:
        self._cluster, self._store, self._say = cluster, store, say
        self._parcel = pickled(placed(plan, "cuda:0") if cluster.gpus else plan, does)
        self._connected = connect(cluster)
        self._count = cluster.workers or self._room()
        if not self._room():
            raise UsageError(f"executor: no node of the Ray cluster has {_amounts(cluster.needs)} for a worker")
        self._actors: dict[int, _Actor] = {}
        self._away: set[int] = set()
        self._looked = self._last_room = time.monotonic()
        self._mark = uuid.uuid4().hex
        store.directory.mkdir(parents=True, exist_ok=True)
        (store.directory / MARK).write_text(self._mark, encoding="utf-8")

    @property
    def names(self) -> Sequence[str]:
        """See `Workers.names`."""
        return [f"worker {index + 1} (Ray)" for index in range(self._count)]

    def give(self, worker: int, piece: Work) -> None:
        """See `Workers.give`."""
        actor = self._actors.get(worker)
        if actor is None:
            actor = self._actors[worker] = self._start()
        clips: dict[str, bytes] = {}
        if not actor.sees:
            # Also while that is not known yet. What is missing is the worker's to say.
            paths = {sha256: self._store.path(sha256) for sha256 in sounds_of(piece)}
            clips = {sha256: path.read_bytes() for sha256, path in paths.items() if path.is_file()}
        actor.given.append((actor.handle.work.remote(piece, clips), piece))

    def wait(self) -> list[Event]:
        """See `Workers.wait`. Raises `RunError` where the cluster has had no room for any worker for long."""
        import ray

        events: list[Event] = []
        while not events:
            by_reference = {actor.given[0][0]: index for index, actor in self._actors.items() if actor.given}
            if by_reference:
                ready, _ = ray.wait(list(by_reference), timeout=TICK_S)
                events += [self._event(by_reference[reference]) for reference in ready]
            else:
                time.sleep(TICK_S)
            if not events or time.monotonic() - self._looked > TICK_S:
                events += self._look()
        return events

    def close(self) -> None:
        """See `Workers.close`."""
        import ray

        if not ray.is_initialized():
            return
        for actor in self._actors.values():
            ray.kill(actor.handle)
        self._actors = {}
        if self._connected:
            ray.shutdown()

    def _start(self) -> _Actor:
        import ray

        if not ray.is_initialized():
            self._connected = connect(self._cluster)
        cluster = self._cluster
        threads = max(1, int(cluster.cpus))
        # Never restarted by Ray: what a lost one was doing is the pool's to hand out again.
        kind = ray.remote(max_restarts=0, max_task_retries=0)(RayWorker)
        handle = kind.options(
            num_cpus=cluster.cpus,
            num_gpus=cluster.gpus,
            resources=dict(cluster.resources) or None,
        ).remote(threads, self._parcel, str(self._store.directory.resolve()), self._mark)
        return _Actor(handle, handle.sees_clips.remote())

    def _event(self, worker: int) -> Event:
        import ray

        actor = self._actors[worker]
        reference, _ = actor.given[0]
        try:
            outcome: Outcome = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            return Failed(worker, RunError(f"a worker failed: {str(error).strip().splitlines()[-1]}"))
        except ray.exceptions.RayError as error:
            ray.kill(actor.handle)
            del self._actors[worker]
            said = " ".join(str(error).split())
            if "creation task" in said:
                # It would fail on every node that is like this one.
                return Failed(worker, RunError(f"a worker cannot start on a node ({said[-400:]}); {_INSTALLED}"))
            return Lost(worker, said[:200])
        actor.given.popleft()
        for line in outcome.said:
            self._say(f"{self.names[worker]}: {line}")
        if outcome.error is not None:
            return Failed(worker, outcome.error)
        for sha256, content in outcome.clips.items():
            path = self._store.path(sha256)
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            part.write_bytes(content)
            part.replace(path)
        return Done(worker, outcome.rows)

    def _look(self) -> list[Event]:
        """Workers for which nodes that left have no room any more, and those for which there is room again."""
        import ray

        self._looked = time.monotonic()
        starting = [actor for actor in self._actors.values() if actor.ready is not None]
        for actor in starting:
            if ray.wait([actor.ready], timeout=0)[0]:
                try:
                    actor.sees, actor.ready = bool(ray.get(actor.ready)), None
                except ray.exceptions.RayError:
                    # Its first piece says the same.
                    actor.ready = None
        events: list[Event] = []
        room = self._room()
        for index in sorted(self._actors, reverse=True):
            if len(self._actors) > room and self._actors[index].ready is not None:
                ray.kill(self._actors.pop(index).handle)
                self._away.add(index)
                events.append(Away(index))
        for index in sorted(self._away)[: max(0, room - len(self._actors))]:
            self._away.discard(index)
            events.append(Back(index))
        if room or self._actors:
            self._last_room = self._looked
        elif self._looked - self._last_room > WITHOUT_ROOM_S:
            raise RunError(
                f"no node of the Ray cluster has had {_amounts(self._cluster.needs)} for a worker for "
                f"{WITHOUT_ROOM_S / 60:.0f} minutes; what was done is kept: run the same command once one has joined"
            )
        return events

    def _room(self) -> int:
        """How many workers the nodes that are there hold, were nobody else on them."""
        import ray

        needs = self._cluster.needs
        there = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        return sum(min(int(node.get(name, 0.0) / amount + 1e-9) for name, amount in needs.items()) for node in there)


_INSTALLED = "the package and its extras must be installed on every node, or given by runtime_env:"


def connect(cluster: Cluster) -> bool:
    """Connect this process to a cluster; False where it was connected already. Raises `UsageError`."""
    try:
        import ray
    except ImportError:
        raise UsageError("executor: ray: needs the extra: pip install 'cascade-equivalence[ray]'") from None
    if ray.is_initialized():
        return False
    try:
        _reach(cluster.address)
        ray.init(
            address=cluster.address,
            runtime_env=dict(cluster.environment) if cluster.environment else None,
            log_to_driver=False,
            logging_level="error",
        )
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        said = " ".join(str(error).split())[:300]
        raise UsageError(f"executor: no Ray cluster at '{cluster.address}' ({said}); {_cure(said)}") from None
    return True


def _reach(address: str) -> None:
    """Raise `OSError` where nothing answers at host:port, for which Ray would wait for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in address:
        socket.create_connection((host, int(port)), timeout=10.0).close()


def _cure(said: str) -> str:
    if "token" in said.lower():
        return (
            "the cluster asks for a token: export RAY_AUTH_MODE=token here as for `ray start`, with the same "
            "~/.ray/auth_token on all machines"
        )
    return "start one with `ray start --head`, or give ray: {address: host:6379}"


def _amounts(needs: Mapping[str, float]) -> str:
    return ", ".join(f"{amount:g} {name}" for name, amount in needs.items())
