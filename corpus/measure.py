"""Word error rate of the embedded recognisers on the corpus, by task, voice and rendering.

    python corpus/measure.py                          # both recognisers, the test items of every task
    python corpus/measure.py --asr whisper-base --task topic --transcripts heard.jsonl

Both texts go through Whisper's English normaliser first, since spoken numbers come back as digits. Rates
are total errors over total reference words.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jiwer
from plan import CORPUS, TASKS, read
from whisper_normalizer.english import EnglishTextNormalizer

from cascade_equivalence.audio.clip import read_clip
from cascade_equivalence.systems.loading import locate, place
from cascade_equivalence.systems.whisper import Whisper

BATCH = 16


def transcripts(asr: Whisper, rows: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str]]:
    """Rows with what was heard, clips of like length together."""
    clips = sorted(((read_clip(CORPUS / row["audio"]), row) for row in rows), key=lambda pair: pair[0].seconds)
    for start in range(0, len(clips), BATCH):
        batch = clips[start : start + BATCH]
        heard = asr.transcribe([clip for clip, _ in batch])
        yield from ((row, found.text) for (_, row), found in zip(batch, heard, strict=True))


_NORMALISE = EnglishTextNormalizer()


def errors(reference: str, heard: str) -> tuple[int, int]:
    """Word errors and reference words, after normalisation."""
    reference, heard = _NORMALISE(reference), _NORMALISE(heard)
    found = jiwer.process_words(reference, heard)
    return found.substitutions + found.deletions + found.insertions, len(reference.split())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--asr", action="append", help="default: whisper-base and whisper-tiny.en")
    parser.add_argument("--task", action="append", choices=[*TASKS, "rendering", "retest"])
    parser.add_argument("--padding", choices=["short", "stock"], default="short")
    parser.add_argument("--transcripts", type=Path, help="append what was heard, one JSON object per clip")
    given = parser.parse_args()
    totals: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for name in given.asr or ["whisper-base", "whisper-tiny.en"]:
        place_of_asr = place("asr", "auto", "auto", BATCH)
        asr = Whisper(name, locate(name, lambda line: print(line, file=sys.stderr)), place_of_asr, given.padding)
        for task in given.task or [*TASKS, "rendering", "retest"]:
            rows = [row for row in read(CORPUS / f"{task}.jsonl") if row["split"] == "test"]
            for row, heard in transcripts(asr, rows):
                wrong, words = errors(row["text"], heard)
                groups = [("task", task)]
                # Coloured speech stands apart: the bar is for clean speech.
                if task == "rendering":
                    groups.append(("rendering", row["label"]))
                else:
                    groups += [("voice", row["speaker"]), ("all", "clean test speech")]
                for kind, group in groups:
                    totals[name, kind, group][0] += wrong
                    totals[name, kind, group][1] += words
                if given.transcripts:
                    line = {"asr": name, "id": row["id"], "heard": heard, "errors": wrong, "words": words}
                    with given.transcripts.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(line, ensure_ascii=False) + "\n")
            print(f"{name} {task} done", file=sys.stderr, flush=True)
    order = ["all", "task", "voice", "rendering"]
    for name, kind, group in sorted(totals, key=lambda key: (key[0], order.index(key[1]), key[2])):
        wrong, words = totals[name, kind, group]
        print(f"{name}\t{kind}\t{group}\t{wrong / words:.4f}\t{wrong}/{words}")


if __name__ == "__main__":
    main()
