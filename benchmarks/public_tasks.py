"""Real items of public data sets on the embedded models: accuracies, κ and ceilings, spoken once and cached.

Builds the files that the hub would send from real items (a folder with `tasks/<name>.jsonl`, as tests read it), pulls
them, and runs the pocket study's arms on clean speech. Speaking takes most of the time: about 2 s of a quiet core for
every second of speech; killed, it goes on.

    PYTHONPATH=.:src python benchmarks/public_tasks.py --shared ../shared/data --limit 200 --out runs/public
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tests.public import published

from cascade_equivalence.cli import main as ceq
from cascade_equivalence.study.results import Results, analyse

TASKS = ("sst2", "commonsenseqa", "ag_news")


def study_of(shared: Path, out: Path, limits: dict[str, int]) -> Path:
    """Write the data sets' files and the study; returns the study's path."""
    tasks = []
    for name, limit in limits.items():
        real = published.items(shared, name)
        folder = out / "data" / name
        if not folder.is_dir():
            published.write(name, published.rows(name, real), folder)
        tasks.append({"dataset": name, "path": str(folder.resolve()), "rows": len(real), "limit": limit})
    study = {"extends": "pocket", "tasks": tasks, "conditions": ["clean"], "analyses": ["agreement"]}
    path = out / "public.yaml"
    path.write_text(json.dumps(study), encoding="utf-8")
    return path


def table(results: Results) -> str:
    """Markdown: accuracies by arm, κ of each speech LLM with its cascades, and the ceiling."""
    lines = ["| | " + " | ".join(f"{t.name} (n = {len(t.items)})" for t in results.tasks) + " |"]
    lines.append("|---" * (len(results.tasks) + 1) + "|")
    for arm in results.arms:
        cells = [results.cell(task.name, "clean", arm.name) for task in results.tasks]
        told = [span(c.accuracy.value, c.accuracy.low, c.accuracy.high, 100, 1) if c else "" for c in cells]
        lines.append(f"| accuracy: {arm.name} | " + " | ".join(told) + " |")
    pairs = dict.fromkeys((c.left, c.right) for c in results.comparisons if "gold" not in (c.left, c.right))
    for left, right in pairs:
        found = {c.task: c.pair for c in results.comparisons if (c.left, c.right) == (left, right)}
        told = []
        for task in results.tasks:
            kappa = found[task.name].kappa if task.name in found else None
            told.append(span(kappa.value, kappa.low, kappa.high, 1, 2) if kappa else "")
        lines.append(f"| κ: {left} and {right} | " + " | ".join(told) + " |")
    return "\n".join(lines)


def span(value: float | None, low: float | None, high: float | None, factor: int, digits: int) -> str:
    """A figure with its interval."""
    if value is None or low is None or high is None:
        return "not defined"
    return f"{factor * value:.{digits}f} ({factor * low:.{digits}f}–{factor * high:.{digits}f})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True, help="folder with tasks/<name>.jsonl")
    parser.add_argument("--limit", default="200", help="items a task: one number, or one a task (40,80,120)")
    parser.add_argument("--out", type=Path, default=Path("runs/public"))
    parser.add_argument("--arms", default="", help="only these arms of the pocket study, separated by commas")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    sizes = [int(n) for n in args.limit.split(",")]
    limits = dict(zip(TASKS, sizes * len(TASKS) if len(sizes) == 1 else sizes, strict=False))
    path = study_of(args.shared, args.out, limits)
    narrowed = ["--arms", args.arms] if args.arms else []
    ceq(["run", str(path), "--out", str(args.out / "run"), *narrowed])
    print(table(analyse(args.out / "run")))
