"""`ceq export`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "write a run's contents as files for other tools"
EPILOG = """examples:
  ceq export runs/mine --stimuli            the clips and a manifest, into runs/mine/stimuli
  ceq export runs/mine --stimuli --out /tmp/for-the-api

Put each row's sound to a model, write {"id": …, "prediction": …} a line, and name that file in the study:
  arms: {hosted: {speech_llm: {predictions: said.jsonl}}}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("directory", type=Path, help="the directory of a run")
    parser.add_argument("--stimuli", action="store_true", required=True, help="what the arms heard, and a manifest")
    parser.add_argument("--out", type=Path, help="where to (default: stimuli/ in the run's directory)")


def main(args: argparse.Namespace) -> int:
    """Write the files."""
    from cascade_equivalence.study.stimuli import write_stimuli

    written = write_stimuli(args.directory, args.out or args.directory / "stimuli")
    minutes = f"{written.seconds / 60:.1f} minutes in all"
    print(f"{written.manifest}: {written.trials} trials, {written.clips} sounds, {minutes}")
    return 0
