"""`ceq export`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cascade_equivalence.study.results import Results

HELP = "write a run's contents as files for other tools"
EPILOG = """examples:
  ceq export runs/mine --tables csv         accuracies, comparisons, word errors, latencies …, into runs/mine/tables
  ceq export runs/mine --tables latex --out paper/tables
  ceq export runs/mine --items parquet      one row an answer, into runs/mine/items
  ceq export runs/mine --figures pdf        agreement, differences and noise curves, into runs/mine/figures
  ceq export runs/mine --methods            prints a paragraph for a paper's methods
  ceq export runs/mine --stimuli            the clips and a manifest, into runs/mine/stimuli

Put each row's sound to a model, write {"id": …, "prediction": …} a line, and name that file in the study:
  arms: {hosted: {speech_llm: {predictions: said.jsonl}}}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("directory", type=Path, metavar="RUN", help="the directory of a run")
    parser.add_argument("--tables", choices=("csv", "parquet", "latex"), help="all figures with their intervals")
    parser.add_argument("--items", choices=("parquet", "csv"), help="the answers, one row each")
    parser.add_argument("--figures", choices=("svg", "pdf"), help="the report's charts")
    parser.add_argument("--methods", action="store_true", help="print what was done as a paragraph")
    parser.add_argument("--stimuli", action="store_true", help="what the arms heard, and a manifest")
    parser.add_argument(
        "--out",
        type=Path,
        help="where to (default: a folder of that name in the run's directory: tables/, items/, figures/, stimuli/)",
    )


def main(args: argparse.Namespace) -> int:
    """Write the files."""
    from cascade_equivalence.errors import UsageError

    wanted = [name for name in ("tables", "items", "figures", "methods", "stimuli") if getattr(args, name)]
    if not wanted:
        raise UsageError("say what to write: --tables csv, --items parquet, --figures svg, --methods, --stimuli")
    if wanted != ["stimuli"]:
        from cascade_equivalence.study.results import analyse

        results = analyse(args.directory)
        for line in _written(args, results):
            print(line)
    if args.stimuli:
        _stimuli(args.directory, _out(args, "stimuli"))
    return 0


def _written(args: argparse.Namespace, results: Results) -> Iterable[object]:
    """Write what was asked for; a line to print for each."""
    if args.tables:
        from cascade_equivalence.report import table_files
        from cascade_equivalence.report.tables import tables_of

        yield from table_files.write_tables(tables_of(results), args.tables, _out(args, "tables"))
    if args.items:
        from cascade_equivalence.report.item_files import write_items

        yield write_items(results.answers(), args.items, _out(args, "items"))
    if args.figures:
        from cascade_equivalence.report.figures import figures_of, write_figures

        yield from write_figures(figures_of(results), args.figures, _out(args, "figures"))
    if args.methods:
        from cascade_equivalence.report.methods import methods

        yield methods(results)


def _out(args: argparse.Namespace, name: str) -> Path:
    chosen: Path = args.out or args.directory / name
    return chosen


def _stimuli(directory: Path, out: Path) -> None:
    from cascade_equivalence.study.stimuli import write_stimuli

    written = write_stimuli(directory, out)
    minutes = f"{written.seconds / 60:.1f} minutes in all"
    print(f"{written.manifest}: {written.trials} trials, {written.clips} sounds, {minutes}")
