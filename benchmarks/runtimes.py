"""How many transcripts differ between the reference runtime of Whisper and faster-whisper, on equal weights.

The embedded Whisper tiny.en in float32, the clean clips of the shipped topic items, both greedy. Killed, it goes on
where it was.

    PYTHONPATH=.:src python benchmarks/runtimes.py --out runs/runtimes
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from cascade_equivalence.audio.clip import Clip, read_clip
from cascade_equivalence.systems.loading import Placement, locate
from cascade_equivalence.systems.remote.faster_whisper import FasterWhisper
from cascade_equivalence.systems.system import Transcriber
from cascade_equivalence.systems.whisper import Whisper
from cascade_equivalence.tasks.task import load_task

MODEL, PART = "whisper-tiny.en", 8


def converted(out: Path) -> Path:
    """The embedded weights in CTranslate2's layout."""
    from ctranslate2.converters import TransformersConverter

    if not out.is_dir():
        TransformersConverter(str(locate(MODEL, print)), copy_files=["tokenizer.json"]).convert(str(out))
    return out


def transcripts(name: str, asr: Transcriber, clips: list[Clip], out: Path) -> list[str]:
    """Those of one runtime, written down a few at a time."""
    file = out / f"{name}.json"
    texts: list[str] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    while len(texts) < len(clips):
        texts += [made.text for made in asr.transcribe(clips[len(texts) : len(texts) + PART])]
        file.write_text(json.dumps(texts), encoding="utf-8")
    return texts[: len(clips)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/runtimes"))
    parser.add_argument("--clips", type=int, default=200)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    clips = [read_clip(item.audio) for item in load_task("topic").items[: args.clips] if item.audio]
    reference = Whisper(MODEL, locate(MODEL, print), Placement("cpu", "float32", PART), "stock")
    ours = transcripts("reference", reference, clips, args.out)
    theirs = transcripts("faster-whisper", FasterWhisper("asr", converted(args.out / "weights")), clips, args.out)
    apart = [(a, b) for a, b in zip(ours, theirs, strict=True) if a != b]
    words = [pair for pair in apart if [w.strip(".,!?").lower() for w in pair[0].split()]
             != [w.strip(".,!?").lower() for w in pair[1].split()]]  # fmt: skip
    print(f"{len(apart)} of {len(clips)} transcripts differ, {len(words)} of them in words", *apart, sep="\n")
