"""What is fetched from a hub, and what is said when it refuses: against a server of this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from tests.systems.hub_server import Hub, serving

ASK = """
import sys
from cascade_equivalence.errors import CeqError
from cascade_equivalence.systems.loading import locate
from cascade_equivalence.systems.speech.families import decide
model, revision, speech = sys.argv[1:]
try:
    print("AT", locate(model, lambda line: print("SAID", line), revision or None, decide if speech else None))
except CeqError as error:
    print("ERROR", type(error).__name__, error)
"""
BIG = save({"a": np.zeros(400_000, np.float32)})
"""1.6 MB."""
INDEX = json.dumps({"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}})


@dataclass
class Answer:
    at: Path | None
    error: str
    said: list[str]


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving(Hub()) as found:
        yield found


def ask(hub: Hub, cache: Path, model: str, revision: str = "", speech: bool = False, **environment: str) -> Answer:
    """`locate` in a process of its own, since huggingface_hub reads its settings once."""
    settings = {"HF_ENDPOINT": hub.url, "HF_HOME": str(cache), "HF_TOKEN_PATH": str(cache / "none"), **environment}
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING_FACE_"))}
    done = subprocess.run(
        [sys.executable, "-c", ASK, model, revision, "speech" if speech else ""],
        env=kept | settings,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    at = next((Path(line[3:]) for line in lines if line.startswith("AT ")), None)
    error = (
        "\n".join(lines[i:])[6:]
        if (i := next((n for n, x in enumerate(lines) if x.startswith("ERROR")), -1)) >= 0
        else ""
    )
    return Answer(at, error, [line[5:] for line in lines if line.startswith("SAID ")])


def whisper(**more: bytes) -> dict[str, bytes]:
    """A repository as whisper-large-v3's: one file of weights, and the same again in float32 shards."""
    return {
        "config.json": b'{"model_type": "whisper"}',
        "tokenizer.json": b"{}",
        "README.md": b"card",
        "model.safetensors": save({"a": np.zeros(3, np.float16)}),
        "model.fp32-00001-of-00002.safetensors": BIG,
        "model.safetensors.index.fp32.json": INDEX.encode(),
        "consolidated.safetensors": BIG,
        "pytorch_model.bin": b"pickle",
        **more,
    }


def test_what_the_index_names_and_no_more(hub: Hub, tmp_path: Path) -> None:
    hub.files["openai/whisper-large-v3"] = {"main": whisper()}
    found = ask(hub, tmp_path, "openai/whisper-large-v3")
    assert found.at is not None, found.error
    there = {path.name for path in found.at.iterdir()}
    assert there == {"config.json", "tokenizer.json", "model.safetensors", "model.safetensors.index.fp32.json"}
    assert hub.fetched()[-1] == "model.safetensors"
    assert any("to fetch from the hub in 1 files, once" in line for line in found.said)

    sharded = {
        "config.json": b"{}",
        "model.safetensors.index.json": INDEX.encode(),
        "model-00001-of-00002.safetensors": save({"a": np.zeros(2, np.float32)}),
        "model-00002-of-00002.safetensors": save({"b": np.zeros(2, np.float32)}),
        "consolidated.safetensors": BIG,
        "adapter_model.safetensors": save({"c": np.zeros(2, np.float32)}),
    }
    hub.files["a/sharded"] = {"main": sharded}
    found = ask(hub, tmp_path, "a/sharded")
    assert found.at is not None, found.error
    assert {path.name for path in found.at.iterdir()} == sharded.keys() - {"consolidated.safetensors"}
    # A second time nothing is fetched, and without the hub the cache is enough.
    before = len(hub.seen)
    assert ask(hub, tmp_path, "a/sharded").at == found.at
    assert ask(hub, tmp_path, "a/sharded", HF_HUB_OFFLINE="1").at == found.at
    assert len(hub.seen) == before


def test_the_family_is_decided_before_any_weights(hub: Hub, tmp_path: Path) -> None:
    phi = {"config.json": b'{"model_type": "phi4mm"}', "model.safetensors": BIG}
    native = {
        "config.json": b'{"model_type": "phi4_multimodal"}',
        "model.safetensors": save({"a": np.zeros(3, np.float16)}),
        "speech-lora/adapter_model.safetensors": save({"b": np.zeros(3, np.float16)}),
        "speech-lora/adapter_config.json": b"{}",
        "vision-lora/adapter_model.safetensors": BIG,
    }
    hub.files["microsoft/Phi-4-multimodal-instruct"] = {"main": phi, "refs/pr/70": native}
    found = ask(hub, tmp_path, "microsoft/Phi-4-multimodal-instruct", speech=True)
    assert "revision: refs/pr/70" in found.error
    assert hub.fetched() == ["config.json"]
    found = ask(hub, tmp_path, "microsoft/Phi-4-multimodal-instruct", "refs/pr/70", speech=True)
    assert found.at is not None, found.error
    assert found.at.name == "b" * 40
    assert (found.at / "speech-lora/adapter_model.safetensors").is_file()
    assert not (found.at / "vision-lora").exists()
    hub.files["x/salmonn"] = {"main": {"config.json": b'{"model_type": "salmonn"}', "model.safetensors": BIG}}
    assert "'salmonn' is not a family of speech LLMs known here" in ask(hub, tmp_path, "x/salmonn", speech=True).error


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (403, "GatedRepo", ("is gated", "hf auth login", "licence", "403")),
        (401, "RepoNotFound", ("nor on the hub under that name", "hf auth login", "401")),
        (404, "RepoNotFound", ("nor on the hub under that name", "neither embedded")),
        (403, "", ("the hub refused (403", "hf auth login")),
        (500, "", ("the hub refused (500", "try again later")),
    ],
)
def test_a_hub_that_refuses(status: int, code: str, said: tuple[str, ...], hub: Hub, tmp_path: Path) -> None:
    hub.refused["meta-llama/Llama-3.1-8B-Instruct"] = (status, code)
    found = ask(hub, tmp_path, "meta-llama/Llama-3.1-8B-Instruct")
    assert found.error.startswith("ModelError")
    assert "\n" not in found.error
    assert [text for text in said if text not in found.error] == [], found.error


def test_a_revision_or_a_shard_that_is_not_there(hub: Hub, tmp_path: Path) -> None:
    shard = "model-00001-of-00002.safetensors"
    hub.files["a/b"] = {"main": {"config.json": b"{}", "model.safetensors.index.json": INDEX.encode(), shard: BIG}}
    assert "no such revision" in ask(hub, tmp_path, "a/b", "v9").error
    found = ask(hub, tmp_path, "a/b")
    assert "names model-00002-of-00002.safetensors, which the repository does not hold" in found.error
    assert shard not in hub.fetched()
    hub.files["a/pickled"] = {"main": {"config.json": b"{}", "pytorch_model.bin": b"x"}}
    assert "no weights in safetensors" in ask(hub, tmp_path, "a/pickled").error
    hub.files["a/card"] = {"main": {"README.md": b"x"}}
    assert "has no config.json" in ask(hub, tmp_path, "a/card").error
    assert (
        "nor in the hub's local cache, and HF_HUB_OFFLINE is set"
        in ask(hub, tmp_path, "a/other", HF_HUB_OFFLINE="1").error
    )


@pytest.mark.parametrize("status", [401, 403])
def test_a_gated_repository(status: int, hub: Hub, tmp_path: Path) -> None:
    llama = "meta-llama/Llama-3.1-8B-Instruct"
    hub.files[llama] = {"main": {"config.json": b"{}", "model.safetensors": BIG}}
    hub.gated[llama] = status
    error = ask(hub, tmp_path, llama).error
    for text in ("is gated", "hf auth login", "HF_TOKEN", "licence", f"{hub.url}/{llama}", str(status), "llm:"):
        assert text in error


def test_a_connection_that_breaks_off_goes_on(hub: Hub, tmp_path: Path) -> None:
    hub.files["a/b"] = {"main": {"config.json": b"{}", "model.safetensors": BIG}}
    hub.cut["model.safetensors"], hub.cuts["model.safetensors"] = 600_000, 2
    found = ask(hub, tmp_path, "a/b")
    assert found.at is not None, found.error
    assert (found.at / "model.safetensors").read_bytes() == BIG
    assert hub.fetched().count("model.safetensors") == 3


def test_a_download_that_fails_keeps_the_files_that_are_whole(hub: Hub, tmp_path: Path) -> None:
    first, second = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    files = {
        "config.json": b"{}",
        "model.safetensors.index.json": INDEX.encode(),
        first: BIG,
        second: BIG[:-4] + b"1234",
    }
    hub.files["a/b"] = {"main": files}
    hub.cut[second], hub.cuts[second] = 300_000, 100
    found = ask(hub, tmp_path, "a/b")
    assert "broke off" in found.error
    assert "run again, files that are whole are kept" in found.error
    hub.cuts.clear()
    before = len(hub.seen)
    found = ask(hub, tmp_path, "a/b")
    assert found.at is not None, found.error
    assert (found.at / second).read_bytes() == files[second]
    assert hub.fetched()[before:] == [second]
