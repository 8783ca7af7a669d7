"""Agreement on real news titles: speech LLM and self-cascade, overall and by the word error rate of what was heard.

Titles of AG News (`meta.raw_title`, its agency tag removed) are spoken once by the pocket corpus's evaluation voices
and classified with the shipped topic prompt. The data are not part of the project: give a JSONL file with `id`,
`label`, `choices` and `meta.raw_title`.

    python benchmarks/news_titles.py ag_news.jsonl --work titles
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from cascade_equivalence.agreement import compare
from cascade_equivalence.audio.clip import RATE, read_clip
from cascade_equivalence.audio.synthesis import KokoroSynthesizer
from cascade_equivalence.systems.backbone import Backbone
from cascade_equivalence.systems.loading import locate, place
from cascade_equivalence.systems.local import SpeechSystem, TextSystem
from cascade_equivalence.systems.speech.encoder import WhisperEncoder
from cascade_equivalence.systems.speech.loading import load_speech_llm
from cascade_equivalence.systems.speech.pocket import CtcConnector, PocketEars, pad
from cascade_equivalence.systems.whisper import Whisper
from cascade_equivalence.tasks.manifest import read_manifest
from cascade_equivalence.tasks.task import corpus_dir, load_task

sys.path.insert(0, str(Path(__file__).parents[1] / "corpus"))
from sound import finish

BANDS = ((0.0, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 9.0))


def main() -> None:
    """Speak, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("items", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--number", type=int, default=440)
    parser.add_argument("--speech-llm", default="pocket-ctc")
    options = parser.parse_args()
    titles = choose(options.items, options.number)
    options.work.mkdir(parents=True, exist_ok=True)
    speak(titles, options.work)
    report(options.work, options.speech_llm)


def choose(path: Path, number: int) -> list[dict[str, object]]:
    """Titles of 4–12 words without signs that nobody speaks, the classes in turn."""
    good = []
    for line in path.read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        title = re.sub(r"(\s*\([^)]*\))+\s*$", "", item["meta"]["raw_title"]).strip()
        if 4 <= len(title.split()) <= 12 and not re.search(r"[#&<>\\;$/]|\d{3,}", title):
            good.append({**item, "text": title})
    random.Random("ag titles 0").shuffle(good)
    by_label: dict[str, list[dict[str, object]]] = {}
    for item in good:
        by_label.setdefault(item["label"], []).append(item)
    turns = zip(*(by_label[label] for label in sorted(by_label)), strict=False)
    return [item for turn in turns for item in turn][:number]


def speak(titles: list[dict[str, object]], work: Path) -> None:
    """One FLAC a title, voices in turn, and the manifest."""
    roles = json.loads((corpus_dir() / "voices.json").read_text(encoding="utf-8"))["roles"]
    kokoro = KokoroSynthesizer()
    rows = []
    for index, item in enumerate(titles):
        voice = roles["evaluation"][index % len(roles["evaluation"])]
        path = work / "audio" / f"{item['id']}.flac"
        path.parent.mkdir(exist_ok=True)
        if not path.is_file():
            wave, rate = kokoro.speak(str(item["text"]), voice)
            part = path.with_suffix(".part")
            soundfile.write(part, finish(wave, rate), RATE, format="FLAC")
            part.replace(path)
        kept = {key: item[key] for key in ("id", "text", "choices", "label")}
        rows.append(json.dumps({**kept, "audio": f"audio/{path.name}", "speaker": voice}))
    (work / "titles.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")


def report(work: Path, name: str) -> None:
    """κ with its interval, overall and by the WER of the words that the speech LLM found.

    Prompt, examples and calibration are those of the shipped topic task, which a manifest of one's own does not get.
    """
    import jiwer
    import torch
    from whisper_normalizer.english import EnglishTextNormalizer

    shipped = load_task("topic")
    task = replace(shipped, items=read_manifest(work / "titles.jsonl"))
    llm = Backbone.load("llm", locate("smollm2-135m", print), place("llm", "cpu", "auto", 16))
    placement = place("asr", "cpu", "auto", 16)
    asr = Whisper("asr", locate("whisper-base", print), placement, "short")
    encoder = WhisperEncoder("encoder", locate("whisper-base", print), placement)
    speech = load_speech_llm(name, locate(name, print), placement, llm, encoder)
    ears = speech.ears
    if not isinstance(ears, PocketEars) or not isinstance(ears.connector, CtcConnector):
        raise SystemExit(f"{name} writes no text; its word error rate cannot be told")
    reads, hears = TextSystem(llm, "plain"), SpeechSystem(speech, "plain")
    offsets = np.mean(
        [
            r.scores
            for r in reads.reply(shipped, shipped.calibration, [i.text or "" for i in shipped.calibration], "labels")
        ],
        axis=0,
    )
    plain = EnglishTextNormalizer()
    rates: list[tuple[str, str]] = []
    labels: dict[str, list[int]] = {"gold": [], "cascade": [], name: []}
    for start in range(0, len(task.items), 16):
        part = task.items[start : start + 16]
        clips = [read_clip(item.audio) for item in part if item.audio]
        said = [item.text or "" for item in part]
        with torch.inference_mode():
            frames, there = pad(encoder.encode(clips))
            found = [llm.tokenizer.decode(t) for t in ears.connector.read(frames.float(), there, ears.reader)]
        replies = {
            "gold": reads.reply(task, part, said, "labels"),
            "cascade": reads.reply(task, part, [t.text for t in asr.transcribe(clips)], "labels"),
            name: hears.answer(task, part, [llm.embed(llm.encode(text)) for text in found], "labels"),
        }
        for arm, answered in replies.items():
            labels[arm] += [int(np.argmax(np.array(r.scores) - offsets)) for r in answered]
        rates += [(plain(text), plain(text_found)) for text, text_found in zip(said, found, strict=True)]
    right = np.array([task.labels.index(item.label) for item in task.items])
    for arm, given in labels.items():
        print(f"{arm}: {100 * np.mean(np.array(given) == right):.1f} % right, n = {len(given)}")
    each = np.array([jiwer.wer(a, b) for a, b in rates])
    print(f"WER of {name}: {jiwer.wer([a for a, _ in rates], [b for _, b in rates]):.3f}, n = {len(rates)}")
    for low, high in ((0.0, 9.0), *BANDS):
        inside = (each >= low) & (each < high)
        if inside.sum() > 10:
            k = compare(np.array(labels[name])[inside], np.array(labels["cascade"])[inside], None, classes=4).kappa
            print(f"WER {low:.1f}–{high:.1f}: κ {k.value:.3f} ({k.low:.3f}–{k.high:.3f}), n = {int(inside.sum())}")


if __name__ == "__main__":
    main()
