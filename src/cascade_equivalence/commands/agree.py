"""`ceq agree`: how far two prediction files agree, and what follows from it."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..agreement import ErrorOverlap, Interval, PairAgreement, Verdict
    from ..logs import Joined, Predictions

# Beyond this many labels they are free answers: listing them one by one would bury the rest.
_MOST_CLASSES = 100

HELP = "compare a speech LLM with its cascade, file by file: accuracy, answers, shared errors, verdict"

EPILOG = """\
examples:
  ceq agree speech_llm.jsonl cascade.jsonl                    rows with id, prediction and (optionally) label
  ceq agree speech_llm.jsonl cascade.jsonl --other-cascade small.jsonl      judge the answers too
  ceq agree a.csv b.parquet --gold labels.jsonl --json        any two formats, joined by id
  ceq agree left.eval right.eval                              inspect_ai logs
  ceq agree samples_a.jsonl samples_b.jsonl                   lm-evaluation-harness sample logs
  ceq agree log.jsonl log.jsonl --left-key pred.a --right-key pred.b
  ceq agree g.jsonl g.jsonl --left-key ok.a --right-key ok.b --graded
  ceq agree --validate                                        planted pairs: does the verdict come out right?

Reads CSV, TSV, JSON, JSON lines and Parquet, and logs of lm-evaluation-harness, lmms-eval, inspect_ai, VoiceBench and
OpenCompass. The format is told by the content.

exit status: 0 compared, whatever the verdict; 1 --validate failed; 2 wrong use
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("left", nargs="?", metavar="LEFT", help="predictions of the speech LLM")
    parser.add_argument("right", nargs="?", metavar="RIGHT", help="predictions of its cascade")
    parser.add_argument("--gold", metavar="FILE", help="gold labels by id; else those in the two files")
    parser.add_argument(
        "--margin", type=float, default=0.03, help="accuracies less apart than this are the same (default: 0.03)"
    )
    ceiling = parser.add_mutually_exclusive_group()
    ceiling.add_argument(
        "--other-cascade",
        metavar="FILE",
        help="predictions of another cascade on RIGHT's LLM: how far two cascades agree is the ceiling",
    )
    ceiling.add_argument("--ceiling", type=float, metavar="KAPPA", help="the κ of two cascades, where it is known")
    parser.add_argument("--other-key", metavar="K", help="field of that file to compare (default: as of RIGHT)")
    parser.add_argument("--left-key", metavar="K", help="field of LEFT to compare (dotted for nested fields)")
    parser.add_argument("--right-key", metavar="K", help="field of RIGHT to compare")
    parser.add_argument("--gold-key", metavar="K", help="field with the gold label")
    parser.add_argument("--id-key", metavar="K", help="field with the item's id, in every file ('#': the row's number)")
    parser.add_argument(
        "--graded",
        action="store_true",
        help="the fields say right or wrong (true/false, 1/0, C/I) instead of labels",
    )
    parser.add_argument(
        "--failed",
        choices=("out", "invalid"),
        default="out",
        help="samples of a log that ended in an error: leave them out (default), or count them as INVALID",
    )
    parser.add_argument("--resamples", type=int, default=10_000, help="bootstrap resamples (default: 10000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the bootstrap (default: 0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--validate", action="store_true", help="check the instrument on planted pairs instead")


def main(args: argparse.Namespace) -> int:
    from ..errors import UsageError

    if args.validate:
        return _validate(args)
    if args.left is None or args.right is None:
        raise UsageError("two prediction files are needed: ceq agree LEFT RIGHT")
    if not 0.0 < args.margin < 1.0:
        raise UsageError(f"--margin is a fraction between 0 and 1 (0.03 is 3 points), not {args.margin:g}")
    if args.ceiling is not None and not 0.0 < args.ceiling <= 1.0:
        raise UsageError(f"--ceiling is a κ above 0 and at most 1, not {args.ceiling:g}")
    if not 2 <= args.resamples <= 1_000_000:
        raise UsageError(f"--resamples must lie between 2 and 1000000, not {args.resamples}")
    if args.seed < 0:
        raise UsageError(f"--seed must not be negative, got {args.seed}")

    from dataclasses import replace

    from ..agreement import Resamples, compare, verdict
    from ..logs import join, read, read_pair, with_other
    from ..reading.terminal import json_line, plain_lines

    keys: dict[str, Any] = {"gold_key": args.gold_key, "id_key": args.id_key, "failed": args.failed}
    left, right = read_pair(args.left, args.right, left_key=args.left_key, right_key=args.right_key, **keys)
    gold = other = None
    if args.other_cascade is not None:
        _another(args)
        _, other = read_pair(
            args.right, args.other_cascade, left_key=args.right_key, right_key=args.other_key or args.right_key, **keys
        )
    if args.gold is not None:
        gold = read(args.gold, gold_key=args.gold_key, id_key=args.id_key, only_gold=True)
    _same_rows(args.id_key, left, right, gold, other)
    if args.graded:
        left, right, gold = _graded(left), _graded(right), None
        other = None if other is None else _graded(other)
    joined = join(left, right, gold)
    if other is not None:
        joined = with_other(joined, join(right, other, gold), str(other.path))
    if not joined.labels:
        raise UsageError("not one valid prediction in the two files: every common item is INVALID in both")
    weights = Resamples.of_labels(
        *(joined.left, joined.right, joined.gold, joined.other),
        resamples=args.resamples,
        seed=args.seed,
        clusters=joined.clusters,
    )
    options: dict[str, Any] = {
        "classes": len(joined.labels), "clusters": joined.clusters, "weights": weights, "margin": args.margin
    }  # fmt: skip
    pair = compare(joined.left, joined.right, joined.gold, **options)
    ceiling = args.ceiling if joined.other is None else compare(joined.right, joined.other, joined.gold, **options)
    said = verdict(pair, ceiling)
    if joined.free_texts and not args.graded:
        said = replace(said, name=None, kind=None, better=None, towards=None, why_none=joined.notes["free_texts"])
    if args.json:
        print(json_line(_object(pair, said, joined, left, right)))
    else:
        print(plain_lines(_summary(pair, said, joined, left, right)))
    return 0


def _another(args: argparse.Namespace) -> None:
    """Raises where the other cascade is one of the two systems again: their κ would be its own ceiling."""
    from pathlib import Path

    from ..errors import UsageError

    theirs = (Path(args.other_cascade).resolve(), args.other_key or args.right_key)
    for side in ("left", "right"):
        if (Path(getattr(args, side)).resolve(), getattr(args, f"{side}_key")) == theirs:
            raise UsageError(
                f"--other-cascade {args.other_cascade} is {side.upper()} again; the ceiling takes a second cascade on "
                "RIGHT's LLM, with another ASR"
            )


def _same_rows(key: str | None, left: Predictions, *others: Predictions | None) -> None:
    """Raises where rows are told by their number and there are not as many of them in each file."""
    from ..errors import UsageError
    from ..logs.entry import ROW_NUMBER

    for other in others:
        if key == ROW_NUMBER and other is not None and len(other) != len(left):
            raise UsageError(
                f"--id-key '{ROW_NUMBER}': {left.path} has {len(left)} rows and {other.path} {len(other)}; by their "
                "numbers rows can be compared only where the files hold the same items in the same order"
            )


def _graded(predictions: Predictions) -> Predictions:
    """Right or wrong as labels "true" and "false", with "true" as everyone's gold label."""
    from dataclasses import replace

    from ..errors import UsageError
    from ..reading.terminal import short
    from ..reading.values import grade

    words = {True: "true", False: "false", None: None}
    graded: list[str | None] = []
    for said in predictions.predictions:
        try:
            graded.append(words[grade(said)])
        except ValueError:
            raise UsageError(
                f"{predictions.path}: --graded expects true/false, 1/0 or C/I, there is: {short(said)}"
                + (" (partly right, which is neither)" if said in ("P", "p") else "")
            ) from None
    return replace(predictions, predictions=graded, gold=["true"] * len(predictions), right=None, graded=True)


def _object(
    pair: PairAgreement, said: Verdict, joined: Joined, left: Predictions, right: Predictions
) -> dict[str, Any]:
    from ..agreement.planning import power_of

    out = pair.to_json() | {"verdict": said.to_json()}
    notes = out["notes"]
    assert isinstance(notes, dict)
    out["notes"] = notes | joined.notes
    out["labels"] = list(joined.labels) if pair.k <= _MOST_CLASSES else None
    out["power"] = power_of(pair)
    if pair.k > _MOST_CLASSES:
        out["per_class"] = None
        out["notes"] = notes | joined.notes | {"per_class": f"left out: more than {_MOST_CLASSES} labels"}
    out["unmatched"] = {side: len(ids) for side, ids in joined.unmatched.items()}
    out["files"] = {
        side: {"path": file.path, "format": file.format, "items": len(file)}
        for side, file in (("left", left), ("right", right))
    }
    return out


def _summary(pair: PairAgreement, said: Verdict, joined: Joined, left: Predictions, right: Predictions) -> str:
    from ..agreement import verdict_words

    rows: list[tuple[str, str]] = [
        ("left", f"{left.path} ({left.format}, {len(left)} items)"),
        ("right", f"{right.path} ({right.format}, {len(right)} items)"),
        ("compared", f"{pair.n} items, {pair.k} labels" + _clusters(pair)),
        ("INVALID", f"left {_percent(pair.invalid_left)}, right {_percent(pair.invalid_right)}"),
        ("agreement", f"{_percent(pair.agreement)} (by chance {_percent(pair.expected)})"),
        ("kappa", f"{_interval(pair.kappa)}, at most {_number(pair.kappa_max)} with these label frequencies"),
        ("", f"jointly valid items {_interval(pair.kappa_valid)}; AC1 {_number(pair.ac1)}"),
        ("", f"prevalence index {pair.prevalence_index:.3f}, bias index {pair.bias_index:.3f}"),
    ]
    accuracy, test, same = pair.accuracy, pair.mcnemar, pair.equivalence
    if accuracy is not None and test is not None and same is not None:
        d = accuracy.difference
        rows += [
            ("accuracy", f"left {_share(accuracy.left)}, right {_share(accuracy.right)}"),
            ("", f"difference {_points(d.value)} points [{_points(d.low)}, {_points(d.high)}]"),
            (
                "McNemar",
                f"only left right {test.b}, only right right {test.c}, p = {test.p:.3g} ({test.method})",
            ),
            (
                "TOST",
                f"within ±{100 * same.margin:g} points: {'yes' if same.passed else 'not shown'}, p = {same.p:.3g}",
            ),
        ]
        overlap = pair.error_overlap
        if overlap.value is not None:
            rows.append(
                (
                    "error overlap",
                    f"{_interval(overlap)} over {overlap.joint_errors} joint errors, by chance "
                    f"{_number(overlap.chance)}; error Jaccard {_number(pair.error_jaccard)}",
                )
            )
    notes = pair.notes | joined.notes
    lines = [f"{name:<14}{text}" for name, text in rows]
    lines += ["", *verdict_words.lines(said)]
    lines += ["", *(f"note ({name}): {text}" for name, text in notes.items())] if notes else []
    return "\n".join(lines)


def _clusters(pair: PairAgreement) -> str:
    if pair.clusters is None:
        return ""
    return f" in {pair.clusters} groups (design effect {pair.design_effect:.2f})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:z.3f}"


def _points(share: float | None) -> str:
    return "undefined" if share is None else f"{100 * share:+.1f}"


def _interval(interval: Interval | ErrorOverlap) -> str:
    if interval.low is None or interval.high is None:
        return _number(interval.value)
    return f"{_number(interval.value)} [{interval.low:z.3f}, {interval.high:z.3f}]"


def _share(interval: Interval) -> str:
    if interval.value is None or interval.low is None or interval.high is None:
        return "undefined"
    return f"{100 * interval.value:.1f} % [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


def _validate(args: argparse.Namespace) -> int:
    from ..agreement.planted import validate

    results = validate(seed=args.seed)
    if args.json:
        print(json.dumps([r.to_json() for r in results], allow_nan=False))
    else:
        for r in results:
            print(f"{'ok  ' if r.passed else 'FAIL'} {r.name}: {r.summary}")
    return 0 if all(r.passed for r in results) else 1
