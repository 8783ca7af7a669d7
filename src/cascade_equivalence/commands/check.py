"""`ceq check`: fails where a system is not shown to be as good as another one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cascade_equivalence.study.not_worse import NotWorse

HELP = "check that a run's speech LLMs are not worse than another arm, for your CI"
EPILOG = """examples:
  ceq check runs/mine --not-worse-than self-cascade                  by 3 points, on clean speech, tasks pooled
  ceq check runs/mine --not-worse-than cascade-s --margin 0.02 --arm mine
  ceq check runs/mine --not-worse-than cascade-s --condition babble@5dB --json

exit status: 0 each is shown not to be worse by the margin, 1 one is worse or it is open, 2 wrong use"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("directory", type=Path, metavar="RUN", help="the directory of a run")
    parser.add_argument("--not-worse-than", required=True, metavar="ARM", help="the arm to compare with")
    parser.add_argument(
        "--margin", type=float, default=0.03, help="how much accuracy it may lack, a fraction (default: 0.03)"
    )
    parser.add_argument(
        "--arm",
        action="append",
        default=[],
        metavar="ARM",
        help="check this one (default: every speech LLM not planted)",
    )
    parser.add_argument("--task", help="on this task (default: the tasks of the report's head, pooled)")
    parser.add_argument("--condition", default="clean", help="under this condition (default: clean)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def main(args: argparse.Namespace) -> int:
    """Compare, print, and say by the exit status."""
    from cascade_equivalence.errors import UsageError
    from cascade_equivalence.reading.terminal import json_line, plain
    from cascade_equivalence.study.not_worse import not_worse
    from cascade_equivalence.study.results import analyse

    if not 0.0 < args.margin < 1.0:
        raise UsageError(f"--margin is a fraction between 0 and 1 (0.03 is 3 points), not {args.margin:g}")
    found = not_worse(
        analyse(args.directory),
        args.not_worse_than,
        margin=args.margin,
        arms=args.arm,
        task=args.task,
        condition=args.condition,
    )
    passed = all(one.status == "not worse" for one in found)
    if args.json:
        print(json_line({"passed": passed, "arms": [one.to_json() for one in found]}))
    else:
        for one in found:
            print(plain(_line(one)))
    return 0 if passed else 1


def _line(one: NotWorse) -> str:
    from cascade_equivalence.report.numbers import grouped, points

    said = {
        "not worse": f"{one.arm} is not worse than {one.than}",
        "worse": f"{one.arm} is worse than {one.than}",
        "open": f"{one.arm} against {one.than}: open",
    }[one.status]
    where = f"{one.task}, {one.condition}, n {grouped(one.n)}"
    if one.difference.value is None:
        return f"{said}; {one.why_open} ({where})"
    figures = (
        f"{points(one.difference.value)} points, one-sided 95 % bounds {points(one.difference.low)} and "
        f"{points(one.difference.high)}, margin {100 * one.margin:g}"
    )
    return f"{said}: {figures} ({where})" + (f"; {one.why_open}" if one.why_open else "")
