"""Workers on a Ray cluster of two nodes, processes of their own on this machine: each piece once, whatever leaves."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cascade_equivalence.audio.clip import stored
from cascade_equivalence.audio.condition import Condition
from cascade_equivalence.audio.store import ClipStore
from cascade_equivalence.errors import AudioError, RunError, UsageError
from cascade_equivalence.run.journal import ClipRow, TranscriptRow
from cascade_equivalence.run.pool import Pool
from cascade_equivalence.run.ray_worker import MARK
from cascade_equivalence.run.ray_workers import Cluster, OnRay
from cascade_equivalence.run.work import Make, Sound, Transcribe
from cascade_equivalence.tasks.item import Item
from tests.run import doing
from tests.run.nodes import Nodes

pytestmark = pytest.mark.slow
ray = pytest.importorskip("ray")


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with Nodes() as two:
        yield two


Start = Callable[..., Pool]


@pytest.fixture
def start(nodes: Nodes, tmp_path: Path) -> Iterator[Start]:
    made: list[Pool] = []

    def one(does: Any, workers: int | None = 2, unseen: bool = False) -> Pool:
        # Two processors: another pool's workers would hold them.
        for before in made:
            before.close()
        plan, store = doing.plan("a", "b"), ClipStore(tmp_path / "clips")
        on_ray = OnRay(plan, store, Cluster(nodes.address, workers), print, does)
        if unseen:
            (store.directory / MARK).unlink()
        made.append(Pool(plan, doing.here(plan, store), on_ray))
        return made[-1]

    yield one
    for pool in made:
        pool.close()


def ran(pool: Pool, work: list[Any]) -> list[Any]:
    return [row for rows in pool.map(work) for row in rows]


def test_every_piece_is_done_once_by_workers_of_the_cluster(start: Start) -> None:
    work = [doing.piece(model, str(i), 0.05) for model in "ab" for i in range(12)]
    done = ran(start(doing.sleep), work)
    assert sorted(row.key for row in done) == sorted(key for piece in work for key in piece.keys)
    assert str(os.getpid()) not in {row.text for row in done}
    assert len({row.text for row in done}) == 2


def test_as_many_workers_as_there_is_room_for_and_an_error_where_there_is_none(start: Start, nodes: Nodes) -> None:
    pool = start(doing.threads, workers=None)
    assert len(pool._workers.names) == 2
    assert [row.text for row in ran(pool, [doing.piece("a", "x")])] == ["1 cpu"]
    with pytest.raises(UsageError, match="no node of the Ray cluster has 1 CPU, 8 GPU"):
        OnRay(doing.plan("a"), ClipStore(Path()), Cluster(nodes.address, gpus=8), print, doing.sleep)


def test_a_worker_that_is_killed_is_replaced_and_work_that_kills_twice_is_named(start: Start) -> None:
    work = [doing.piece("a", name) for name in ("0", "1", "fatal", "2", *map(str, range(3, 20)))]
    done = ran(start(doing.die_once), work)
    assert sorted(row.key for row in done) == sorted(key for piece in work for key in piece.keys)
    with pytest.raises(RunError, match=r"twice \(.*'a' of clip always"):
        ran(start(doing.die_once), [doing.piece("a", name) for name in ("0", "always", "1")])


def test_errors_of_the_package_come_back_as_themselves(start: Start) -> None:
    with pytest.raises(AudioError, match="item 'x': no sound"):
        ran(start(doing.fail), [doing.piece("a", "ours")])
    with pytest.raises(RunError, match="ZeroDivisionError: by nothing"):
        ran(start(doing.fail), [doing.piece("a", "theirs")])


@pytest.mark.parametrize("unseen", [False, True])
def test_sounds_reach_workers_and_come_from_them(start: Start, tmp_path: Path, unseen: bool) -> None:
    store, pool = ClipStore(tmp_path / "clips"), start(doing.sounds, unseen=unseen)
    clip = stored(np.linspace(-0.4, 0.4, 480, dtype=np.float32))
    store.put(clip)
    piece = Transcribe("a", (Sound(clip.sha256, clip.seconds),), ("a:heard",))
    items = [Item(str(size), "", None, (), ()) for size in (320, 640)]
    make = Make(tuple((item.id, "task", item, Condition("clean", ())) for item in items))
    rows = ran(pool, [piece, make])
    (heard,) = [row for row in rows if isinstance(row, TranscriptRow)]
    size, folder = heard.text.split()
    assert size == "480"
    assert (folder == "clips") == (not unseen)
    made = [row for row in rows if isinstance(row, ClipRow)]
    assert sorted(len(store.get(row.sha256).samples) for row in made) == [320, 640]


def test_a_node_that_leaves_loses_its_work_in_flight_only(start: Start, nodes: Nodes) -> None:
    work = [doing.piece("a", str(i), 0.3) for i in range(40)]
    keys = []
    for rows in start(doing.sleep).map(work):
        keys += [row.key for row in rows if isinstance(row, TranscriptRow)]
        if len(keys) == 6:
            nodes.kill()
    assert sorted(keys) == sorted(key for piece in work for key in piece.keys)
    nodes.add()


def test_a_cluster_that_is_not_there_is_said() -> None:
    with pytest.raises(UsageError, match=r"no Ray cluster at '127\.0\.0\.1:1'.*ray start --head"):
        OnRay(doing.plan("a"), ClipStore(Path()), Cluster("127.0.0.1:1"), print, doing.sleep)
