"""The paper's study at a small size: its preset with embedded and tiny models in the place of the published ones.

Data sets are files of the published layouts, made of real items; Gemini's place takes a file of predictions.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from cascade_equivalence.study.build import build_tasks
from cascade_equivalence.study.spec import load_study
from tests.models import directory
from tests.public import published
from tests.systems.speech import tiny

RECORDED = ("meld", "mustard")
CONDITIONS = ["clean", "babble@0dB", "no-audio"]
CLEAN_ONLY = ["clean", "no-audio"]
ROWS = 24


def data_sets(folder: Path, shared: Path) -> list[dict[str, Any]]:
    """The six data sets as tasks of a study: the shortest of the real items, so that little is to be spoken."""
    clips = published.recordings(sorted((shared / "speech" / "ravdess").rglob("*.flac"))[:20])
    found = []
    for name in published.NAMES:
        every = sorted(published.items(shared, name), key=lambda item: len(item.get("text") or item["question"]))
        made = published.rows(name, _balanced(every), clips if name in RECORDED else None)
        published.write(name, made, folder / name)
        found.append({"dataset": name, "path": str(folder / name), "rows": len(made)})
    return found


def _balanced(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """As many of each label, the first of each."""
    by_label: dict[str, list[dict[str, Any]]] = {}
    for item in items:
        label = item["label"] if isinstance(item["label"], str) else ""
        by_label.setdefault(label, []).append(item)
    each = -(-ROWS // len(by_label))
    return [item for rows in by_label.values() for item in rows[:each]]


def models(folder: Path) -> dict[str, Any]:
    """The preset's models by name: Ultravox's layout around SmolLM2 with a random projector, the other two tiny."""
    llm, encoder = directory("smollm2-135m"), directory("whisper-base")
    projector = tiny.ultravox_tensors(True, encoder=512, hidden=64, llm=576)
    tiny.write_ultravox(folder / "ultravox", True, llm, encoder, hidden_size=64, tensors=projector)
    tiny.write_qwen2_audio(folder / "qwen2-audio")
    tiny.write_phi4(folder / "phi4-mm")
    for seed, name in enumerate(("qwen2", "phi4-mini"), 11):
        tiny.write_llm(folder / name, seed)
    small = {name: {"id": str(folder / name)} for name in ("ultravox", "qwen2-audio", "phi4-mm", "qwen2", "phi4-mini")}
    return small | {
        "whisper-large": {"id": "whisper-base"},
        "whisper-small": {"id": "whisper-tiny.en"},
        "qwen2.5": {"id": "smollm2-135m"},
        "llama": {"id": "smollm2-135m"},
        "gemini": {"predictions": "gemini.jsonl"},
    }


def write_study(folder: Path, shared: Path, limit: int = 2) -> Path:
    """The study file. Fetches and speaks what it needs."""
    tasks = data_sets(folder / "data", shared)
    for task in tasks:
        task["limit"] = limit
        if task["dataset"] in RECORDED:
            task["conditions"] = CLEAN_ONLY
    study = {
        "extends": "paper",
        "tasks": tasks,
        "conditions": CONDITIONS,
        "models": models(folder / "models"),
        "checks": {"hearing": 10, "repeats": 0, "latency": 1},
        "resamples": 200,
        "mechanism": {
            "trials": 4, "fit": 40, "sentences": 40, "damage": 2, "generate": 2, "seeds": 1, "decode": 1,
            "layers": [0, 1],
        },
    }  # fmt: skip
    path = folder / "small-paper.yaml"
    path.write_text(yaml.safe_dump(study), encoding="utf-8")
    rows = []
    for built in build_tasks(*load_study(path)):
        for item in built.items:
            for condition in CLEAN_ONLY if built.name in RECORDED else CONDITIONS:
                rows.append({"id": f"{built.name}/{item.id}/{condition}", "prediction": item.accepted[0]})
    (folder / "gemini.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
