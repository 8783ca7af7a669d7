"""`ceq report`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from cascade_equivalence.report.sound import Audio
    from cascade_equivalence.study.at_level import AtLevel
    from cascade_equivalence.study.results import Results

HELP = "rebuild a run's report from its journal; no models needed"
EPILOG = """examples:
  ceq report runs/pocket               prints the answer and writes runs/pocket/report.html
  ceq report runs/pocket --full        all tables in the terminal too
  ceq report runs/mine --at 8dB        accuracies at your own SNR, between those that were measured
  ceq report runs/mine --audio none    a page without sounds (some: those of the cards alone)
  ceq report runs/mine --json          the head as one JSON object: the figures of the page and the terminal"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("directory", type=Path, metavar="RUN", help="the directory of a run")
    parser.add_argument("--full", action="store_true", help="print all tables, the answer last")
    parser.add_argument("--at", metavar="SNR", help="also say what happens at this SNR, within the measured range")
    parser.add_argument(
        "--audio",
        choices=("all", "some", "none"),
        default="all",
        help="whose sounds the page holds: all trials shown, those of the cards, or none",
    )
    parser.add_argument("--json", action="store_true", help="print the head as one JSON object instead")


def main(args: argparse.Namespace) -> int:
    """Analyse the journal and write the report."""
    return write(args.directory, args.full, args.audio, args.at, args.json)


def write(directory: Path, full: bool = False, audio: Audio = "all", at: str | None = None, json: bool = False) -> int:
    """Print the head (full: all tables before it; json: as an object) and write `report.html`; 1 if a check or too many
    answers failed."""
    from dataclasses import asdict

    from rich.console import Console

    from cascade_equivalence.reading.terminal import json_line
    from cascade_equivalence.report.head import head
    from cascade_equivalence.report.html import write_html
    from cascade_equivalence.report.terminal import print_summary
    from cascade_equivalence.report.terminal_head import print_head
    from cascade_equivalence.study.at_level import at_level, parse_level
    from cascade_equivalence.study.results import analyse

    level = None if at is None else parse_level(at)
    results = analyse(directory)
    asked = () if level is None else at_level(results, level)
    path = write_html(results, directory, audio, asked)
    console = Console()
    if json:
        said = asdict(head(results)) | {"own_snr": [asdict(row) for row in asked], "failures": list(results.failures)}
        print(json_line(said))
        return 1 if results.failures else 0
    if full:
        print_summary(results, console)
        console.print()
    print_head(head(results), console)
    _print_at(asked, results, console)
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
    path = write_html(results, directory, "some")
    return f"so far: {head(results).headline} (first look: {path})"


def _print_at(asked: Sequence[AtLevel], results: Results, console: Console) -> None:
    from cascade_equivalence.report import numbers
    from cascade_equivalence.report.console import estimate, heading, plain, table
    from cascade_equivalence.report.headline import title_of
    from cascade_equivalence.study.at_level import NOTE

    if not asked:
        return
    console.print()
    console.print(heading("own SNR", f"{numbers.level(asked[0].snr, 0)} dB, interpolated between measured levels"))
    shown = table("task", "noise", "between", "what", "", "n")
    for row in asked:
        between = " and ".join(dict.fromkeys(f"{numbers.level(x, 0)} dB" for x in row.levels))
        first = (plain(title_of(row.task, results)), plain(row.kind), plain(between))
        for arm, found in row.accuracies:
            value = estimate(f"{numbers.percent(found.value)} %", numbers.limits(found, "percent"))
            shown.add_row(*first, plain(arm), value, str(row.n))
        for left, right, found in row.differences:
            value = estimate(f"{numbers.points(found.value)} points", numbers.limits(found, "points"))
            shown.add_row(*first, plain(f"{left} − {right}"), value, str(row.n))
    console.print(shown)
    console.print(plain(NOTE, "dim"))
    console.print()
