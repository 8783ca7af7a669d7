"""Granite Speech and Voxtral against transformers' own classes and extractors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from cascade_equivalence.audio.clip import Clip
from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems.match import match
from cascade_equivalence.systems.speech.granite_speech import log_mel
from cascade_equivalence.systems.speech.loading import load_speech_llm, lora_of
from cascade_equivalence.systems.speech.weights import language_model_weights
from tests.systems.speech import tiny
from tests.systems.speech.test_classes import AFTER, BEFORE, LABELS, mean_logprob, ours

CLIPS = tiny.clips()


@pytest.fixture(scope="module")
def granite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_granite(tmp_path_factory.mktemp("speech") / "granite")


def test_features_are_those_of_transformers_formula() -> None:
    """Its numpy spectrogram with the settings of torchaudio's `MelSpectrogram`, and torchaudio itself where it is."""
    from transformers.audio_utils import mel_filter_bank, spectrogram

    filters = mel_filter_bank(257, 80, 0.0, 8000.0, 16_000, norm=None, mel_scale="htk")
    window = np.pad(np.hanning(401)[:-1], 56)
    for clip in CLIPS:
        power = spectrogram(
            clip.samples.astype(np.float64), window, 512, 160, fft_length=512, power=2.0, mel_filters=filters
        )
        logs = np.log10(np.maximum(power.T, 1e-10))
        logs = np.maximum(logs, logs.max() - 8) / 4 + 1
        expected = logs[: len(logs) // 2 * 2].reshape(-1, 160)
        assert np.allclose(log_mel(torch.from_numpy(clip.samples)[None])[0].numpy(), expected, atol=2e-4)


def granite_forward(model: Any, clip: Clip, label: str, encode: Any) -> float:
    audio = [tiny.token("<|audio|>")] * tiny.granite_positions(clip)
    ids = encode(BEFORE) + audio + encode(AFTER) + encode(label)
    with torch.inference_mode():
        features = log_mel(torch.from_numpy(clip.samples)[None])
        logits = model(input_ids=torch.tensor([ids]), input_features=features).logits[0]
    return mean_logprob(logits, encode(label))


def merged(directory: Path) -> Any:
    """The class's model with alpha / r · B·A added to its weights."""
    from transformers import GraniteSpeechForConditionalGeneration

    model = GraniteSpeechForConditionalGeneration.from_pretrained(directory).eval()
    config = json.loads((directory / "adapter_config.json").read_text())
    tensors = load_file(directory / "adapter_model.safetensors")
    layers = model.model.language_model.layers
    with torch.no_grad():
        for name, down in tensors.items():
            if ".lora_A." in name:
                module = layers.get_submodule(name.partition("layers.")[2].removesuffix(".lora_A.weight"))
                up = tensors[name.replace("lora_A", "lora_B")]
                module.weight += config["lora_alpha"] / config["r"] * up @ down
    return model


def test_granite_with_its_lora_equals_merged_weights_and_without_it_the_plain_class(granite: Path) -> None:
    from transformers import GraniteSpeechForConditionalGeneration

    speech = load_speech_llm("granite", granite, tiny.CPU)
    models = {
        "on": merged(granite),
        "off": GraniteSpeechForConditionalGeneration.from_pretrained(granite).eval(),
    }
    for state, llm in (("on", speech.backbone), ("off", speech.matched), ("on", speech.backbone)):
        found = ours(speech, llm)
        for row, clip in enumerate(CLIPS):
            for column, label in enumerate(LABELS):
                expected = granite_forward(models[state], clip, label, llm.encode)
                assert found[row, column] == pytest.approx(expected, abs=1e-4)
    assert np.abs(ours(speech, speech.backbone) - ours(speech, speech.matched)).max() > 1e-2


def test_granite_divides_its_logits_as_its_llm_does(tmp_path: Path) -> None:
    """Published ones divide by 8 or 16. transformers' composite class leaves it out; the LLM's own does not."""
    from transformers import GraniteSpeechForConditionalGeneration

    directory = tiny.write_granite(tmp_path / "g", lora=False, logits_scaling=8.0)
    speech = load_speech_llm("granite", directory, tiny.CPU)
    assert speech.backbone is speech.matched
    ids = torch.tensor([[5, 6, 7, 8]])
    model = GraniteSpeechForConditionalGeneration.from_pretrained(directory).eval()
    with torch.inference_mode():
        hidden = model.model.language_model(input_ids=ids).last_hidden_state
        expected = model.lm_head(hidden) / 8.0
        assert torch.allclose(speech.backbone.model(input_ids=ids).logits, expected, atol=1e-5)


def test_the_text_twin_of_granite_is_itself_without_its_lora(granite: Path) -> None:
    assert lora_of(granite) == "."
    hearing, bare = language_model_weights(granite, None), language_model_weights(granite, None, bare=True)
    assert match(hearing, bare).grade == "LoRA-shifted"
    assert match(bare, bare).grade == "identical"


def test_a_granite_without_its_lora_or_with_a_foreign_one(granite: Path, tmp_path: Path) -> None:
    import shutil

    missing = tmp_path / "missing"
    shutil.copytree(granite, missing)
    (missing / "adapter_model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"adapter_model\.safetensors is missing"):
        load_speech_llm("granite", missing, tiny.CPU)
    foreign = tmp_path / "foreign"
    shutil.copytree(granite, foreign)
    path = foreign / "adapter_model.safetensors"
    save_file({name.replace("q_proj", "w_proj"): tensor for name, tensor in load_file(path).items()}, path)
    with pytest.raises(ModelError, match=r"made for a module 'model\.layers\.\d\.self_attn\.w_proj'"):
        load_speech_llm("granite", foreign, tiny.CPU)


def test_voxtral_equals_its_own_forward(tmp_path: Path) -> None:
    from transformers import VoxtralForConditionalGeneration, WhisperFeatureExtractor

    directory = tiny.write_voxtral(tmp_path / "v")
    speech = load_speech_llm("voxtral", directory, tiny.CPU)
    model = VoxtralForConditionalGeneration.from_pretrained(directory).eval()
    found, encode = ours(speech, speech.backbone), speech.backbone.encode
    extractor = WhisperFeatureExtractor(feature_size=128, chunk_length=8)
    for row, clip in enumerate(CLIPS):
        features = extractor(clip.samples, sampling_rate=16_000, return_tensors="pt").input_features
        for column, label in enumerate(LABELS):
            audio = encode("[BEGIN_AUDIO]") + [tiny.token("<|AUDIO|>")] * 100
            ids = torch.tensor([encode(BEFORE) + audio + encode(AFTER) + encode(label)])
            with torch.inference_mode():
                logits = model(input_ids=ids, input_features=features).logits[0]
            assert found[row, column] == pytest.approx(mean_logprob(logits, encode(label)), abs=1e-4)


def test_voxtral_cuts_long_clips_as_its_processor(tmp_path: Path) -> None:
    """Features of the whole clip, filled up to whole windows; each window by itself."""
    from transformers import WhisperFeatureExtractor

    speech = load_speech_llm("voxtral", tiny.write_voxtral(tmp_path / "v"), tiny.CPU)
    long = Clip(np.concatenate([clip.samples for clip in CLIPS]))
    count = -(-len(long.samples) // 128_000)
    filled = np.pad(long.samples, (0, count * 128_000 - len(long.samples)))
    features = WhisperFeatureExtractor(feature_size=128)(
        filled, sampling_rate=16_000, return_tensors="pt", padding=True, truncation=False
    ).input_features
    chunks = features.reshape(128, count, 800).transpose(0, 1)
    with torch.inference_mode():
        expected = speech.root.model.get_audio_features(chunks).pooler_output  # type: ignore[union-attr, operator]
    (heard,) = speech.ears.hear([long])
    assert torch.allclose(heard, expected, atol=1e-5)
    assert speech.adapter.in_time(long.seconds, len(heard)) == int(np.ceil(long.seconds * 12.5))
