"""`ceq run`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "run a study: every arm on every trial, then the report"
EPILOG = """examples:
  ceq run                                        the pocket study, into runs/pocket
  ceq run --limit 40                             40 items a task: a first look
  ceq run study.yaml --out runs/kitchen          a study of your own
  ceq run pocket --arms gold,cascade-s --tasks topic

Killed or interrupted, the same command goes on where it stopped; finished, it only rebuilds the report."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("study", nargs="?", default="pocket", help="a study file (YAML) or a preset (default: pocket)")
    parser.add_argument("--out", type=Path, help="run directory (default: runs/<study>)")
    parser.add_argument("--limit", type=int, help="evaluate at most this many items a task, balanced over labels")
    parser.add_argument("--arms", help="only these arms, separated by commas")
    parser.add_argument("--tasks", help="only these tasks, separated by commas")


def main(args: argparse.Namespace) -> int:
    """Plan, execute, report."""
    from rich.console import Console

    from cascade_equivalence.run.execute import execute
    from cascade_equivalence.run.models import Models
    from cascade_equivalence.run.progress import ConsoleReporter
    from cascade_equivalence.study.build import build_plan, build_tasks
    from cascade_equivalence.study.record import record
    from cascade_equivalence.study.spec import load_study, narrow

    study, base = load_study(args.study, limit=args.limit)
    study = narrow(study, _names(args.arms), _names(args.tasks))
    directory = args.out or Path("runs") / study.name
    console = Console(stderr=True)
    reporter = ConsoleReporter(console)
    build_tasks(study, base, reporter.say)
    plan = build_plan(study, base, reporter.say)
    record(study, plan, directory)
    models = Models(plan, reporter)
    execute(plan, models, directory, reporter)
    if set(study.analyses) - {"agreement"}:
        from cascade_equivalence.study.mechanism.execute import analyse_mechanism

        analyse_mechanism(study, plan, models, directory, reporter)

    from cascade_equivalence.commands.report import write

    return write(directory)


def _names(text: str | None) -> list[str] | None:
    return [name.strip() for name in text.split(",") if name.strip()] if text else None
