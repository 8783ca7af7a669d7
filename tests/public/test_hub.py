"""The hub's door: what is fetched through it, and one sentence for every way in which it can fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cascade_equivalence.errors import UsageError
from cascade_equivalence.public.hub import split_files
from cascade_equivalence.public.sets import SETS, Hub
from tests.public import published
from tests.public.hub_server import COMMIT, Repository, of_folder, served

SST2 = SETS["sst2"].hub.id


def ceq(cache: Path, endpoint: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "CEQ_CACHE": str(cache), "HF_HOME": str(cache / "hub"), "HF_ENDPOINT": endpoint, "HF_TOKEN": "",
        "HF_HUB_DOWNLOAD_TIMEOUT": "5", "HF_HUB_ETAG_TIMEOUT": "5", "HF_HUB_DISABLE_XET": "1",
    }  # fmt: skip
    command = [sys.executable, "-m", "cascade_equivalence", "tasks", "pull", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture
def review(shared_data: Path, tmp_path: Path) -> Repository:
    real = published.items(shared_data, "mustard")[:5]
    clips = published.recordings(sorted((shared_data / "speech" / "ravdess").rglob("*.flac"))[:5])
    return of_folder(published.write("mustard", published.rows("mustard", real, clips), tmp_path / "repository"))


MUSTARD = SETS["mustard"].hub.id


def test_a_data_set_comes_from_the_hub_once(review: Repository, tmp_path: Path) -> None:
    with served({MUSTARD: review}) as endpoint:
        ran = ceq(tmp_path / "cache", endpoint, "mustard", "--rows", "5")
    assert ran.returncode == 0, ran.stderr
    assert (
        "mustard: about 115 MB to fetch from the Hugging Face hub (DynamicSuperb/SarcasmDetection_Mustard@d5c325"
        in ran.stdout
    )
    (source,) = (tmp_path / "cache" / "tasks").glob("mustard-*/source.json")
    assert json.loads(source.read_text())["revision"] == COMMIT
    again = ceq(tmp_path / "cache", "http://127.0.0.1:9", "mustard", "--rows", "5")
    assert again.returncode == 0 and "fetch" not in again.stdout


def test_a_download_that_breaks_off_goes_on(review: Repository, tmp_path: Path) -> None:
    review.cut = 1
    with served({MUSTARD: review}) as endpoint:
        ran = ceq(tmp_path / "cache", endpoint, "mustard", "--rows", "5")
        if ran.returncode:  # the client gives up at once: the same command goes on
            assert "try again, what was fetched is kept" in ran.stderr and len(ran.stderr.splitlines()) == 1
            ran = ceq(tmp_path / "cache", endpoint, "mustard", "--rows", "5")
    assert ran.returncode == 0, ran.stderr
    assert review.cut == 0


@pytest.mark.parametrize(
    ("repository", "message"),
    [
        (None, "the hub has no such data set, or it is private and needs a login"),
        (Repository(refuse=(401, "RepoNotFound")), "the hub has no such data set, or it is private and needs a login"),
        (Repository(refuse=(403, "GatedRepo")), "its owner asks for consent first: accept on its page, then log in"),
        (Repository(refuse=(404, "RevisionNotFound")), "the hub has no revision d5c325e746da"),
        (Repository(refuse=(500, "")), "the hub answered 500"),
        (Repository({"mustard.py": b"", "README.md": b""}), "a loading script and no Parquet at revision d5c325"),
        (Repository({"README.md": b""}), "no Parquet file at revision"),
        (Repository({"data/train-00000-of-00001.parquet": b""}), "no Parquet of split 'test'"),
        (Repository({"data/test-00000-of-00001.parquet": b"not Parquet"}), "not readable as Parquet"),
    ],
)  # fmt: skip
def test_refusals_are_one_sentence(tmp_path: Path, repository: Repository | None, message: str) -> None:
    with served({MUSTARD: repository} if repository else {}) as endpoint:
        ran = ceq(tmp_path, endpoint, "mustard")
    assert ran.returncode in (1, 2) and message in ran.stderr, ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert not list((tmp_path / "tasks").glob("*/items.jsonl")) and not list((tmp_path / "tasks").glob(".mustard*"))


def test_a_hub_that_cannot_be_reached(tmp_path: Path) -> None:
    ran = ceq(tmp_path, "http://127.0.0.1:9", "mustard")
    assert ran.returncode == 1 and len(ran.stderr.splitlines()) == 1
    assert "the hub cannot be reached" in ran.stderr and "(path: …)" in ran.stderr


def test_files_of_a_split() -> None:
    def of(split: str, *names: str, config: str | None = None) -> tuple[str, ...]:
        return split_files(Hub("a/b", None, split, config), list(names))

    layout = (
        "data/train-00000-of-00001.parquet",
        "data/test-00000-of-00002.parquet",
        "data/test-00001-of-00002.parquet",
    )
    assert of("test", *layout) == layout[1:]
    converted = ("default/test/0000.parquet", "default/train/0000.parquet")
    assert of("test", *converted, config="default") == converted[:1]
    hashed = ("rc/validation-00000-of-00001-704c89cb4ea5f756.parquet", "rc.nocontext/validation-00000-of-00001.parquet")
    assert of("validation", *hashed, config="rc.nocontext") == hashed[1:]
    assert of("test", "x/parquet-test.parquet", "x/parquet-train.parquet") == ("x/parquet-test.parquet",)
    with pytest.raises(UsageError, match=r"no Parquet of config 'rd' .*folders: rc"):
        of("validation", *hashed, config="rd")
    with pytest.raises(UsageError, match=r"no Parquet of split 'dev' .*splits: test, train"):
        of("dev", *layout)
