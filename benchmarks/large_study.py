"""What a large study costs beside its models: planning a resume with nothing to do, the report, the tables.

The answers are made up (often right, transcripts with wrong words), everything else is real: tasks by manifest, plan,
journal, report. 13 arms that hear under 8 conditions: 105 answers an item.

python benchmarks/large_study.py FOLDER [--items 294 1182 3840]

FOLDER keeps a run of each size; one that is there is measured again without being made again. "resume" is all that
`ceq run` does on a finished run before it writes the report: reading the study, planning, and finding nothing to do.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cascade_equivalence.run.execute import execute
from cascade_equivalence.run.executors import Executor
from cascade_equivalence.run.journal import ClipRow, ReplyRow, Row, TranscriptRow
from cascade_equivalence.run.plan import Plan
from cascade_equivalence.run.progress import Silent
from cascade_equivalence.run.run import open_run
from cascade_equivalence.run.work import Ask, Make, Sound, Transcribe, Work
from cascade_equivalence.study.build import build_plan
from cascade_equivalence.study.go import run_plan
from cascade_equivalence.study.record import record
from cascade_equivalence.study.spec import Study, load_study
from cascade_equivalence.tasks.manifest import read_manifest
from cascade_equivalence.tasks.task import corpus_dir

LABELS = ("World", "Sports", "Business", "Sci/Tech")
TASKS = 6


def manifests(folder: Path, items: int) -> list[dict[str, object]]:
    """Tasks of sentences drawn from the shipped ones' words, each item in one of four labels."""
    rng = random.Random(0)
    words = [word for item in read_manifest(corpus_dir() / "topic.jsonl") for word in (item.text or "").split()]
    tasks: list[dict[str, object]] = []
    for task in range(TASKS):
        path = folder / f"task{task}.jsonl"
        rows = [
            {
                "id": f"t{task}-{i}",
                "text": " ".join(rng.choices(words, k=rng.randint(6, 16))),
                "choices": list(LABELS),
                "label": LABELS[i % 4],
            }
            for i in range(items // TASKS)
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        tasks.append({"manifest": path.name, "name": f"task{task}", "voice": "af_heart", "form": "topic"})
    return tasks


def study_of(folder: Path, items: int) -> Study:
    """Thirteen arms that hear and one that reads, under eight conditions."""
    asr = {f"{size}-{pad}": {"id": f"whisper-{size}", "padding": pad} for size in ("base", "tiny.en") for pad in PADS}
    keys = {
        "name": "large",
        "tasks": manifests(folder, items),
        "conditions": [
            "clean",
            *(f"babble@{snr}dB" for snr in (20, 10, 5, 0)),
            "noise:pink@10dB",
            "noise:pink@0dB",
            "gain@-20dB",
        ],
        "models": {"llm": {"id": "smollm2-135m", "prompt": "plain"}, **asr},
        "arms": {
            "gold": {"transcript": "gold", "llm": "llm"},
            **{f"cascade-{name}": {"asr": name, "llm": "llm"} for name in asr},
            "pocket-ctc": {"speech_llm": "pocket-ctc"},
            "pocket-frames": {"speech_llm": "pocket-frames"},
            "deaf": {"planted": "deaf", "llm": "llm"},
            "loudness": {"planted": "loudness", "llm": "llm"},
            "disguised": {"planted": "disguised", "llm": "llm", "asr": "base-short"},
            "flipped": {"planted": "flipped", "llm": "llm", "asr": "base-short"},
            "other": {"planted": "disguised", "llm": "llm", "asr": "tiny.en-short"},
        },
        "device": "cpu",
        "dtype": "float32",
        "checks": {"hearing": 40, "repeats": 40, "latency": 0},
    }
    study, _ = load_study(keys)
    return study


PADS = ("stock", "short", "tight")


class MadeUp:
    """An executor that asks no model: what it says is drawn by the hash of what is asked."""

    def __init__(self, plan: Plan, runs: Path) -> None:
        self._tasks = {task.name: task for task in plan.tasks}
        self._runs = runs
        self._said: dict[str, tuple[str, str]] = {}

    def map(self, work: Sequence[Work], in_turn: bool = False) -> Iterator[list[Row]]:
        """See `Executor.map`."""
        for piece in work:
            match piece:
                case Make():
                    yield [self._clip(*clip) for clip in piece.clips]
                case Transcribe():
                    yield [
                        TranscriptRow(
                            key, piece.model, clip.sha256, self._heard(piece.model, clip), -0.2, 12, 1, 0.1, 16
                        )
                        for key, clip in zip(piece.keys, piece.clips, strict=True)
                    ]
                case Ask():
                    yield [self._reply(piece, i) for i in range(len(piece.keys))]

    def close(self) -> None:
        """Nothing is held."""

    def _clip(self, key: str, task: str, item: object, condition: object) -> ClipRow:
        sha = hashlib.sha256(key.encode()).hexdigest()
        path = self._runs / "clips" / sha[:2] / f"{sha}.flac"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        silent = condition.name == "silence"  # type: ignore[attr-defined]
        self._said[sha] = ("", "") if silent else (item.text, item.label)  # type: ignore[attr-defined]
        return ClipRow(key, task, item.id, condition.name, sha, 3.0 + len(sha) % 5, 10.0, 1.0)  # type: ignore[attr-defined]

    def _heard(self, asr: str, clip: Sound) -> str:
        rng = random.Random(f"{asr} {clip.sha256}")
        return " ".join(w if rng.random() > 0.1 else w[::-1] for w in self._said[clip.sha256][0].split())

    def _reply(self, piece: Ask, i: int) -> ReplyRow:
        given, item = piece.given[i], piece.items[i]
        content = given.sha256 if isinstance(given, Sound) else given or ""
        rng = random.Random(f"{piece.model} {piece.task} {item.id} {content}")
        label = self._said[content][1] if isinstance(given, Sound) else item.label if given else ""
        scores = [-2.0 - rng.random() for _ in item.choices]
        if label and rng.random() < 0.85:
            scores[[choice.label for choice in item.choices].index(label)] = -1.0 - rng.random() / 2
        return ReplyRow(piece.keys[i], piece.asker, content, json.dumps(scores), None, 0, 0.05, 16, read=60)


def made(folder: Path, items: int) -> None:
    """Make the run of a size."""
    folder.mkdir(parents=True, exist_ok=True)
    study = study_of(folder, items)
    plan = build_plan(study, folder, lambda line: None)

    def executor(here: Executor, plan: Plan, store: object) -> Executor:
        return MadeUp(plan, folder / "run")

    with open_run(folder / "run", plan, Silent(), executor) as run:
        record(study, plan, run.journal)
        assert execute(run) == 0
    (folder / "run" / "done").touch()


class NothingToDo(Silent):
    """A reporter of a run that asks nothing."""

    def stage(self, name: str, total: int, done: int) -> Any:
        """See `Reporter.stage`."""
        raise AssertionError(f"asked again: {name}, {total - done} of {total}")


def resumed(folder: Path, items: int) -> None:
    """Run the finished study again."""
    assert run_plan(study_of(folder, items), folder, folder / "run", NothingToDo()).total == 0


def tell(what: str, processor: float, wall: float) -> None:
    """One line: what it took since, and the most memory that the process had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    used = f"{time.process_time() - processor:.1f} s of processor, {time.perf_counter() - wall:.1f} s"
    print(f"  {what:8} {used}, {peak:.0f} MiB, load {os.getloadavg()[0]:.1f}", flush=True)


def main() -> None:
    """Make what is missing, then measure each step in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--items", type=int, nargs="+", default=[294, 1182, 3840])
    parser.add_argument("--step", choices=("make", "resume", "report", "export"))
    args = parser.parse_args()
    for items in args.items:
        folder = args.folder / str(items)
        if args.step is None:
            print(f"{items} items, {items * 105:,} answers", flush=True)
            again = [] if (folder / "run" / "done").is_file() else ["make"]
            for step in (*again, "resume", "report", "export"):
                here = [sys.executable, __file__, str(args.folder), "--items", str(items), "--step", step]
                subprocess.run(here, check=True, stdout=None)
            continue
        start = time.process_time(), time.perf_counter()
        if args.step in ("make", "resume"):
            {"make": made, "resume": resumed}[args.step](folder, items)
            tell(args.step, *start)
            continue
        from cascade_equivalence.cli import main as ceq

        more = ["--tables", "csv"] if args.step == "export" else []
        with contextlib.redirect_stdout(io.StringIO()):
            assert ceq([args.step, str(folder / "run"), *more]) in (0, 1)
        tell(args.step, *start)


if __name__ == "__main__":
    main()
