"""Damaged and hostile safetensors files and indices: read, or one ModelError that names the file."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems.tensors import INDEX, read_directory, read_header

GOOD = {"a": {"dtype": "F32", "shape": [2, 4], "data_offsets": [0, 32]}}


def stored(header: object, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + bytes(32)


def refused(path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        read_header(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x80\x04pickle", stored(GOOD, 2**63), stored(GOOD, 2**64 - 1), stored(GOOD, 0), stored(b"[" * 100_000),
        stored(b"[]"), stored(b"3"), stored(b"null"), stored(b'{"a": ' + b"[" * 50_000), stored({"a": 3}), stored({"a": {}}),  # noqa: E501
        stored(b'{"a": {"dtype": "F32", "shape": [Infinity], "data_offsets": [0, 32]}}'),
        stored(b'{"a": {"dtype": "F32", "shape": [8], "data_offsets": [0, Infinity]}}'),
        stored(b'{"a": {"dtype": "F32", "shape": [' + b"9" * 5000 + b'], "data_offsets": [0, 32]}}'),
        stored({"a": GOOD["a"] | {"shape": [2.0, 4]}}), stored({"a": GOOD["a"] | {"shape": [True, 8]}}),
        stored({"a": GOOD["a"] | {"data_offsets": [0, 32, 32]}}), stored({"a": GOOD["a"] | {"data_offsets": [-8, 24]}}),
        stored({"a": GOOD["a"] | {"data_offsets": [0, 40]}}), stored(b'{"a": 1, "a": 2}'), stored(b'{"\\ud800": 1}'),
    ],
)  # fmt: skip
def test_headers(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m.safetensors").write_bytes(data)
    refused(tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    "index",
    [
        "{}", "[]", "null", '{"weight_map": []}', '{"weight_map": {"a": 3}}', '{"weight_map": {"a": null}}', "[" * 100_000,  # noqa: E501
        '{"weight_map": {"a": ["x"]}}', '{"weight_map": {"a": "../m.safetensors"}}', '{"weight_map": {"a": "/etc/passwd"}}',  # noqa: E501
        '{"weight_map": {"a": "/dev/zero"}}', '{"weight_map": {"a": "\\u0000.safetensors"}}',
    ],
)  # fmt: skip
def test_an_index_stays_in_its_directory(tmp_path: Path, index: str) -> None:
    (tmp_path / INDEX).write_text(index)
    with pytest.raises(ModelError, match="not an index of shards"):
        read_directory(tmp_path)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=8), st.integers(0, 200))
def test_any_damage(tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]], end: int) -> None:
    data = bytearray(stored(GOOD))
    for place, value in changes:
        data[place % len(data)] = value
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    path.write_bytes(bytes(data[:end]))
    try:
        assert all(tensor.end <= path.stat().st_size for tensor in read_header(path).values())
    except ModelError as error:
        assert "any.safetensors" in str(error)
