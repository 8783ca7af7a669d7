"""`ceq report`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "rebuild a run's report from its journal; no models needed"
EPILOG = """examples:
  ceq report runs/pocket          prints the answer and writes runs/pocket/report.html
  ceq report runs/pocket --full   all tables in the terminal too"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("directory", type=Path, help="the directory of a run")
    parser.add_argument("--full", action="store_true", help="print all tables, the answer last")


def main(args: argparse.Namespace) -> int:
    """Analyse the journal and write the report."""
    return write(args.directory, args.full)


def write(directory: Path, full: bool = False) -> int:
    """Print the head (full: all tables before it) and write `report.html`; 1 if a check or too many answers failed."""
    from rich.console import Console

    from cascade_equivalence.report.head import head
    from cascade_equivalence.report.html import write_html
    from cascade_equivalence.report.terminal import print_summary
    from cascade_equivalence.report.terminal_head import print_head
    from cascade_equivalence.study.results import analyse

    results = analyse(directory)
    path = write_html(results, directory)
    console = Console()
    if full:
        print_summary(results, console)
        console.print()
    print_head(head(results), console)
    more = "" if full else f"   all tables: ceq report {directory} --full"
    console.print(f"report: {path}{more}", markup=False, highlight=False, soft_wrap=True)
    for failure in results.failures:
        Console(stderr=True).print(f"FAILED: {failure}", markup=False, highlight=False)
    return 1 if results.failures else 0


def look(directory: Path) -> str:
    """Write `report.html` of a run that goes on; returns what it says so far, in one line."""
    from cascade_equivalence.report.head import head
    from cascade_equivalence.report.html import write_html
    from cascade_equivalence.study.results import analyse

    results = analyse(directory)
    path = write_html(results, directory)
    return f"so far: {head(results).headline} (first look: {path})"
