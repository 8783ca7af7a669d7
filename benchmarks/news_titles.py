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
from pathlib import Path

import numpy as np
import soundfile

from cascade_equivalence.agreement import compare
from cascade_equivalence.audio.clip import RATE, read_clip
from cascade_equivalence.audio.synthesis import KokoroSynthesizer
from cascade_equivalence.cli import main as ceq
from cascade_equivalence.study.results import analyse
from cascade_equivalence.systems.backbone import Backbone
from cascade_equivalence.systems.loading import locate, place
from cascade_equivalence.systems.speech.encoder import WhisperEncoder
from cascade_equivalence.systems.speech.loading import load_speech_llm
from cascade_equivalence.systems.speech.pocket import CtcConnector, PocketEars, pad
from cascade_equivalence.tasks.task import corpus_dir

sys.path.insert(0, str(Path(__file__).parents[1] / "corpus"))
from sound import finish

STUDY = """extends: pocket
tasks: [{manifest: titles.jsonl, name: topic}]
conditions: [clean]
"""
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
    (options.work / "study.yaml").write_text(STUDY, encoding="utf-8")
    arms = f"gold,self-cascade,{options.speech_llm}"
    ceq(["run", str(options.work / "study.yaml"), "--out", str(options.work / "run"), "--arms", arms])
    report(titles, options.work, options.speech_llm)


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


def report(titles: list[dict[str, object]], work: Path, name: str) -> None:
    """κ with its interval, overall and by the WER of the words that the speech LLM found."""
    import jiwer
    import torch
    from whisper_normalizer.english import EnglishTextNormalizer

    placement = place("llm", "cpu", "auto", 16)
    llm = Backbone.load("llm", locate("smollm2-135m", print), placement)
    encoder = WhisperEncoder("encoder", locate("whisper-base", print), place("asr", "cpu", "auto", 16))
    ears = load_speech_llm(name, locate(name, print), placement, llm, encoder).ears
    if not isinstance(ears, PocketEars) or not isinstance(ears.connector, CtcConnector):
        raise SystemExit(f"{name} writes no text; its word error rate cannot be told")
    plain = EnglishTextNormalizer()
    rates = []
    for start in range(0, len(titles), 16):
        part = titles[start : start + 16]
        with torch.inference_mode():
            frames, there = pad(ears.encoder.encode([read_clip(work / "audio" / f"{i['id']}.flac") for i in part]))
            read = ears.connector.read(frames.float(), there, ears.reader)
        rates += [
            (plain(str(item["text"])), plain(llm.tokenizer.decode(tokens)))
            for item, tokens in zip(part, read, strict=True)
        ]
    total = jiwer.wer([a for a, _ in rates], [b for _, b in rates])
    each = np.array([jiwer.wer(a, b) for a, b in rates])
    print(f"WER of {name}: {total:.3f}, n = {len(rates)}")
    results = analyse(work / "run")
    left = results.cell("topic", "clean", name)
    right = results.cell("topic", "clean", "self-cascade")
    if left is None or right is None:
        raise SystemExit("the run has no such arms")
    for low, high in ((0.0, 9.0), *BANDS):
        inside = (each >= low) & (each < high)
        if inside.sum() > 10:
            pair = compare(left.labels[inside], right.labels[inside], None, classes=4)
            k = pair.kappa
            print(f"WER {low:.1f}–{high:.1f}: κ {k.value:.3f} ({k.low:.3f}–{k.high:.3f}), n = {int(inside.sum())}")


if __name__ == "__main__":
    main()
