"""The figures of the model card: what a trained connector writes, hides and carries.

All in voices it never heard, but for the held-out dictionary sentences.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cascade_equivalence.audio.clip import RATE, Clip, read_clip
from cascade_equivalence.mechanism.lens import bag_scores, content_classes
from cascade_equivalence.mechanism.probes import ridge_probe
from cascade_equivalence.mechanism.readouts import text_lens, token_centroids
from cascade_equivalence.mechanism.splits import split_by_group
from cascade_equivalence.mechanism.targets import position_pitch
from cascade_equivalence.study.word_errors import corpus_rate
from cascade_equivalence.systems.backbone import Backbone
from cascade_equivalence.systems.loading import Placement, locate
from cascade_equivalence.systems.prompting import spoken_text
from cascade_equivalence.systems.speech.encoder import FRAME, WhisperEncoder
from cascade_equivalence.systems.speech.loading import load_speech_llm
from cascade_equivalence.systems.speech.pocket import STACK, CtcConnector, PocketEars, pad
from cascade_equivalence.tasks.sentences import own_sentences
from cascade_equivalence.tasks.task import corpus_dir
from training.features import Example
from training.loop import held_out

Spoken = tuple[str, str, Clip]
"""Text, voice, clip."""
Written = tuple[str, Tensor]
"""Text, encoder states."""
STEP_S = STACK * FRAME / RATE


def corpus_clips(tasks: Iterable[str]) -> list[Spoken]:
    """The evaluated items of shipped tasks."""
    found = []
    for task in tasks:
        for line in (corpus_dir() / f"{task}.jsonl").read_text(encoding="utf-8").splitlines():
            item = json.loads(line)
            if item["split"] == "test":
                found.append((item["text"], item["speaker"], read_clip(corpus_dir() / item["audio"])))
    return found


def human_speech(manifest: Path) -> dict[str, list[Spoken]]:
    """English recordings of a JSONL manifest (`text`, `path` relative to it, `set`, `meta.language`), by set."""
    found: dict[str, list[Spoken]] = {}
    for line in manifest.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        meta = row.get("meta") or {}
        if row.get("text") and meta.get("language", "en") == "en":
            spoken = row["text"], str(meta.get("speaker")), read_clip(manifest.parent / row["path"])
            found.setdefault(row.get("set", "speech"), []).append(spoken)
    return found


def read_aloud(connector: CtcConnector, reader: Backbone, clips: Sequence[Written]) -> list[tuple[str, str, str]]:
    """What was said, found, and on the best CTC path alone, after Whisper's normaliser; clips without words left out.

    clips: text and encoder states of each.
    """
    from whisper_normalizer.english import EnglishTextNormalizer

    plain = EnglishTextNormalizer()
    found: list[tuple[str, str, str]] = []
    for start in range(0, len(clips), 16):
        part = clips[start : start + 16]
        with torch.inference_mode():
            frames, there = pad([states for _, states in part])
            read = [connector.read(frames.float(), there, llm) for llm in (reader, None)]
        for (text, _), *tokens in zip(part, *read, strict=True):
            if said := plain(text):
                whole, path = (plain(reader.tokenizer.decode(ids)) for ids in tokens)
                found.append((said, whole, path))
    return found


def written_errors(found: Sequence[tuple[str, str, str]]) -> dict[str, Any]:
    """Word error rate of what `read_aloud` found with its interval over clips, and that of the `path`."""
    rate, path = (corpus_rate([(row[0], row[i]) for row in found]) for i in (1, 2))
    return {
        "wer": rate.value,
        "low": rate.low,
        "high": rate.high,
        "path": path.value,
        "clips": len(found),
        "words": sum(len(said.split()) for said, *_ in found),
    }


def door_readouts(
    heard: Sequence[Tensor], spoken: Sequence[str], backbone: Backbone, texts: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """What two readouts of text read from a connector's output: precision of content tokens, interval and null.

    They are fitted on the input embeddings of `texts`, which training never used as a readout.
    """
    encoded = [backbone.encode(spoken_text(text)) for text in texts]
    tokens = torch.tensor([t for ids in encoded for t in ids])
    sentences = np.repeat(np.arange(len(encoded)), [len(ids) for ids in encoded])
    table = backbone.model.get_input_embeddings().weight.detach().float()
    states = table[tokens]
    names = backbone.tokenizer.convert_ids_to_tokens(list(range(len(backbone.tokenizer))))
    classes = content_classes(names, set(backbone.tokenizer.all_special_ids))
    wanted = [backbone.encode(spoken_text(text)) for text in spoken]
    found = {}
    for name, readout in (
        ("text lens", text_lens(states, tokens, table, sentences)),
        ("centroids", token_centroids(states, tokens, sentences)),
    ):
        read = [readout.read(h.float()).ids.numpy() for h in heard]
        scores = bag_scores(read, wanted, classes)
        found[name] = {
            "on text": readout.accuracy,
            "precision": scores.precision,
            "low": scores.low,
            "high": scores.high,
            "null": scores.null_precision,
            "n": scores.clips,
        }
    return found


def pitch_read(states: Sequence[Tensor], clips: Sequence[Spoken]) -> dict[str, Any]:
    """R² of a ridge probe for log F0 at voiced positions, whole utterances held out."""
    rows, targets, groups = [], [], []
    for number, (found, (_, _, clip)) in enumerate(zip(states, clips, strict=True)):
        pitch = position_pitch(clip.samples, RATE, len(found), STEP_S)
        kept = np.isfinite(pitch)
        rows.append(found.float().numpy()[kept])
        targets.append(pitch[kept])
        groups.append(np.full(int(kept.sum()), number))
    x, y, g = np.concatenate(rows), np.concatenate(targets), np.concatenate(groups)
    probe = ridge_probe(x, y, g, split_by_group(g, 0.3, 0))
    return {"r2": probe.r2, "low": probe.low, "high": probe.high, "n": probe.test_groups}


def voice_read(states: Sequence[Tensor], clips: Sequence[Spoken]) -> dict[str, Any]:
    """Accuracy of a logistic regression that tells the voice from a clip's mean state, on held-out clips."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from cascade_equivalence.agreement import wilson

    x: NDArray[np.float32] = np.stack([found.float().mean(0).numpy() for found in states])
    voices = np.array([voice for _, voice, _ in clips])
    split = split_by_group(np.arange(len(x)), 0.3, 0)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    model.fit(x[split.train], voices[split.train])
    right = int((model.predict(x[split.test]) == voices[split.test]).sum())
    accuracy = wilson(right, len(split.test))
    chance = float(np.unique(voices[split.test], return_counts=True)[1].max() / len(split.test))
    return {
        "accuracy": accuracy.value,
        "low": accuracy.low,
        "high": accuracy.high,
        "n": len(split.test),
        "chance": chance,
    }


def stacked(ears: PocketEars, clips: Sequence[Spoken]) -> list[Tensor]:
    """The encoder's states by fours, as a connector takes them: (positions, 4 × width) each."""
    found = []
    for start in range(0, len(clips), 16):
        frames, there = pad(ears.encoder.encode([clip for _, _, clip in clips[start : start + 16]]))
        found += [row[here] for row, here in zip(frames, there, strict=True)]
    return found


def heard(ears: PocketEars, clips: Sequence[Spoken]) -> list[Tensor]:
    """A connector's output, (positions, LLM width) each."""
    return [h for at in range(0, len(clips), 16) for h in ears.hear([clip for _, _, clip in clips[at : at + 16]])]


def measure(models: Path, examples: Iterable[Example], speech: Path | None) -> None:
    """Print the card's figures as JSON and keep them in `models`/measured.json."""
    backbone = Backbone.load("smollm2-135m", locate("smollm2-135m", print), Placement("cpu", "float32", 16))
    encoder = WhisperEncoder("whisper-base", locate("whisper-base", print), Placement("cpu", "bfloat16", 16))
    clips = corpus_clips(["topic", "sentiment"])
    examples = list(examples)
    own = {*own_sentences("first"), *own_sentences("second")}
    dictionary = [(e.text, e.states) for e in examples if held_out(e.text) and e.text not in own]
    fitted_on = [text for text in dict.fromkeys(e.text for e in examples) if not held_out(text)][:3000]
    del examples
    found: dict[str, Any] = {}
    for name in ("pocket-ctc", "pocket-frames"):
        if not (models / name).is_dir():
            continue
        ears = load_speech_llm(name, models / name, Placement("cpu", "float32", 16), backbone, encoder).ears
        if not isinstance(ears, PocketEars):
            raise TypeError(f"{models / name} is not a pocket model")
        if "encoder" not in found:
            states = stacked(ears, clips)
            found["encoder"] = {"pitch": pitch_read(states, clips), "voice": voice_read(states, clips)}
        output = heard(ears, clips)
        spoken = [text for text, _, _ in clips]
        kept = [i for i, states in enumerate(output) if len(states)]
        found[name] = {"door": door_readouts([output[i] for i in kept], [spoken[i] for i in kept], backbone, fitted_on)}
        if isinstance(ears.connector, CtcConnector):
            found[name]["wer"] = _errors(ears.connector, encoder, ears.reader, dictionary, speech)
        else:
            found[name] |= {"pitch": pitch_read(output, clips), "voice": voice_read(output, clips)}
        print(json.dumps({name: found[name]}, indent=1), flush=True)
    print(json.dumps(found["encoder"], indent=1))
    (models / "measured.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _errors(
    connector: CtcConnector, encoder: WhisperEncoder, reader: Backbone, held: Sequence[Written], speech: Path | None
) -> dict[str, dict[str, Any]]:
    def written(clips: Sequence[Spoken]) -> list[Written]:
        parts = [clips[at : at + 16] for at in range(0, len(clips), 16)]
        states = [s for part in parts for s in encoder.encode([clip for _, _, clip in part])]
        return [(text, s) for (text, _, _), s in zip(clips, states, strict=True)]

    tasks = ("topic", "sentiment", "commonsense", "trivia", "emotion", "sarcasm")
    sets = {task: written(corpus_clips([task])) for task in tasks}
    sets["held-out dictionary sentences, training voices"] = list(held)
    sets |= {f"human: {name}": written(clips) for name, clips in (human_speech(speech) if speech else {}).items()}
    found = {name: read_aloud(connector, reader, clips) for name, clips in sets.items()}
    found["all tasks"] = [row for task in tasks for row in found[task]]
    return {name: written_errors(rows) for name, rows in found.items()}
