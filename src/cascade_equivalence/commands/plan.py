"""`ceq plan`: how many items a study needs before it is run."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..agreement.parts import AccuracyName, AnswersName

HELP = "items that a verdict needs: of which kind, with what power"

EPILOG = """\
examples:
  ceq plan --discordance 0.05                        “same accuracy” with 80 % power, 5 % of items discordant
  ceq plan --discordance 0.10 --difference 0.06      “better”, if the speech LLM is 6 points ahead
  ceq plan --discordance 0.10 --items 400            the power of 400 items
  ceq plan --discordance 0.05 --kappa 0.93 --ceiling 0.95 --classes 4       “same accuracy, same answers”
  ceq plan --kappa 0.90 --ceiling 0.95 --kappa-width 0.02     also: the items that give κ ± 0.02
  ceq plan --run runs/pocket                         what a study could show, and what it still lacks
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--discordance", type=float, metavar="D", help="expected share of items that one arm alone gets right"
    )
    parser.add_argument("--run", type=Path, metavar="DIR", help="plan from what a run has seen instead")
    parser.add_argument("--margin", type=float, default=0.03, help="of equal accuracy (default: 0.03)")
    parser.add_argument("--power", type=float, default=0.8, help="chance to show it (default: 0.8)")
    parser.add_argument(
        "--difference", type=float, default=0.0, help="the true accuracy difference to assume (default: 0)"
    )
    parser.add_argument("--items", type=int, metavar="N", help="also the power that N items have")
    parser.add_argument("--kappa", type=float, metavar="K", help="expected κ of the speech LLM and its cascade")
    parser.add_argument("--ceiling", type=float, metavar="C", help="expected κ of the two cascades")
    parser.add_argument("--classes", type=int, default=4, help="number of labels, for κ (default: 4)")
    parser.add_argument("--kappa-width", type=float, metavar="W", help="wanted half width of the κ interval")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def main(args: argparse.Namespace) -> int:
    from ..errors import UsageError

    if args.run is not None and not (args.discordance is None and args.kappa is None):
        raise UsageError("--run takes discordance and κ from the run: leave out --discordance and --kappa")
    if args.run is None and args.discordance is None and args.kappa is None:
        raise UsageError("say what to expect: --discordance D, --kappa K, or --run DIR")
    if args.kappa is None and (args.ceiling is not None or args.kappa_width is not None):
        raise UsageError("--ceiling and --kappa-width need --kappa K")
    if args.kappa is not None and args.ceiling is None:
        raise UsageError("--kappa needs --ceiling C: without one the answers are not judged")
    if args.items is not None and args.items < 1:
        raise UsageError(f"--items must be at least 1, not {args.items}")
    try:
        plan = _plan(args) if args.run is None else _of_run(args)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if args.json:
        print(json.dumps(plan, allow_nan=False))
    else:
        print(_summary(plan) if args.run is None else _run_summary(plan))
    return 0


def _of_run(args: argparse.Namespace) -> dict[str, object]:
    """Per comparison of a run: its discordance, the power it had, and the items that it needs."""
    from dataclasses import replace

    from ..agreement import planning
    from ..study.results import analyse

    comparisons = []
    for found in analyse(args.run).comparisons:
        test, pair, said = found.pair.mcnemar, found.pair, found.verdict
        row: dict[str, object] = {
            "task": found.task,
            "condition": found.condition,
            "left": found.left,
            "right": found.right,
            "n": pair.n,
            "verdict": None if said is None else said.name,
            "kind": None if said is None else said.kind,
            "items_to_decide": None if said is None else said.items_needed,
            "towards": None if said is None else said.towards,
            "discordance": None,
            "power": None,
            "items": None,
        }
        if test is not None and pair.equivalence is not None:
            # Without a discordant item the rate is not 0 but below what one item would make it.
            discordance = max(test.b + test.c, 1) / pair.n_gold
            wanted = replace(pair, equivalence=replace(pair.equivalence, margin=args.margin))
            independent = planning.items_for_margin(
                max(discordance, abs(args.difference)), args.margin, args.power, difference=args.difference
            )
            row |= {
                "discordance": (test.b + test.c) / pair.n_gold,
                "power": planning.power_of(wanted, difference=args.difference),
                "items": None if independent is None else math.ceil(independent * pair.design_effect),
            }
        comparisons.append(row)
    return {
        "margin": args.margin,
        "power": args.power,
        "difference": args.difference,
        "comparisons": comparisons,
    }


def _run_summary(plan: dict[str, object]) -> str:
    from ..agreement.verdict_words import DECIDED, about

    rows = plan["comparisons"]
    assert isinstance(rows, list)
    margin, power = 100 * float(str(plan["margin"])), 100 * float(str(plan["power"]))
    lines = [f"accuracy within ±{margin:g} points, at the discordance of the run"]
    for row in rows:
        name = f"{row['task']}, {row['condition']}: {row['left']} / {row['right']}, {row['n']} items"
        if row["discordance"] is None:
            lines.append(f"{name}: no gold labels")
            continue
        needed = "never" if row["items"] is None else f"{row['items']} items"
        text = (
            f"{name}: {100 * row['discordance']:.1f} % discordant, the run's power {100 * row['power']:.0f} %, "
            f"{needed} for {power:g} %"
        )
        if row["items_to_decide"] is not None:
            text += f"; about {about(row['items_to_decide'])} new items would decide it as “{DECIDED[row['towards']]}”"
        lines.append(text)
    return "\n".join(lines)


def _plan(args: argparse.Namespace) -> dict[str, Any]:
    from ..agreement import planning
    from ..agreement.kinds import kind_of

    out: dict[str, object] = {"margin": args.margin, "power": args.power}
    notes: dict[str, str] = {}
    # Where a kind states two things, both must be shown: each is planned with the root of the power.
    joint = args.power if args.discordance is None or args.kappa is None else math.sqrt(args.power)
    claim: AccuracyName | None = None
    answers: AnswersName = "not judged"
    needed: list[int | None] = []
    if args.discordance is not None:
        claim = planning.accuracy_claim(args.difference, args.margin)
        expected = {"margin": args.margin, "difference": args.difference}
        items = planning.items_for_accuracy(args.discordance, power=args.power, **expected)
        accuracy: dict[str, object] = {
            "discordance": args.discordance,
            "difference": args.difference,
            "claim": claim,
            "items": items,
            "simulated_power": None,
        }
        if items is None:
            limit = "the assumed difference lies on the margin itself"
            notes["accuracy.items"] = limit if claim == "open" else f"more than {planning.MOST_ITEMS} items"
        else:
            # The formula's word is checked on the spot.
            accuracy["simulated_power"] = planning.simulated_power(items, args.discordance, **expected)
        if args.items is not None:
            accuracy["given_items"] = args.items
            accuracy["given_power"] = planning.simulated_power(args.items, args.discordance, **expected)
        out["accuracy"] = accuracy
        alone = claim in ("better", "worse")
        share = args.power if alone else joint
        needed.append(planning.items_for_accuracy(args.discordance, power=share, **expected))
    if args.kappa is not None:
        settled = planning.items_for_ceiling(args.kappa, args.ceiling, classes=args.classes, power=args.power)
        answers = settled.claim
        kappa: dict[str, object] = {
            "value": args.kappa,
            "reference": settled.reference,
            "epsilon": settled.epsilon,
            "classes": args.classes,
            "claim": settled.claim,
            "items": settled.items,
        }
        if settled.items is None:
            notes["kappa.items"] = "κ lies on the limit itself: no number of items settles it"
        if args.kappa_width is not None:
            kappa["half_width"] = args.kappa_width
            kappa["interval_items"] = planning.items_for_kappa(args.kappa, args.kappa_width, args.classes)
        out["kappa"] = kappa
        if claim not in ("better", "worse"):
            both = planning.items_for_ceiling(args.kappa, args.ceiling, classes=args.classes, power=joint)
            needed.append(both.items)
    out["kind"] = kind_of(claim, answers)
    out["items"] = None if None in needed else max(n for n in needed if n is not None)
    out["notes"] = notes
    return out


def _summary(plan: dict[str, Any]) -> str:
    from ..agreement.verdict_words import TITLES

    lines = []
    accuracy, kappa, notes = plan.get("accuracy"), plan.get("kappa"), plan["notes"]
    assert isinstance(notes, dict)
    margin, power = 100 * float(str(plan["margin"])), 100 * float(str(plan["power"]))
    if isinstance(accuracy, dict):
        at = f"{100 * accuracy['discordance']:g} % discordant items"
        if accuracy["difference"]:
            at += f" and a true difference of {100 * accuracy['difference']:+g} points"
        shown = {"better": f"above +{margin:g} points", "worse": f"below −{margin:g} points"}
        claim = f"accuracy {shown.get(accuracy['claim'], f'within ±{margin:g} points')}"
        if accuracy["items"] is None:
            lines.append(f"{claim}: never ({notes['accuracy.items']})")
        else:
            lines.append(
                f"{claim}: {accuracy['items']} items for {power:g} % power at "
                f"{at} (simulated: {100 * accuracy['simulated_power']:.0f} %)"
            )
        if "given_items" in accuracy:
            lines.append(f"{accuracy['given_items']} items have {100 * accuracy['given_power']:.0f} % power")
    if isinstance(kappa, dict):
        against = f"ceiling {kappa['reference']:g}, limit {kappa['epsilon']:g} below, {kappa['classes']} labels"
        needed = notes.get("kappa.items") or f"{kappa['items']} items for {power:g} % power"
        lines.append(f"{kappa['claim']} answers at kappa {kappa['value']:g} ({against}): {needed}")
        if "interval_items" in kappa:
            lines.append(
                f"kappa {kappa['value']:g} ± {kappa['half_width']:g} (95 % interval): "
                f"{kappa['interval_items'] or 'no feasible number of'} items"
            )
    items = "no feasible number of items" if plan["items"] is None else f"{plan['items']} items"
    lines.insert(0, f"verdict “{TITLES[plan['kind']]}”: {items} for {power:g} % power")
    return "\n".join(lines)
