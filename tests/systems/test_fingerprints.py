"""Fingerprints of submodules, and the cache that keeps hashes as long as files stay what they were."""

from __future__ import annotations

import os
import struct
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cascade_equivalence.errors import ModelError
from cascade_equivalence.hashing import digest_of
from cascade_equivalence.systems import digests
from cascade_equivalence.systems.digests import known_digests, tensor_digests
from cascade_equivalence.systems.identity import Identity, fingerprint, fingerprints, same_arm
from cascade_equivalence.systems.match import Weights, match
from tests.models import directory
from tests.systems.checkpoints import EMBED, HEAD, beneath, llm, saved

LLM = "language_model"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own that records files as soon as they are written."""
    monkeypatch.setenv("CEQ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(digests, "SETTLED_S", 0)
    return tmp_path / "cache" / "fingerprints"


def test_a_submodule_is_the_same_wherever_it_lies(tmp_path: Path) -> None:
    """In the three layouts of speech LLMs in use."""
    untied = llm() | {HEAD: torch.randn(12, 8)}
    tower = {"conv.weight": torch.randn(3)}
    alone = fingerprints(saved(tmp_path / "alone", untied, shards=2), {LLM: ""})[LLM]
    body = {name.removeprefix("model."): t for name, t in untied.items() if name != HEAD}
    layouts = {
        LLM: beneath(LLM, untied) | beneath("audio_tower", tower),
        "model.language_model": beneath("model.language_model", body)
        | {HEAD: untied[HEAD]}
        | beneath("audio_tower", tower),
        "model": beneath("model", body) | {HEAD: untied[HEAD]} | beneath("model.extend.audio_tower", tower),
    }
    towers = set()
    for number, (prefix, tensors) in enumerate(layouts.items()):
        ears = "model.extend.audio_tower" if prefix == "model" else "audio_tower"
        found = fingerprints(saved(tmp_path / str(number), tensors), {LLM: prefix, "audio_tower": ears})
        assert found[LLM] == alone
        towers.add(found["audio_tower"])
    assert towers == {fingerprints(saved(tmp_path / "ears", tower), {"audio_tower": ""})["audio_tower"]}


def test_a_tied_head_has_no_weight_of_its_own(tmp_path: Path) -> None:
    once = llm()
    layouts = [once, once | {HEAD: once[EMBED]}, {n: t for n, t in once.items() if n != EMBED} | {HEAD: once[EMBED]}]
    seen = {fingerprints(saved(tmp_path / str(i), t), {LLM: ""})[LLM] for i, t in enumerate(layouts)}
    assert len(seen) == 1
    untied = saved(tmp_path / "untied", once | {HEAD: once[EMBED] + 1})
    assert fingerprints(untied, {LLM: ""})[LLM] not in seen


def test_every_submodule_answers_for_itself(tmp_path: Path) -> None:
    tensors = beneath(LLM, llm()) | {"connector.weight": torch.zeros(4)}
    modules = {LLM: LLM, "connector": "connector"}
    before = fingerprints(saved(tmp_path / "a", tensors), modules)
    after = fingerprints(saved(tmp_path / "b", tensors | {"connector.weight": torch.ones(4)}), modules)
    assert after[LLM] == before[LLM]
    assert after["connector"] != before["connector"]
    low = fingerprints(saved(tmp_path / "c", tensors, dtype=torch.bfloat16), modules)
    assert low[LLM] != before[LLM]
    with pytest.raises(ModelError, match=r"no tensors under 'language' \(language_model\); there are connector, lan"):
        fingerprints(tmp_path / "a", {LLM: "language"})


def test_equal_fingerprints_are_an_identical_match(tmp_path: Path) -> None:
    speech = saved(tmp_path / "speech", beneath(LLM, llm()))
    for number, other in enumerate([llm(), llm(seed=1), llm() | {HEAD: llm()[EMBED]}, llm(rows=13)]):
        alone = saved(tmp_path / str(number), other)
        equal = fingerprints(speech, {LLM: LLM}) == fingerprints(alone, {LLM: ""})
        found = match(Weights(speech, LLM), Weights(alone))
        assert equal == (found.grade == "identical" and not found.note)


def test_the_whole_fingerprint_is_what_it_always_was(tmp_path: Path) -> None:
    """Recorded answers are keyed by it."""
    where = saved(tmp_path / "a", {"x": torch.tensor([1.0, 2.0])})
    tensor = sha256(b"F32[2]" + struct.pack("<2f", 1, 2)).hexdigest()
    assert fingerprint(where) == sha256(b'{"x": "%s"}' % tensor.encode()).hexdigest()


def test_hashes_are_kept_while_the_file_is_what_it_was(tmp_path: Path, cache: Path) -> None:
    path = saved(tmp_path / "a", llm()) / "model.safetensors"
    assert known_digests(path) is None
    first = tensor_digests(path)
    assert known_digests(path) == first == tensor_digests(path)
    whole = fingerprint(path.parent)
    before = path.stat()
    # The last byte of the data, with the size and the time of modification put back.
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert known_digests(path) is None
    assert tensor_digests(path) != first
    assert fingerprint(path.parent) != whole
    assert [p.suffix for p in cache.iterdir()] == [".json"]


def test_a_file_just_written_is_not_recorded(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "SETTLED_S", 3600.0)
    path = saved(tmp_path / "a", llm()) / "model.safetensors"
    tensor_digests(path)
    assert known_digests(path) is None
    assert not cache.exists()


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"state": 1, "tensors": {}}', b"\xff\xfe"])
def test_a_damaged_entry_is_not_believed(tmp_path: Path, cache: Path, damage: bytes) -> None:
    path = saved(tmp_path / "a", llm()) / "model.safetensors"
    right = tensor_digests(path)
    (entry,) = cache.iterdir()
    entry.write_bytes(damage)
    assert known_digests(path) is None
    assert tensor_digests(path) == right
    assert known_digests(path) == right


def test_no_cache_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CEQ_CACHE", str(tmp_path / "file"))
    where = saved(tmp_path / "a", llm())
    assert fingerprint(where) == fingerprint(where)


def test_the_embedded_whisper_encoder_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    whisper = directory("whisper-tiny.en")
    tensors = load_file(whisper / "model.safetensors")
    encoder = {n.partition("encoder.")[2]: t for n, t in tensors.items() if n.startswith("model.encoder.")}
    assert len(encoder) > 50
    speech = saved(tmp_path / "speech", beneath("audio_tower", encoder) | beneath(LLM, llm()))
    assert fingerprints(whisper, {"audio_tower": "model.encoder"}) == fingerprints(
        speech, {"audio_tower": "audio_tower"}
    )


def test_a_speech_llm_as_transformers_saves_it(tmp_path: Path) -> None:
    """Qwen2-Audio and its own decoder as a Qwen2 of its own, both written by transformers."""
    from transformers import Qwen2AudioConfig, Qwen2AudioForConditionalGeneration, Qwen2Config, Qwen2ForCausalLM

    text = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    text |= {"intermediate_size": 48, "vocab_size": 128}
    audio = {"d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 4, "encoder_ffn_dim": 32}
    config = Qwen2AudioConfig(text_config={"model_type": "qwen2", **text}, audio_config=audio)
    speech = Qwen2AudioForConditionalGeneration(config)
    speech.save_pretrained(tmp_path / "speech", max_shard_size="20KB")
    alone = Qwen2ForCausalLM(Qwen2Config(**text, tie_word_embeddings=False))
    alone.model.load_state_dict(speech.model.language_model.state_dict())
    alone.lm_head.load_state_dict(speech.lm_head.state_dict())
    alone.save_pretrained(tmp_path / "alone")
    assert fingerprints(tmp_path / "speech", {LLM: LLM}) == fingerprints(tmp_path / "alone", {LLM: ""})
    found = match(Weights(tmp_path / "speech", LLM), Weights(tmp_path / "alone"))
    assert (found.grade, found.note) == ("identical", "")


def test_arms_are_identical_by_fingerprint() -> None:
    asr = Identity("asr", "a", "1" * 64, "torch", "cpu", "float32", 8, {"padding": "short"})
    speech = Identity("s", "b", "2" * 64, "torch", "cpu", "float32", 8, {}, {LLM: "3" * 64})
    assert same_arm([asr, speech], [replace(asr, name="x", source="y"), speech])
    assert not same_arm([asr], [asr, speech])
    assert not same_arm([asr, speech], [speech, asr])
    assert not same_arm([speech], [replace(speech, modules={LLM: "4" * 64})])
    assert not same_arm([speech], [replace(speech, dtype="bfloat16")])
    opaque = replace(speech, weights=None)
    assert not same_arm([opaque], [opaque])
    # Answers recorded before models had modules keep their keys.
    facts = {k: v for k, v in asdict(asr).items() if k not in {"name", "source", "modules"}}
    assert asr.digest() == digest_of(facts)
