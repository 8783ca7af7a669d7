"""`ceq tasks`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

HELP = "list the tasks and public data sets, or fetch data sets"
EPILOG = """examples:
  ceq tasks                              shipped tasks, and public data sets by name
  ceq tasks pull sst2 commonsenseqa      fetch, clean and speak as many items as the paper has
  ceq tasks pull ag_news --limit 200     200 of its items
  ceq tasks pull meld --path /data/MELD  from a folder with the data set's own files instead of the hub

Killed or interrupted, the same command goes on where it stopped. A run fetches what its study names and is not in the
cache ($CEQ_CACHE) in the same way, and says so first. A task of your own is a JSONL manifest named in the study
file: tasks: [{manifest: my/items.jsonl}]"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", nargs="?", choices=("list", "pull"), default="list")
    parser.add_argument("names", nargs="*", metavar="NAME", help="data sets to fetch")
    parser.add_argument("--path", type=Path, help="a local folder with the data set's files, in place of the hub")
    parser.add_argument("--rows", type=int, help="the number of rows to expect, where it is not the published one")
    parser.add_argument("--voice", help="who speaks the texts (default: af_heart)")
    parser.add_argument("--limit", help="items to speak: a number, or 'all' (default: as many as the paper has)")


def main(args: argparse.Namespace) -> int:
    """Print the tables, or fetch."""
    from rich.console import Console

    console = Console()
    if args.action == "pull":
        return _pull(args, console)
    _list(console)
    return 0


def _pull(args: argparse.Namespace, console: Console) -> int:
    from cascade_equivalence.errors import UsageError
    from cascade_equivalence.public.materialise import Wanted, materialise
    from cascade_equivalence.public.sets import public_set
    from cascade_equivalence.public.speech import speak
    from cascade_equivalence.tasks.task import load_task

    if not args.names:
        raise UsageError("pull: name the data sets (ceq tasks lists them)")
    if args.path and len(args.names) > 1:
        raise UsageError("--path holds one data set; pull the others without it")
    if args.limit not in (None, "all") and not (args.limit.isdigit() and int(args.limit)):
        raise UsageError(f"--limit is a positive number or 'all', not '{args.limit}'")

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    for chosen in [public_set(name) for name in args.names]:
        limit = chosen.paper if args.limit is None else None if args.limit == "all" else int(args.limit)
        manifest = materialise(Wanted(chosen, args.path, args.voice, args.rows), say)
        task = load_task(chosen.name, manifest, limit=limit, form=chosen.form)
        speak(task.items, chosen.name, say)
        say(f"{chosen.name}: ready, {manifest}")
    return 0


def _list(console: Console) -> None:
    from rich.table import Table

    from cascade_equivalence.public.materialise import Wanted
    from cascade_equivalence.public.sets import SETS
    from cascade_equivalence.tasks.task import load_task, shipped_tasks

    table = Table(
        "task", "items", "development", "answers", "text suffices", title="shipped tasks", title_justify="left"
    )
    for name in shipped_tasks():
        task = load_task(name)
        answers = "open" if task.form.kind == "open" else ", ".join(task.labels)
        sufficient = {True: "yes", False: "no", None: "unknown"}[task.form.sufficient]
        table.add_row(name, str(len(task.items)), str(len(task.dev)), answers, sufficient)
    console.print(table)
    public = Table(
        "dataset", "what", "rows", "MB", "sound", "licence", "from", "cached",
        title="public data sets: tasks: [{dataset: <name>}]", title_justify="left",
    )  # fmt: skip
    for chosen in SETS.values():
        sound = "spoken here" if chosen.spoken else "recorded"
        cached = "yes" if Wanted(chosen).is_there() else "no"
        public.add_row(
            chosen.name, chosen.what, f"{chosen.rows:,}", f"{chosen.download_mb:g}", sound, chosen.licence,
            str(chosen.hub), cached,
        )  # fmt: skip
    console.print(public)
