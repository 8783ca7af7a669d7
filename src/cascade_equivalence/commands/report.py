"""`ceq report`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "rebuild a run's report from its journal; no models needed"
EPILOG = """examples:
  ceq report runs/pocket        prints the summary and writes runs/pocket/report.html"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("directory", type=Path, help="the directory of a run")


def main(args: argparse.Namespace) -> int:
    """Analyse the journal and write the report."""
    return write(args.directory)


def write(directory: Path) -> int:
    """Print the summary and write `report.html`; 1 if more answers are invalid than the study allows."""
    from rich.console import Console

    from cascade_equivalence.report.html import write_html
    from cascade_equivalence.report.terminal import print_summary
    from cascade_equivalence.study.results import analyse

    results = analyse(directory)
    path = write_html(results, directory)
    console = Console()
    print_summary(results, console)
    console.print(f"report: {path}", markup=False, highlight=False, soft_wrap=True)
    for failure in results.failures:
        Console(stderr=True).print(f"FAILED: {failure}", markup=False, highlight=False)
    return 1 if results.failures else 0
