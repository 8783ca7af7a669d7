"""Our path against transformers' own classes: full forward passes on what their own processors make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems.backbone import Query
from cascade_equivalence.systems.speech.loading import language_model_of, load_speech_llm
from tests.systems.speech import tiny

BEFORE, AFTER = "Name the topic.\nText:", "\nTopic:"
LABELS = (" World", " Sports", " Sci/Tech")
CLIPS = tiny.clips()


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_qwen2_audio(tmp_path_factory.mktemp("speech") / "qwen")


@pytest.fixture(scope="module")
def phi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_phi4(tmp_path_factory.mktemp("speech") / "phi")


def ours(speech: Any, llm: Any) -> np.ndarray:
    after = llm.embed(llm.encode(AFTER))
    continuations = tuple(tuple(llm.encode(label)) for label in LABELS)
    queries = [Query(torch.cat([heard, after]), continuations) for heard in speech.hear(CLIPS)]
    return np.array(llm.score(llm.encode(BEFORE), queries))


def mean_logprob(logits: torch.Tensor, ids: list[int]) -> float:
    """Of the last `len(ids)` tokens of a sequence. logits: (length, vocabulary)."""
    logprobs = logits.log_softmax(-1)
    return float(np.mean([logprobs[len(logits) - len(ids) + i - 1, t] for i, t in enumerate(ids)]))


def test_qwen2_audio_equals_its_own_forward(qwen: Path) -> None:
    from transformers import Qwen2AudioForConditionalGeneration, Qwen2AudioProcessor

    speech = load_speech_llm("qwen", qwen, tiny.CPU)
    model = Qwen2AudioForConditionalGeneration.from_pretrained(qwen).eval()
    processor = Qwen2AudioProcessor.from_pretrained(qwen)
    found = ours(speech, speech.backbone)
    for label_index, label in enumerate(LABELS):
        text = f"{BEFORE}<|audio_bos|><|AUDIO|><|audio_eos|>{AFTER}{label}"
        inputs = processor(
            text=[text] * len(CLIPS),
            audio=[clip.samples for clip in CLIPS],
            sampling_rate=16_000,
            return_tensors="pt",
            padding=True,
        )
        with torch.inference_mode():
            logits = model(**inputs).logits
        expected = [mean_logprob(row, speech.backbone.encode(label)) for row in logits]
        assert np.allclose(found[:, label_index], expected, atol=1e-4)


def test_qwen2_audio_counts_as_its_processor(qwen: Path) -> None:
    from transformers import Qwen2AudioProcessor

    speech = load_speech_llm("qwen", qwen, tiny.CPU)
    processor = Qwen2AudioProcessor.from_pretrained(qwen)
    for clip in CLIPS:
        ids = processor(text="<|AUDIO|>", audio=[clip.samples], sampling_rate=16_000, return_tensors="pt").input_ids
        assert len(speech.ears.hear([clip])[0]) == int((ids == tiny.token("<|AUDIO|>")).sum())


def test_qwen2_audio_reads_through_the_same_object(qwen: Path) -> None:
    speech = load_speech_llm("qwen", qwen, tiny.CPU)
    assert speech.backbone.model.model is speech.module("model.language_model")
    assert speech.backbone.model.lm_head is speech.module("lm_head")
    assert speech.matched is speech.backbone
    assert language_model_of(qwen) is None
    assert all(not parameter.is_meta for parameter in speech.backbone.model.parameters())


def test_text_through_the_language_model_equals_the_class_without_audio(qwen: Path, phi: Path) -> None:
    from transformers import Phi4MultimodalForCausalLM, Qwen2AudioForConditionalGeneration

    for directory, architecture in ((qwen, Qwen2AudioForConditionalGeneration), (phi, Phi4MultimodalForCausalLM)):
        speech = load_speech_llm("x", directory, tiny.CPU)
        llm = speech.matched
        before, text = llm.encode(BEFORE), llm.encode(" The match ended in a draw." + AFTER)
        labels = tuple(tuple(llm.encode(label)) for label in LABELS)
        found = llm.score(before, [Query(llm.embed(text), labels)])[0]
        model = architecture.from_pretrained(directory).eval()
        for score, label in zip(found, labels, strict=True):
            ids = torch.tensor([[*before, *text, *label]])
            with torch.inference_mode():
                logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0]
            assert score == pytest.approx(mean_logprob(logits, list(label)), abs=1e-4)


def phi_forward(model: Any, directory: Path, clip: Any, label: str, encode: Any) -> float:
    from transformers import Phi4MultimodalFeatureExtractor

    features = Phi4MultimodalFeatureExtractor.from_pretrained(directory)(
        [clip.samples], sampling_rate=16_000, return_tensors="pt"
    )
    audio = [tiny.token("<|audio|>")] * int(features["audio_embed_sizes"][0])
    ids = encode(BEFORE) + audio + encode(AFTER) + encode(label)
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([ids]), **features).logits[0]
    return mean_logprob(logits, encode(label))


def merged(directory: Path) -> Any:
    """The class's model with alpha / r · B·A added to its weights."""
    from safetensors.torch import load_file
    from transformers import Phi4MultimodalForCausalLM

    model = Phi4MultimodalForCausalLM.from_pretrained(directory).eval()
    config = json.loads((directory / "speech-lora/adapter_config.json").read_text())
    tensors = load_file(directory / "speech-lora/adapter_model.safetensors")
    with torch.no_grad():
        for name, down in tensors.items():
            if ".lora_A." in name:
                module = model.get_submodule(name.removeprefix("base_model.model.").removesuffix(".lora_A.weight"))
                up = tensors[name.replace("lora_A", "lora_B")]
                module.weight += config["lora_alpha"] / config["r"] * up @ down
    return model


def test_phi4_with_its_lora_equals_merged_weights_and_without_it_the_plain_class(phi: Path) -> None:
    from transformers import Phi4MultimodalForCausalLM

    speech = load_speech_llm("phi", phi, tiny.CPU)
    models = {"on": merged(phi), "off": Phi4MultimodalForCausalLM.from_pretrained(phi).eval()}
    for _ in range(2):
        for state, llm in (("on", speech.backbone), ("off", speech.matched)):
            found = ours(speech, llm)
            for row, clip in enumerate(CLIPS):
                for column, label in enumerate(LABELS):
                    expected = phi_forward(models[state], phi, clip, label, llm.encode)
                    assert found[row, column] == pytest.approx(expected, abs=2e-4)
    assert np.abs(ours(speech, speech.backbone) - ours(speech, speech.matched)).max() > 1e-2
    plain = load_speech_llm("phi", phi, tiny.CPU, lora=False)
    assert np.allclose(ours(plain, plain.backbone), ours(speech, speech.matched), atol=1e-5)
    assert plain.backbone is plain.matched


def test_phi4_generates_under_its_own_switch(phi: Path) -> None:
    speech = load_speech_llm("phi", phi, tiny.CPU)
    plain = load_speech_llm("phi", phi, tiny.CPU, lora=False)
    states = [torch.cat([h, speech.backbone.embed([5, 6])]) for h in speech.hear(CLIPS)]
    off = speech.matched.generate([7], states, 5, None)
    speech.backbone.generate([7], states, 5, None)
    assert speech.matched.generate([7], states, 5, None) == off == plain.backbone.generate([7], states, 5, None)


def test_phi4_without_its_adapter(tmp_path: Path) -> None:
    directory = tiny.write_phi4(tmp_path / "phi", lora=False)
    with pytest.raises(ModelError, match=r"speech-lora: .* is missing.*lora=False"):
        load_speech_llm("phi", directory, tiny.CPU)
    load_speech_llm("phi", directory, tiny.CPU, lora=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"use_dora": True}, "'use_dora' is not supported"),
        ({"bias": "all"}, "plain LoRA"),
        ({"r": 8}, "no whole pair of rank 8"),
        ({"lora_alpha": None}, "'lora_alpha'"),
    ],
)
def test_adapters_of_another_kind(changes: dict[str, Any], message: str, phi: Path, tmp_path: Path) -> None:
    import shutil

    directory = tmp_path / "phi"
    shutil.copytree(phi, directory)
    path = directory / "speech-lora/adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ModelError, match=message):
        load_speech_llm("phi", directory, tiny.CPU)


def test_a_tokenizer_without_the_audio_tokens(tmp_path: Path) -> None:
    directory = tiny.write_qwen2_audio(tmp_path / "qwen")
    tiny.tokenizer(("<|endoftext|>",)).save_pretrained(directory)
    with pytest.raises(ModelError, match=r"no token '<\|audio_bos\|>'"):
        load_speech_llm("qwen", directory, tiny.CPU)


def test_qwen2_audio_under_the_names_of_its_published_files(qwen: Path, tmp_path: Path) -> None:
    """On the hub: audio_tower, multi_modal_projector and a whole causal LM side by side."""
    import shutil

    from safetensors.torch import load_file, save_file

    directory = tmp_path / "qwen"
    shutil.copytree(qwen, directory)
    path = directory / "model.safetensors"
    renamed = {}
    for name, tensor in load_file(path).items():
        published = name.replace("model.language_model.", "language_model.model.").removeprefix("model.")
        renamed["language_model.lm_head.weight" if name == "lm_head.weight" else published] = tensor
    save_file(renamed, path, {"format": "pt"})
    left, right = (load_speech_llm("qwen", d, tiny.CPU) for d in (qwen, directory))
    assert np.array_equal(ours(left, left.backbone), ours(right, right.backbone))
