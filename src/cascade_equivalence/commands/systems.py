"""`ceq systems`."""

from __future__ import annotations

import argparse

HELP = "list the arms of a study, compare the weights of two models, or look a speech LLM over before a long run"
EPILOG = """examples:
  ceq systems                                the arms of the pocket study
  ceq systems study.yaml                     those of another study
  ceq systems match speech-llm/ text-llm/    are their LLMs identical, LoRA-shifted, fine-tuned or different?
  ceq systems match speech-llm/ text-llm/ --left-prefix language_model
  ceq systems check my-checkpoint/           tensors, template, memory, match with its text twin, whether it hears
  ceq systems check my-checkpoint/ --llm copies/llama-3.1-8b-instruct
  ceq systems check my-checkpoint/ --no-listen    the same without loading it"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "what",
        nargs="*",
        metavar="STUDY | match LEFT RIGHT | check ID",
        help="a study file or a preset (default: pocket); 'match' and two models, or 'check' and a speech LLM: "
        "directories, embedded or hub ids",
    )
    parser.add_argument(
        "--left-prefix", default="", metavar="P", help="compare only the tensors of LEFT whose names begin so"
    )
    parser.add_argument("--right-prefix", default="", metavar="P", help="the same for RIGHT")
    parser.add_argument("--json", action="store_true", help="print the match or the check as one JSON object")
    check = parser.add_argument_group("check")
    check.add_argument("--revision", metavar="R", help="branch, tag or commit of a hub id")
    check.add_argument("--llm", metavar="ID", help="take the LLM that it builds on from here")
    check.add_argument("--encoder", metavar="ID", help="take its audio encoder from here")
    check.add_argument("--twin", metavar="ID", help="text LLM to compare its own with (default: the one it builds on)")
    check.add_argument("--device", default="auto", help="where to load it: cpu, cuda, … (default: auto)")
    check.add_argument("--dtype", default="auto", choices=("auto", "float32", "float16", "bfloat16"))
    check.add_argument("--batch-size", type=int, metavar="N", help="for the estimate of memory (default: 16)")
    check.add_argument("--no-listen", action="store_true", help="look at its files alone; do not load it")


def main(args: argparse.Namespace) -> int:
    """Print the table or the match."""
    from cascade_equivalence.errors import UsageError

    if args.what[:1] == ["match"]:
        if len(args.what) != 3:
            raise UsageError("match takes two models: ceq systems match LEFT RIGHT")
        return _match(args)
    if args.what[:1] == ["check"]:
        if len(args.what) != 2:
            raise UsageError("check takes one speech LLM: ceq systems check ID")
        return _check(args)
    if len(args.what) > 1:
        raise UsageError(f"one study, match LEFT RIGHT, or check ID; got {' '.join(args.what)}")
    if args.json or args.left_prefix or args.right_prefix:
        raise UsageError("--json and the prefixes go with match LEFT RIGHT or check ID")
    return _arms(args.what[0] if args.what else "pocket")


def _arms(name: str) -> int:
    from rich.console import Console
    from rich.table import Table

    from cascade_equivalence.study.spec import Of, load_study

    study, _ = load_study(name)
    table = Table("arm", "hears through", "answers with", title=f"arms of {study.name}", title_justify="left")
    for name, arm in study.arms.items():
        heard = arm.speech_llm or arm.asr
        ears = study.source_of(heard) if heard else None
        llm = study.source_of(arm.llm) if isinstance(arm.llm, str) else None
        of = study.speech_llm_of(arm.llm) if isinstance(arm.llm, Of) else arm.speech_llm
        table.add_row(name, ears or "the gold text", llm or f"the LLM of {of}")
    Console().print(table)
    return 0


def _match(args: argparse.Namespace) -> int:
    import json
    import sys
    from dataclasses import asdict

    from cascade_equivalence.systems.identity import fingerprint
    from cascade_equivalence.systems.loading import locate
    from cascade_equivalence.systems.match import Weights, match

    def say(line: str) -> None:
        print(line, file=sys.stderr)

    left, right = (locate(name, say) for name in args.what[1:])
    for directory in (left, right):
        # Equal hashes spare the comparison, which takes longer.
        fingerprint(directory, say)
    found = match(Weights(left, args.left_prefix), Weights(right, args.right_prefix), say)
    if args.json:
        print(json.dumps(asdict(found), indent=1))
        return 0
    print(f"{found.grade}: {args.what[1]} and {args.what[2]}")
    if found.equal_share is not None:
        print(f"  {found.equal_share:.2%} of the parameters in bit-equal tensors")
    if found.distance is not None:
        print(f"  relative distance {found.distance:.3g}, compared at {found.precision}")
    if found.note:
        print(f"  {found.note}")
    return 0


def _check(args: argparse.Namespace) -> int:
    import json
    import sys
    from dataclasses import asdict

    from cascade_equivalence.systems.speech.checking import check_checkpoint

    found = check_checkpoint(
        args.what[1],
        lambda line: print(line, file=sys.stderr),
        revision=args.revision,
        llm=args.llm,
        encoder=args.encoder,
        twin=args.twin,
        device=args.device,
        dtype=args.dtype,
        batch_size=args.batch_size,
        listen=not args.no_listen,
    )
    if args.json:
        print(json.dumps({"ok": found.ok, "findings": [asdict(finding) for finding in found.findings]}, indent=1))
    else:
        for finding in found.findings:
            mark = {True: "ok", False: "WRONG", None: "note"}[finding.ok]
            print(f"{finding.what:9} {mark:5} {finding.said}")
    return 0 if found.ok else 1
