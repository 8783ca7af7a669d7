"""One study in this process, in worker processes, on a Ray cluster: the same rows and clips, byte for byte."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.run.nodes import Nodes
from tests.run.small import STUDY, contents, facts, run

pytestmark = pytest.mark.slow

Runs = Callable[..., Path]


def study(executor: Any) -> dict[str, Any]:
    """Small batches of a size at which MKL's sums depend on the number of threads."""
    keys = yaml.safe_load(Path(STUDY).read_text(encoding="utf-8"))
    del keys["arms"]["cascade-w"], keys["models"]["asr-w"]
    keys["models"] |= {name: {"id": name} for name in ("pocket-ctc", "pocket-frames")}
    for model in keys["models"].values():
        model["batch_size"] = 5
    return keys | {"limit": 6, "checks": {"hearing": 12, "repeats": 12, "latency": 2}, "executor": executor}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    place = tmp_path_factory.mktemp("same")

    def one(name: str, executor: Any, **environment: str) -> Path:
        (place / f"{name}.yaml").write_text(yaml.safe_dump(study(executor)), encoding="utf-8")
        done = run(place / name, "run", str(place / f"{name}.yaml"), **environment)
        assert done.returncode == 0, done.stderr[-3000:]
        assert ("worker 2" in done.stderr) == (executor != "here"), done.stderr[-3000:]
        return place / name

    return one


@pytest.fixture(scope="module")
def here(runs: Runs) -> Path:
    return runs("here", "here", OMP_NUM_THREADS="1")


def sounds(directory: Path) -> dict[str, str]:
    """Hash of every clip's file."""
    files = sorted((directory / "clips").rglob("*.flac"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def assert_same(one: Path, other: Path) -> None:
    assert sounds(one) == sounds(other) != {}
    found, wanted = contents(one), contents(other)
    for table, rows in wanted.items():
        assert rows and found[table] == rows, table
    assert facts(one) == facts(other)


def test_two_worker_processes(runs: Runs, here: Path) -> None:
    assert_same(runs("workers", {"workers": 2, "threads": 1}), here)


def test_more_threads(runs: Runs, here: Path) -> None:
    assert_same(runs("threads", "here", OMP_NUM_THREADS="2"), here)


def test_two_nodes_of_a_ray_cluster(runs: Runs, here: Path) -> None:
    pytest.importorskip("ray")
    with Nodes() as nodes:
        there = runs("ray", {"ray": {"address": nodes.address, "workers": 2}})
    assert_same(there, here)
