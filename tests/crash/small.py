"""What is killed: a study on tiny checkpoints, a run of it, a data set to pull, a model to pull."""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from cascade_equivalence.pocket import fetch
from cascade_equivalence.pocket.registry import EmbeddedModel, Package, SourceFile
from tests.run.small import contents

ITEMS = 8


def write_study(directory: Path, items: int = ITEMS, batch: int = 2) -> Path:
    """A gold arm, a cascade whose transcripts lie in a file, and a speech LLM, on shipped items in two conditions."""
    from tests.systems.speech import tiny

    tiny.write_llm(directory / "llm")
    tiny.write_qwen2_audio(directory / "speech")
    from cascade_equivalence.tasks.task import load_task

    task = load_task("topic", limit=items)
    with (directory / "heard.jsonl").open("w", encoding="utf-8") as file:
        for item in (*task.items, *task.dev):
            for condition in ("clean", "babble@5dB"):
                file.write(json.dumps({"id": f"{item.id}/{condition}", "prediction": item.text}) + "\n")
    study = {
        "name": "crash", "tasks": ["topic"], "limit": items, "conditions": ["clean", "babble@5dB"], "resamples": 100,
        "models": {
            "llm": {"id": "llm", "prompt": "plain", "batch_size": batch}, "heard": {"predictions": "heard.jsonl"},
            "speech": {"id": "speech", "batch_size": batch},
        },
        "arms": {
            "gold": {"transcript": "gold", "llm": "llm"}, "cascade": {"asr": "heard", "llm": "llm"},
            "speech": {"speech_llm": "speech"},
        },
        "dtype": "float32", "device": "cpu", "checks": {"hearing": 4, "repeats": 0, "latency": 0},
    }  # fmt: skip
    path = directory / "study.yaml"
    path.write_text(yaml.safe_dump(study), encoding="utf-8")
    return path


def write_recordings(folder: Path, rows: int = 30) -> Path:
    """A data set of recordings in the layout of MELD, as the hub publishes it."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    import soundfile

    draw = np.random.default_rng(0)
    made = []
    for at in range(rows):
        sound = io.BytesIO()
        soundfile.write(sound, draw.normal(0, 0.1, 16_000).astype(np.float32), 16_000, format="WAV")
        made.append(
            {
                "Sr No.": at, "Utterance": f"this is line number {at} of them", "Speaker": f"S{at % 3}",
                "Emotion": ("neutral", "joy", "anger")[at % 3], "Sentiment": "neutral", "Dialogue_ID": at // 5,
                "Utterance_ID": at % 5, "Season": 1, "Episode": 1, "StartTime": "", "EndTime": "", "video_path": "",
                "WavPath": "", "audio": {"bytes": sound.getvalue(), "path": f"{at}.wav"},
            }
        )  # fmt: skip
    path = folder / "data" / "test-00000-of-00001.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(made), path)
    return folder


def write_package(path: Path, megabytes: int = 12) -> EmbeddedModel:
    """An archive as a registry has it, and the model that is made of it."""
    data = np.random.default_rng(0).bytes(megabytes << 20)
    half = len(data) // 2
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("pkg/a.bin", data[:half])
        file.writestr("pkg/b.bin", data[half:])
        file.writestr("../../slip", b"x")
    package = Package("pypi", "crash-model", "1", hashlib.sha256(path.read_bytes()).hexdigest())
    source = SourceFile("model.bin", ("pkg/a.bin", "pkg/b.bin"), hashlib.sha256(data).hexdigest())
    return EmbeddedModel("crash-model", "llm", "", "files", "", "", 1, (package,), (source,))


def seed_archive(model: EmbeddedModel, archive: Path) -> None:
    """Have the archive in the download cache, as if it had just been fetched."""
    package = model.packages[0]
    downloads = fetch.cache_dir() / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    kept = downloads / f"{package.name}-{package.version}-{package.sha256[:12]}"
    if not kept.exists():
        kept.write_bytes(archive.read_bytes())


def counts(run: Path) -> dict[str, int]:
    """Rows by table; none where there is no journal yet."""
    if not (run / "journal.sqlite").exists():
        return {}
    db = sqlite3.connect(run / "journal.sqlite", timeout=30)
    try:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: db.execute(f"SELECT COUNT(*) FROM {name}").fetchone()[0] for name in tables}
    finally:
        db.close()


def difference(run: Path, calm: Path) -> str | None:
    """How a run's journal differs from the undisturbed one's: labels and rows exactly, scores as numbers."""
    wanted = contents(calm)
    try:
        found = contents(run)
    except sqlite3.Error as error:
        return f"the journal cannot be read ({error})"
    for table, rows in wanted.items():
        if [row[0] for row in found[table]] != [row[0] for row in rows]:
            return f"{table}: {len(found[table])} rows, not the {len(rows)} of the undisturbed run"
        for one, other in zip(found[table], rows, strict=True):
            if not all(map(_equal, one, other)):
                return f"{table}: {one} is not {other}"
    db = sqlite3.connect(run / "journal.sqlite")
    try:
        twice = db.execute(
            "SELECT COUNT(*) FROM answers GROUP BY arm, task, item, condition, replicate, mode HAVING COUNT(*) > 1"
        ).fetchall()
    finally:
        db.close()
    return f"{len(twice)} answers twice" if twice else None


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, str) and one.startswith("[") and isinstance(other, str):  # scores: other batches, other rounding
        return np.allclose(json.loads(one), json.loads(other), atol=1e-4)
    return bool(one == other)


def files_of(directory: Path) -> dict[str, str]:
    """Hash of every file below a directory, by its path."""
    return {
        str(p.relative_to(directory)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(directory.rglob("*"))
        if p.is_file()
    }


def leftovers(directory: Path) -> list[str]:
    """Files that are half made."""
    return [str(p.relative_to(directory)) for p in directory.rglob(".*") if p.suffix != ".lock"]
