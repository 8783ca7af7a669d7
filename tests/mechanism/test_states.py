"""States: the outputs of the blocks, at the asked positions, the same again from disk."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from cascade_equivalence.errors import AnalysisError
from cascade_equivalence.mechanism.layers import Layout, Stage, decoder_blocks
from cascade_equivalence.mechanism.states import StateStore, collecting
from tests.mechanism.tiny_llm import tiny_llm

IDS = torch.arange(14).reshape(2, 7)
LAYOUT = Layout(7, (((1, 3),), ((0, 4),)), (((5, 7),), ((6, 7),)))


def test_collected_states_are_transformers_own_before_the_final_norm():
    stage, model = Stage(LAYOUT), tiny_llm()
    blocks = decoder_blocks(model, "model.layers")
    with collecting(blocks, (0, 1, 2, 3), stage, ("audio", "text")) as seen, torch.inference_mode():
        hidden = model(IDS, output_hidden_states=True).hidden_states
    taken = seen.take()
    for layer in range(3):
        assert torch.equal(taken["audio"][0][layer], hidden[layer + 1][0, 1:3])
        assert torch.equal(taken["audio"][1][layer], hidden[layer + 1][1, 0:4])
        assert torch.equal(taken["text"][0][layer], hidden[layer + 1][0, 5:7])
    last = taken["audio"][1][3]
    assert not torch.allclose(last, hidden[-1][1, 0:4])  # transformers has normed its last entry already
    torch.testing.assert_close(model.model.norm(last), hidden[-1][1, 0:4])
    assert seen.take() == {}


def test_states_must_be_taken_after_each_pass():
    stage, model = Stage(LAYOUT), tiny_llm()
    with collecting(decoder_blocks(model, "model.layers"), (0,), stage), torch.inference_mode():
        model(IDS)
        model(IDS[:, :1])  # a decoding step has nothing to collect
        with pytest.raises(AnalysisError, match="second pass"):
            model(IDS)


pytest.importorskip("pyarrow")


def trial(number: int, positions: int = 3) -> dict[int, torch.Tensor]:
    generator = torch.Generator().manual_seed(number)
    return {layer: torch.randn(positions, 8, generator=generator).bfloat16() for layer in (0, 4)}


def test_what_is_stored_reads_back_bit_by_bit(tmp_path):
    with StateStore(tmp_path, shard_bytes=300) as store:
        for number in range(7):
            store.add(f"item-{number}/clean", "audio", trial(number, 1 + number))
        store.add("item-0/clean", "text", trial(50))
        assert torch.equal(store.read("item-0/clean", "text", 0), trial(50)[0])  # from memory
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    again = StateStore(tmp_path)
    assert again.trials() == [f"item-{n}/clean" for n in range(7)]
    assert again.trials("text") == ["item-0/clean"]
    for number in range(7):
        for layer in (0, 4):
            assert torch.equal(again.read(f"item-{number}/clean", "audio", layer), trial(number, 1 + number)[layer])


def test_the_index_is_plain_parquet(tmp_path):
    import pyarrow.parquet

    with StateStore(tmp_path) as store:
        store.add("a", "audio", trial(0))
    rows = pyarrow.parquet.read_table(next(tmp_path.glob("*.parquet"))).to_pylist()
    assert rows == [{"trial": "a", "kind": "audio", "start": 0, "end": 3, "layers": [0, 4]}]


KILLED = """
import os, sys, torch
from pathlib import Path
from cascade_equivalence.mechanism import states
store = states.StateStore(Path(sys.argv[1]), shard_bytes=1)
store.add("whole", "audio", {0: torch.ones(2, 3)})
put = states._put
def dies(path, write):
    if path.suffix == ".parquet":
        (path.parent / f".{path.name}.7").write_bytes(b"half")
        os._exit(9)
    put(path, write)
states._put = dies
store.add("lost", "audio", {0: torch.zeros(2, 3)})
"""


def test_a_killed_writer_loses_the_shard_in_flight_only(tmp_path):
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False).returncode == 9
    store = StateStore(tmp_path, shard_bytes=1)
    assert store.trials() == ["whole"]
    store.add("lost", "audio", {0: torch.full((4, 3), 2.0)})
    again = StateStore(tmp_path)
    assert again.trials() == ["whole", "lost"]
    assert torch.equal(again.read("lost", "audio", 0), torch.full((4, 3), 2.0))
    assert torch.equal(again.read("whole", "audio", 0), torch.ones(2, 3))
    assert not list(tmp_path.glob(".*"))


def test_layers_may_change_between_trials(tmp_path):
    with StateStore(tmp_path) as store:
        store.add("a", "audio", {0: torch.ones(1, 2)})
        store.add("b", "audio", {0: torch.ones(1, 2), 3: torch.zeros(1, 2)})
    again = StateStore(tmp_path)
    assert torch.equal(again.read("b", "audio", 3), torch.zeros(1, 2))
    with pytest.raises(AnalysisError, match=r"layer 3 of trial 'a' is not stored: there are \[0\]"):
        again.read("a", "audio", 3)


def test_mistakes_are_named(tmp_path):
    store = StateStore(tmp_path)
    store.add("a", "audio", trial(0))
    with pytest.raises(AnalysisError, match="stored already"):
        store.add("a", "audio", trial(0))
    with pytest.raises(AnalysisError, match="trial 'b': the states of layer 0 are NaN"):
        store.add("b", "audio", {0: torch.full((1, 2), float("nan"))})
    with pytest.raises(AnalysisError, match="different number of positions"):
        store.add("b", "audio", {0: torch.zeros(1, 2), 1: torch.zeros(2, 2)})
    with pytest.raises(AnalysisError, match="no text states of trial 'a'"):
        store.read("a", "text", 0)
    store.flush()
    shard = next(tmp_path.glob("*.safetensors"))
    shard.write_bytes(b"broken")
    with pytest.raises(AnalysisError, match="delete it and its index"):
        StateStore(tmp_path).read("a", "audio", 0)
    next(tmp_path.glob("*.parquet")).write_bytes(b"broken")
    with pytest.raises(AnalysisError, match="no index of states"):
        StateStore(tmp_path)


def test_without_pyarrow_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(AnalysisError, match=r"cascade-equivalence\[parquet\]"):
        StateStore(tmp_path)
