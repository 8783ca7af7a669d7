"""`ceq compare`: two runs side by side."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from cascade_equivalence.study.between import ArmBetween, Between

HELP = "compare two runs: what changed in the study, and which answers with it"
EPILOG = """examples:
  ceq compare runs/before runs/after               figures on the items that both have answered, after − before
  ceq compare runs/before runs/after --flips all   every item whose label changed, not the first 20
  ceq compare runs/before runs/after --json

Arms, tasks and items are the same where their names are; items with other words or labels are left out and counted."""

SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("before", type=Path, metavar="BEFORE", help="the directory of a run")
    parser.add_argument("after", type=Path, metavar="AFTER", help="the directory of another run")
    parser.add_argument(
        "--flips", default=str(SHOWN), metavar="N", help=f"flips to list: a number, all (default: {SHOWN})"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, with every flip")


def main(args: argparse.Namespace) -> int:
    """Analyse both and print."""
    from rich.console import Console

    from cascade_equivalence.errors import UsageError
    from cascade_equivalence.reading.terminal import json_line
    from cascade_equivalence.study.between import between
    from cascade_equivalence.study.results import analyse

    if args.flips != "all" and not args.flips.isdecimal():
        raise UsageError(f"--flips is a number or 'all', not {args.flips!r}")
    found = between(analyse(args.before), analyse(args.after))
    if args.json:
        print(json_line(_object(found)))
    else:
        _print(found, Console(), None if args.flips == "all" else int(args.flips))
    return 0


def _object(found: Between) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(found)


def _print(found: Between, console: Console, most: int | None) -> None:
    from cascade_equivalence.report.console import heading, plain, table

    console.print(heading("what changed in the study"))
    for change in found.changed:
        console.print(plain(f"  {change.what}: {change.before} → {change.after}"))
    if not found.changed:
        console.print("  nothing")
    console.print()
    console.print(heading("accuracy", "after − before, on the same items; points, 95 % intervals"))
    if not found.arms:
        console.print("  no item that both runs have answered")
    else:
        shown = table(
            "task", "condition", "arm", "n", "before", "after", "difference", "κ with before", "lost : gained"
        )
        for arm in found.arms:
            shown.add_row(*(plain(cell) for cell in _cells(arm)))
        console.print(shown)
    if found.left_out:
        console.print(f"  left out: {found.left_out} items that have other words, labels or choices now")
    if sounds := sum(arm.other_sound for arm in found.arms if arm.task != "pooled"):
        console.print(f"  {sounds} answers were to another sound than before")
    turned = [v for v in found.verdicts if v.before != v.after]
    if found.verdicts:
        console.print()
        console.print(heading("verdicts", f"{len(turned)} of {len(found.verdicts)} changed"))
        for v in turned:
            said = f"{v.before or 'no verdict'} → {v.after or 'no verdict'}"
            console.print(plain(f"  {v.task}, {v.condition}: {v.left} against {v.right}: {said}"))
    console.print()
    kinds = Counter(flip.kind for flip in found.flips)
    counted = f"{kinds['lost']} right to wrong, {kinds['gained']} wrong to right, {kinds['other']} otherwise"
    console.print(heading(f"{len(found.flips)} flipped", counted))
    for flip in found.flips[:most]:
        gold = "" if flip.gold is None else f" (should be {flip.gold})"
        where = f"{flip.task}, {flip.condition}, {flip.arm}, {flip.item}"
        console.print(plain(f"  {where}: {flip.before} → {flip.after}{gold}"))
    if most is not None and len(found.flips) > most:
        console.print(f"  and {len(found.flips) - most} more: --flips all")


def _cells(arm: ArmBetween) -> list[str]:
    from cascade_equivalence.report import numbers

    def with_limits(value: str, limits: str) -> str:
        return value if limits == numbers.UNDEFINED else f"{value} {limits}"

    return [
        arm.task,
        arm.condition,
        arm.arm,
        str(arm.n),
        numbers.percent(arm.before.value),
        numbers.percent(arm.after.value),
        with_limits(numbers.points(arm.difference.value), numbers.limits(arm.difference, "points")),
        with_limits(numbers.coefficient(arm.kappa.value), numbers.limits(arm.kappa)),
        f"{arm.lost} : {arm.gained}",
    ]
