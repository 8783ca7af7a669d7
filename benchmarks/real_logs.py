"""Accuracy by `ceq agree` against the log's own, on the logs that clones of other tools hold.

`python benchmarks/real_logs.py CLONE… [--out real_logs.json]`: every inspect_ai log (.eval, .json) and every sample log
of lm-evaluation-harness and lmms-eval (samples_*.jsonl) at any branch of the clones. The log's own accuracy is that of
its header or of the results file beside it, else the mean of its samples' grades.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cascade_equivalence import cli
from cascade_equivalence.errors import UsageError
from cascade_equivalence.logs.archive import Archive

LOGS = re.compile(r"(\.eval|(^|/)samples_[^/]*\.jsonl|(^|[/_])logs?(_\w+)?/[^/]*\.json|(^|/)log_[^/]*\.json)$")
_STAMP = re.compile(r"_(\d{4}-\d\d-\d\dT[\d.-]+)\.jsonl$")


def git(clone: Path, *words: str) -> bytes:
    return subprocess.run(["git", "-C", str(clone), *words], capture_output=True, check=True).stdout


def logs(clone: Path) -> Iterator[tuple[str, str, str]]:
    """Commit, blob and path of each log, each content once."""
    seen: set[str] = set()
    for commit in sorted(set(git(clone, "for-each-ref", "--format=%(objectname)").decode().split())):
        try:
            tree = git(clone, "ls-tree", "-r", commit).decode()
        except subprocess.CalledProcessError:
            continue
        for line in tree.split("\n"):
            if not line.endswith((".eval", ".json", ".jsonl")):
                continue
            blob, path = line[12:52], line.partition("\t")[2]
            if blob not in seen and LOGS.search(path):
                seen.add(blob)
                yield commit, blob, path


def of_inspect(data: bytes) -> tuple[str, float | None]:
    """The accuracy in a log's results, or why it has none."""
    if data[:2] == b"PK":
        archive = Archive(data, "log")
        header = next(archive.values(archive.names("header.json")), None)
        if header is None:
            return "no header: unfinished", None
    else:
        header = json.loads(data)
    if not isinstance(header, dict) or "eval" not in header:
        return "no log", None
    results = header.get("results") or {}
    for score in results.get("scores") or []:
        if "accuracy" in score.get("metrics", {}):
            return f"{score['name']}: accuracy", score["metrics"]["accuracy"]["value"]
    return f"no accuracy in it (status {header.get('status')})", None


def of_harness(clone: Path, commit: str, path: str, rows: list[dict[str, Any]]) -> tuple[str, float | None]:
    """The accuracy in the results file of the same time, else the mean of the first filter's grades."""
    found, task = _STAMP.search(path), re.sub(r"^samples_|_\d{4}-\d\d-\d\dT.*$", "", Path(path).name)
    if found:
        with contextlib.suppress(subprocess.CalledProcessError, ValueError):
            name = f"{Path(path).parent.as_posix()}/results_{found.group(1)}.json"
            results = json.loads(git(clone, "show", f"{commit}:{name}"))["results"][task]
            for key, value in results.items():
                if key.split(",")[0] in ("acc", "exact_match") and isinstance(value, int | float):
                    return f"results file: {key}", value
    first = [row for row in rows if row.get("filter") == rows[0].get("filter")]
    for key in ("acc", "exact_match"):
        if all(isinstance(row.get(key), int | float) for row in first):
            return f"mean of {key}", sum(row[key] for row in first) / len(first)
    metrics = ", ".join(rows[0].get("metrics") or []) or "none"
    return f"no share of right answers (metrics: {metrics})", None


def ours(path: Path) -> dict[str, Any]:
    """What `ceq agree LOG LOG --json` says."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = cli.main(["agree", str(path), str(path), "--json", "--resamples", "20"])
    if status:
        return {"n": None, "accuracy": None, "why": err.getvalue().strip().replace(f"{path}", "LOG")}
    found = json.loads(out.getvalue())
    accuracy = found["accuracy"]["left"] if found.get("accuracy") else None
    notes = found["notes"]
    why = "; ".join(str(notes[key]) for key in ("accuracy", "free_texts", "left") if key in notes)
    return {"n": found["n"], "accuracy": accuracy, "why": why.replace(f"{path}", "LOG")}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clones", nargs="+", type=Path)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    found = []
    for clone in args.clones:
        for commit, blob, path in logs(clone):
            try:
                data = git(clone, "cat-file", "blob", blob)
            except subprocess.CalledProcessError:
                found.append(
                    {"path": path, "own": None, "by": "not in the clone", "n": None, "accuracy": None, "why": ""}
                )
                continue
            with tempfile.TemporaryDirectory() as place:
                file = Path(place) / Path(path).name
                file.write_bytes(data)
                try:
                    if path.endswith(".jsonl"):
                        rows = [json.loads(line) for line in data.decode().split("\n") if line.strip()]
                        by, own = of_harness(clone, commit, path, rows)
                    else:
                        by, own = of_inspect(data)
                except (ValueError, KeyError, UsageError) as error:
                    by, own = f"cannot be read ({error})", None
                said = ours(file)
            found.append({"path": path, "commit": commit[:8], "own": own, "by": by} | said)
    same = differ = 0
    for one in found:
        equal = None if None in (one["own"], one["accuracy"]) else abs(one["own"] - one["accuracy"]) < 1e-9
        same, differ = same + (equal is True), differ + (equal is False)
        mark = {True: "=", False: "≠", None: " "}[equal]
        print(f"{mark} {one['path']} ({one.get('commit')}): own {one['own']} [{one['by']}]", end="")
        print(f", ours {one['accuracy']} of {one['n']}")
        if one["why"]:
            print(f"      {one['why'][:300]}")
    print(f"{len(found)} logs, {same} equal, {differ} different, {len(found) - same - differ} without one or the other")
    if args.out:
        args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
