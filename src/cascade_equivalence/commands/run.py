"""`ceq run`."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

HELP = "run a study: every arm on every trial, then the report"
EPILOG = """examples:
  ceq run                                        the pocket study, into runs/pocket
  ceq run --limit 40                             40 items a task: a first look
  ceq run study.yaml --out runs/kitchen          a study of your own
  ceq run pocket --arms gold,cascade-s --tasks topic
  ceq run paper --dry-run                        what it would fetch, need and take; nothing is fetched

Killed or interrupted, the same command goes on where it stopped; finished, it only rebuilds the report. A narrowed
study (--limit, --arms, --tasks) gets a directory of its own."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("study", nargs="?", default="pocket", help="a study file (YAML) or a preset (default: pocket)")
    parser.add_argument("--out", type=Path, help="run directory (default: runs/<study>, narrowed: runs/<study>-…)")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="take over a directory that holds another study; answers that fit are kept",
    )
    parser.add_argument("--limit", type=int, help="evaluate at most this many items a task, balanced over labels")
    parser.add_argument("--arms", help="only these arms, separated by commas")
    parser.add_argument("--tasks", help="only these tasks, separated by commas")
    parser.add_argument("--dry-run", action="store_true", help="only say what it would fetch, need and take")


def main(args: argparse.Namespace) -> int:
    """Plan, execute, report."""
    from rich.console import Console

    from cascade_equivalence.run.progress import ConsoleReporter

    reporter = ConsoleReporter(Console(stderr=True))
    reporter.say(f"reading study '{args.study}'")

    from cascade_equivalence.commands.report import look, write
    from cascade_equivalence.errors import UsageError
    from cascade_equivalence.report.account import first_lines, print_account
    from cascade_equivalence.study.account import account_of
    from cascade_equivalence.study.machine import look as machine
    from cascade_equivalence.study.narrow import first_look, narrow
    from cascade_equivalence.study.spec import load_study

    study, base = load_study(args.study, limit=args.limit)
    study = narrow(study, _names(args.arms), _names(args.tasks))
    study = first_look(study, args.limit) if args.limit else study
    account = account_of(study, base, machine())
    if args.dry_run:
        print_account(account, Console())
        return 0 if account.can_start else 2
    for line in first_lines(account):
        reporter.say(line)
    if not account.can_start:
        raise UsageError(f"this study cannot start here: {'; '.join(account.missing)}")
    directory = args.out or Path("runs") / "-".join([study.name, *_narrowed(args)])
    from cascade_equivalence.study.go import run_plan

    try:
        missing = run_plan(study, base, directory, reporter, None, args.replace, lambda: reporter.say(look(directory)))
    except KeyboardInterrupt:
        reporter.say(
            f"stopped; what was answered is saved in {directory}. The same command goes on from there; "
            f"ceq report {directory} shows what there is"
        )
        raise
    status = write(directory)
    for line in missing.words():
        reporter.say(line)
    return 1 if missing.total else status


def _narrowed(args: argparse.Namespace) -> list[str]:
    """What tells a narrowed study's directory from the whole one's."""
    parts = [text for text in (str(args.limit or ""), args.arms or "", args.tasks or "") if text]
    return [re.sub(r"[^A-Za-z0-9_.+-]+", "+", part)[:60] for part in parts]


def _names(text: str | None) -> list[str] | None:
    return [name.strip() for name in text.split(",") if name.strip()] if text else None
