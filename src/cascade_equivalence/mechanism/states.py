"""Collecting block outputs at chosen positions in the pass that answers, and keeping them on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from cascade_equivalence.errors import AnalysisError
from cascade_equivalence.mechanism.layers import Stage, checked_layers, output_of

Kind = Literal["audio", "text"]


@dataclass
class Collected:
    """What the last pass left: per layer the states of all rows' positions, row after row."""

    kinds: tuple[Kind, ...]
    parts: dict[tuple[int, Kind], list[Tensor]] = field(default_factory=dict)

    def take(self) -> dict[Kind, list[dict[int, Tensor]]]:
        """Per kind and row, layer → (positions, d) on the CPU in the model's dtype; then empty again."""
        taken: dict[Kind, list[dict[int, Tensor]]] = {}
        for (layer, kind), rows in self.parts.items():
            by_row = taken.setdefault(kind, [{} for _ in rows])
            for row, states in enumerate(rows):
                by_row[row][layer] = states
        self.parts.clear()
        return taken


@contextmanager
def collecting(
    blocks: Sequence[nn.Module], layers: Sequence[int], stage: Stage, kinds: Sequence[Kind] = ("audio",)
) -> Iterator[Collected]:
    """Keep the outputs of the chosen blocks at the positions that `stage.layout` names, in the pass that runs anyway.

    Memory is bounded by one pass if `take` is called after each. A pass without a layout, or of one decoding step,
    collects nothing. Raises `AnalysisError` for a layer that does not exist, a layout that is not that of the pass, or
    a second pass before the first was taken.
    """
    layers = checked_layers(blocks, layers)
    collected = Collected(tuple(kinds))

    def hook(layer: int) -> Any:
        def seen(_module: Any, _inputs: Any, result: Any) -> None:
            if stage.layout is None:
                return
            states = output_of(result)
            for kind in collected.kinds:
                mask = stage.layout.mask(states, kind)
                if not bool(mask.any()):
                    continue
                if (layer, kind) in collected.parts:
                    raise AnalysisError("a second pass began before the states of the first were taken")
                counts = mask.sum(1).tolist()
                collected.parts[layer, kind] = list(torch.split(states.detach()[mask].cpu(), counts))

        return seen

    handles = [blocks[layer].register_forward_hook(hook(layer)) for layer in layers]
    try:
        yield collected
    finally:
        for handle in handles:
            handle.remove()


class StateStore:
    """A directory of states: safetensors shards, each with a Parquet index beside it, keyed by trial and kind.

    A shard is complete once its index exists; a killed run loses at most the shard in memory, and what it left half
    written is overwritten. One writer at a time. Needs pyarrow (`pip install cascade-equivalence[parquet]`).
    """

    def __init__(self, directory: Path, shard_bytes: int = 256 * 2**20) -> None:
        _pyarrow()
        self.directory = directory
        self.shard_bytes = shard_bytes
        directory.mkdir(parents=True, exist_ok=True)
        self._pending: dict[tuple[str, Kind], Mapping[int, Tensor]] = {}
        self._bytes = 0
        self._index: dict[tuple[str, Kind], tuple[Path, int, int, tuple[int, ...]]] = {}
        for file in sorted(directory.glob("states-*.parquet")):
            self._index.update(_read_index(file))

    def __enter__(self) -> StateStore:
        return self

    def __exit__(self, *_: Any) -> None:
        self.flush()

    def trials(self, kind: Kind = "audio") -> list[str]:
        """The trials whose states are here, on disk or in memory, in the order they came."""
        return [trial for trial, stored in (*self._index, *self._pending) if stored == kind]

    def add(self, trial: str, kind: Kind, states: Mapping[int, Tensor]) -> None:
        """Keep layer → (positions, d) of one trial. Raises `AnalysisError` for NaN, a double, or uneven layers."""
        if (trial, kind) in self._index or (trial, kind) in self._pending:
            raise AnalysisError(f"trial '{trial}': its {kind} states are stored already")
        if len({len(s) for s in states.values()}) != 1:
            raise AnalysisError(f"trial '{trial}': no layers, or a different number of positions in each")
        for layer, tensor in states.items():
            if not bool(torch.isfinite(tensor).all()):
                raise AnalysisError(f"trial '{trial}': the states of layer {layer} are NaN or infinite")
        if self._pending and next(iter(self._pending.values())).keys() != states.keys():
            self.flush()
        self._pending[trial, kind] = {layer: tensor.detach().cpu() for layer, tensor in states.items()}
        self._bytes += sum(t.numel() * t.element_size() for t in states.values())
        if self._bytes >= self.shard_bytes:
            self.flush()

    def flush(self) -> None:
        """Write what is in memory as one shard."""
        if not self._pending:
            return
        from safetensors.torch import save_file

        pyarrow, parquet = _pyarrow()
        number = 1 + max((int(f.stem.split("-")[1]) for f in self.directory.glob("states-*.parquet")), default=-1)
        shard, index = (self.directory / f"states-{number:05d}.{end}" for end in ("safetensors", "parquet"))
        layers = tuple(sorted(next(iter(self._pending.values()))))
        tensors = {str(layer): torch.cat([s[layer] for s in self._pending.values()]) for layer in layers}
        rows, start = [], 0
        for (trial, kind), states in self._pending.items():
            end = start + len(states[layers[0]])
            rows.append({"trial": trial, "kind": kind, "start": start, "end": end, "layers": list(layers)})
            start = end
        for left in self.directory.glob(".states-*"):
            left.unlink()  # half a file of a run that was killed
        # The index is what makes a shard exist, so it comes last.
        _put(shard, lambda path: save_file(tensors, path))
        _put(index, lambda path: parquet.write_table(pyarrow.Table.from_pylist(rows), path))
        self._index.update(_read_index(index))
        self._pending, self._bytes = {}, 0

    def read(self, trial: str, kind: Kind, layer: int) -> Tensor:
        """The states of one trial at one layer, (positions, d); only these rows are read. Raises `AnalysisError`."""
        if (trial, kind) in self._pending:
            states = self._pending[trial, kind]
            if layer in states:
                return states[layer]
            layers = tuple(states)
        else:
            if (trial, kind) not in self._index:
                raise AnalysisError(f"{self.directory} has no {kind} states of trial '{trial}'")
            shard, start, end, layers = self._index[trial, kind]
            if layer in layers:
                from safetensors import SafetensorError, safe_open

                try:
                    with safe_open(shard, framework="pt") as file:
                        rows: Tensor = file.get_slice(str(layer))[start:end]
                except (SafetensorError, OSError) as error:
                    raise AnalysisError(f"{shard} cannot be read ({error}): delete it and its index") from None
                return rows
        raise AnalysisError(f"layer {layer} of trial '{trial}' is not stored: there are {sorted(layers)}")


def _put(path: Path, write: Any) -> None:
    """Write a file so that `path` holds either all of it or nothing."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise AnalysisError(f"{path} cannot be written ({error}): is the disk full?") from None
    finally:
        temporary.unlink(missing_ok=True)


def _read_index(file: Path) -> dict[tuple[str, Kind], tuple[Path, int, int, tuple[int, ...]]]:
    pyarrow, parquet = _pyarrow()
    try:
        rows = parquet.read_table(file).to_pylist()
        shard = file.with_suffix(".safetensors")
        return {(r["trial"], r["kind"]): (shard, r["start"], r["end"], tuple(r["layers"])) for r in rows}
    except (pyarrow.ArrowException, OSError, KeyError) as error:
        raise AnalysisError(f"{file} is no index of states ({error}): delete it and its shard") from None


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise AnalysisError("stored states need pyarrow: pip install cascade-equivalence[parquet]") from None
    return pyarrow, pyarrow.parquet
