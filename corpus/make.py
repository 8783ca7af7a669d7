"""Speak the pocket corpus: audio from each manifest's texts and voices.

    python corpus/make.py --task topic --limit 2 --out again

Every file is made from the row alone (text, voice and, for `rendering`, the settings in `meta`). Files that
exist are kept, so a run that was stopped goes on where it was. DIR gets `audio/<task>/<id>.ogg` and
`<task>.jsonl` with the hashes of the files made. The shipped files were made by this very command, with
`--out` at the corpus itself.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import sound
import soundfile
from plan import CORPUS, TASKS, read

from cascade_equivalence.audio.synthesis import KokoroSynthesizer, Synthesizer

NAMES = [*TASKS, "rendering", "retest", "babble"]


def speak(row: dict[str, Any], engine: Synthesizer) -> sound.Waveform:
    """The clip of one manifest row at 16 kHz, shape (n,)."""
    how = row.get("meta", {})
    # The engine always speaks at its own tempo: hurried, it swallows the first sound of a sentence.
    wave, rate = engine.speak(row["text"], row["speaker"])
    return sound.finish(
        wave,
        rate,
        tempo=how.get("tempo", 1.0),
        pitch=how.get("pitch", 1.0),
        level=how.get("level_dbfs", sound.LEVEL),
    )


class Remembering:
    """A synthesiser that keeps what it said: the renderings of a sentence are made of one recording."""

    def __init__(self, engine: Synthesizer) -> None:
        self._engine = engine
        self._said: dict[tuple[str, str, float], tuple[sound.Waveform, int]] = {}

    def speak(self, text: str, voice: str, *, rate: float = 1.0) -> tuple[sound.Waveform, int]:
        key = (text, voice, rate)
        if key not in self._said:
            self._said[key] = self._engine.speak(text, voice, rate=rate)
        return self._said[key]


def make(task: str, out: Path, engine: Synthesizer, limit: int | None) -> None:
    rows = read(CORPUS / f"{task}.jsonl")[:limit]
    started, spoken = time.monotonic(), 0.0
    for number, row in enumerate(rows, 1):
        path = out / row["audio"]
        if not path.exists():
            clip = speak(row, engine)
            sound.write_opus(path, clip, sound.OPUS_BITS.get(task, sound.OTHER_OPUS_BITS))
            spoken += len(clip) / sound.FILE_RATE
            if number % 20 == 0:
                took = time.monotonic() - started
                print(f"{task} {number}/{len(rows)}: {spoken:.0f} s of speech in {took:.0f} s", flush=True)
        row["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    part = out / f".{task}.part"
    part.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    part.replace(out / f"{task}.jsonl")
    seconds = sum(soundfile.info(out / row["audio"]).duration for row in rows)
    size = sum((out / row["audio"]).stat().st_size for row in rows)
    print(f"{task}: {len(rows)} clips, {seconds:.0f} s, {size / 1e6:.2f} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", action="append", choices=NAMES, help="repeat for several; default all")
    parser.add_argument("--limit", type=int, help="only the first so many rows")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kokoro", type=Path, help="directory of the speech model; default: the fetched one")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    if given.limit is not None and given.out.resolve() == CORPUS.resolve():
        parser.error("--limit would cut the shipped manifest: choose another --out")
    engine = KokoroSynthesizer(given.kokoro, threads=given.threads)
    given.out.mkdir(parents=True, exist_ok=True)
    for task in given.task or NAMES:
        make(task, given.out, Remembering(engine) if task == "rendering" else engine, given.limit)


if __name__ == "__main__":
    main()
