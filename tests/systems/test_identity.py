"""Identities: weights by content, whatever the file they came in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems.identity import fingerprint, identify
from cascade_equivalence.systems.loading import Placement, locate, place
from tests.models import directory

TENSORS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(4, np.float16)}


def saved(path: Path, *shards: dict[str, np.ndarray], **metadata: str) -> Path:
    path.mkdir()
    for number, shard in enumerate(shards):
        save_file(shard, path / f"model-{number}.safetensors", metadata=metadata or None)
    return path


def test_order_shards_and_metadata_do_not_matter(tmp_path: Path) -> None:
    whole = fingerprint(saved(tmp_path / "whole", TENSORS))
    parts = [{name: tensor} for name, tensor in reversed(TENSORS.items())]
    assert fingerprint(saved(tmp_path / "parts", *parts)) == whole
    assert fingerprint(saved(tmp_path / "said", TENSORS, format="pt")) == whole


def test_every_bit_name_dtype_and_shape_matters(tmp_path: Path) -> None:
    others = [
        TENSORS | {"a": TENSORS["a"] + np.float32(1e-7) * (TENSORS["a"] == 1)},
        TENSORS | {"a": TENSORS["a"].reshape(3, 2)},
        TENSORS | {"b": np.ones(4, np.float32)},
        {"a": TENSORS["a"], "c": TENSORS["b"]},
        {"a": TENSORS["a"]},
    ]
    seen = {fingerprint(saved(tmp_path / str(i), other)) for i, other in enumerate([TENSORS, *others])}
    assert len(seen) == len(others) + 1


def test_broken_files(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(ModelError, match="no safetensors files"):
        fingerprint(tmp_path / "none")
    cut = saved(tmp_path / "cut", TENSORS) / "model-0.safetensors"
    cut.write_bytes(cut.read_bytes()[:-3])
    with pytest.raises(ModelError, match="cut short"):
        fingerprint(cut.parent)
    junk = tmp_path / "junk"
    junk.mkdir()
    (junk / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0not json at all!")
    with pytest.raises(ModelError, match="not a safetensors file"):
        fingerprint(junk)


def test_what_changes_an_answer_changes_the_identity() -> None:
    where = directory("whisper-tiny.en")
    identity = identify("w", where, Placement("cpu", "float32", 8), padding="short")
    assert (
        identify("another name", where, Placement("cpu", "float32", 8), padding="short").digest() == identity.digest()
    )
    for placement in (Placement("cpu", "bfloat16", 8), Placement("cuda", "float32", 8), Placement("cpu", "float32", 4)):
        assert identify("w", where, placement, padding="short").digest() != identity.digest()
    assert identify("w", where, Placement("cpu", "float32", 8), padding="stock").digest() != identity.digest()
    assert replace(identity, runtime="torch 0").digest() != identity.digest()


def test_a_directory_is_a_model_id(tmp_path: Path) -> None:
    where = saved(tmp_path / "mine", load_file(directory("whisper-tiny.en") / "model.safetensors"))
    assert locate(str(where), print) == where.resolve()
    assert fingerprint(where) == fingerprint(directory("whisper-tiny.en"))


def test_placement() -> None:
    assert place("llm", "cpu", "auto", None) == Placement("cpu", "float32", 16)
    assert place("asr", "cpu", "float16", 3) == Placement("cpu", "float16", 3)
    with pytest.raises(ModelError, match="device 'gpu7'"):
        place("llm", "gpu7", "auto", None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there")
@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_a_device_that_is_not_there_is_named_before_any_work(device: str) -> None:
    with pytest.raises(ModelError, match=rf"device '{device}': there is none .* give device: cpu, or auto"):
        place("llm", device, "auto", None)
