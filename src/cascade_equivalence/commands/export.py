"""`ceq export`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "write a run's contents as files for other tools"
EPILOG = """examples:
  ceq export runs/mine --tables csv         accuracies, comparisons, word errors, latencies …, into runs/mine/tables
  ceq export runs/mine --tables latex --out paper/tables
  ceq export runs/mine --stimuli            the clips and a manifest, into runs/mine/stimuli

Put each row's sound to a model, write {"id": …, "prediction": …} a line, and name that file in the study:
  arms: {hosted: {speech_llm: {predictions: said.jsonl}}}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("directory", type=Path, help="the directory of a run")
    parser.add_argument("--tables", choices=("csv", "parquet", "latex"), help="all figures with their intervals")
    parser.add_argument("--stimuli", action="store_true", help="what the arms heard, and a manifest")
    parser.add_argument(
        "--out", type=Path, help="where to (default: a folder of that name in the run's directory: tables/, stimuli/)"
    )


def main(args: argparse.Namespace) -> int:
    """Write the files."""
    from cascade_equivalence.errors import UsageError

    wanted = [name for name in ("tables", "stimuli") if getattr(args, name)]
    if not wanted:
        raise UsageError("say what to write: --tables csv, --stimuli")
    if args.tables:
        _tables(args.directory, args.tables, args.out or args.directory / "tables")
    if args.stimuli:
        _stimuli(args.directory, args.out or args.directory / "stimuli")
    return 0


def _tables(directory: Path, form: str, out: Path) -> None:
    from cascade_equivalence.report.table_files import FORMATS, write_tables
    from cascade_equivalence.report.tables import tables_of
    from cascade_equivalence.study.results import analyse

    chosen = next(known for known in FORMATS if known == form)
    for path in write_tables(tables_of(analyse(directory)), chosen, out):
        print(path)


def _stimuli(directory: Path, out: Path) -> None:
    from cascade_equivalence.study.stimuli import write_stimuli

    written = write_stimuli(directory, out)
    minutes = f"{written.seconds / 60:.1f} minutes in all"
    print(f"{written.manifest}: {written.trials} trials, {written.clips} sounds, {minutes}")
