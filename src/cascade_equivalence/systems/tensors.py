"""Tensors as they lie in safetensors files: where each one is, read as a stream, and which belong to a submodule.

The format (https://huggingface.co/docs/safetensors): eight bytes of header length, a JSON header, raw
little-endian data in row-major order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cascade_equivalence.errors import ModelError
from cascade_equivalence.reading import json_text
from cascade_equivalence.reading.terminal import short

T = TypeVar("T")

BLOCK = 1 << 24
"""Bytes read at once."""
MOST_HEADER = 100_000_000
"""Bytes of a header, as in safetensors itself."""
INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
ADAPTER = "adapter_model.safetensors"
"""A LoRA as peft writes it, which may lie beside the weights it is added to."""
EMBEDDING = "embed_tokens.weight"
HEAD = "lm_head.weight"
_WIDTHS = {"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2}
# Computed from the configuration, and stored by old versions of transformers alone.
_NOT_WEIGHTS = ("rotary_emb.inv_freq",)


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where a tensor lies: bytes `begin` to `end` of the file. dtype: as safetensors writes it ("BF16")."""

    path: Path
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def blocks(self, most: int = BLOCK, stop: int | None = None) -> Iterator[bytes]:
        """Its bytes, or the first `stop` of them, `most` at a time. Raises `ModelError` if the file ends before."""
        remaining = self.end - self.begin if stop is None else stop
        with self.path.open("rb") as file:
            file.seek(self.begin)
            while remaining:
                block = file.read(min(remaining, most))
                if not block:
                    raise cut_short(self.path)
                yield block
                remaining -= len(block)


def read_header(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name. Raises `ModelError` if it is cut short or no safetensors file."""
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8:
                raise cut_short(path)
            if length > min(size - 8, MOST_HEADER):
                raise ValueError("its header is longer than the file, or than 100 MB")
            header = json_text.parse(file.read(length).decode("utf-8"))
        if not isinstance(header, dict):
            raise TypeError("its header is no object")
        found = {name: _tensor(path, 8 + length, entry) for name, entry in header.items() if name != "__metadata__"}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ModelError(f"{path}: not a safetensors file ({short(error, 200)}); fetch the model again") from None
    if any(tensor.end > size for tensor in found.values()):
        raise cut_short(path)
    return found


def _tensor(path: Path, start: int, entry: Mapping[str, object]) -> Tensor:
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not (isinstance(dtype, str) and isinstance(shape, list) and isinstance(offsets, list)):
        raise TypeError("an entry of its header is malformed")
    if len(offsets) != 2 or not all(type(number) is int and 0 <= number < 1 << 62 for number in (*offsets, *shape)):
        raise ValueError("a shape or an offset is no whole number")
    begin, end = offsets
    tensor = Tensor(path, dtype, tuple(shape), start + begin, start + end)
    if not 0 <= begin <= end or (dtype in _WIDTHS and end - begin != tensor.size * _WIDTHS[dtype]):
        raise ValueError("the offsets of a tensor do not fit its shape")
    return tensor


def cut_short(path: Path) -> ModelError:
    """The error for a file that ends before its data does."""
    return ModelError(f"{path}: cut short; fetch the model again")


def read_directory(directory: Path) -> dict[str, Tensor]:
    """The tensors that transformers would load: those of `shards`.

    Raises `ModelError` if there are none, a file is missing or broken, or a name is there twice.
    """
    found: dict[str, Tensor] = {}
    for path in shards(directory):
        if not path.is_file():
            raise ModelError(f"{path}: named in {INDEX} and missing; fetch the model again")
        for name, tensor in read_header(path).items():
            if name in found:
                raise ModelError(f"{path}: tensor '{name}' is also in {found[name].path.name}; remove one of the files")
            found[name] = tensor
    return found


def shards(directory: Path) -> list[Path]:
    """The files of a directory's weights: `model.safetensors`, those of its index, or all but a LoRA's.

    Copies in another precision or layout (`model.fp32-*`, `consolidated.*`) are left out where there is one of the
    first two. Raises `ModelError`.
    """
    index, single = directory / INDEX, directory / SINGLE
    if single.is_file():
        return [single]
    if index.is_file():
        return [directory / name for name in indexed(index)]
    there = sorted(directory.glob("*.safetensors"))
    paths = [path for path in there if path.name != ADAPTER] or there
    if not paths:
        raise ModelError(f"{directory}: no safetensors files (other formats are not loaded)")
    return paths


def indexed(index: Path) -> list[str]:
    """The files that an index of shards names. Raises `ModelError`."""
    try:
        names = sorted(set(json_text.parse(index.read_text(encoding="utf-8"))["weight_map"].values()))
        if not all(isinstance(name, str) and Path(name).name == name and "\0" not in name for name in names):
            raise ValueError("it names files outside its folder")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{index}: not an index of shards ({short(error, 200)}); fetch the model again") from None
    return names


def roots(tensors: Mapping[str, object]) -> str:
    """The first parts of tensor names, to say what is there."""
    return ", ".join(sorted({name.split(".")[0] for name in tensors})) or "none"


def beneath(name: str, prefix: str) -> bool:
    """Whether a dotted name is `prefix` or lies under it; everything lies under ""."""
    prefix = prefix.rstrip(".")
    return not prefix or name == prefix or name.startswith(f"{prefix}.")


def select(tensors: Mapping[str, T], prefix: str, without: Sequence[str] = ()) -> dict[str, T]:
    """The tensors of a submodule, named as in a directory of its own.

    Names lose the prefix, PEFT's wrapping (`base_model.model.`, `.base_layer`) and the leading `model.` that
    separates a causal LM's body from its head. A language model whose `lm_head` stands outside the prefix, on one of
    its parents, gets it.
    """
    prefix = prefix.rstrip(".")
    inside = {
        name.removeprefix(prefix).lstrip("."): tensor
        for name, tensor in tensors.items()
        if beneath(name, prefix)
        and not any(beneath(name, other) for other in without)
        and not name.endswith(_NOT_WEIGHTS)
    }
    plain = {_plain(name): tensor for name, tensor in inside.items()}
    if len(plain) < len(inside):
        plain = inside
    if EMBEDDING in plain and HEAD not in plain:
        parents = prefix.split(".")[:-1] if prefix else []
        for depth in range(len(parents), -1, -1):
            if (head := ".".join([*parents[:depth], HEAD])) in tensors:
                return plain | {HEAD: tensors[head]}
    return plain


def _plain(name: str) -> str:
    return name.removeprefix("base_model.model.").removeprefix("model.").replace(".base_layer.", ".")
