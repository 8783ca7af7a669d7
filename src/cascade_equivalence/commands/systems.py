"""`ceq systems`."""

from __future__ import annotations

import argparse

HELP = "list the arms of a study and the models behind them"
EPILOG = """examples:
  ceq systems                  the arms of the pocket study
  ceq systems study.yaml"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("study", nargs="?", default="pocket", help="a study file or a preset (default: pocket)")


def main(args: argparse.Namespace) -> int:
    """Print the table."""
    from rich.console import Console
    from rich.table import Table

    from cascade_equivalence.study.spec import Of, load_study

    study, _ = load_study(args.study)
    table = Table("arm", "hears through", "answers with", title=f"arms of {study.name}", title_justify="left")
    for name, arm in study.arms.items():
        ears = study.speech_spec(arm.speech_llm).id if arm.speech_llm else study.models[arm.asr].id if arm.asr else None
        llm = study.models[arm.llm].id if isinstance(arm.llm, str) else None
        of = study.speech_llm_of(arm.llm) if isinstance(arm.llm, Of) else arm.speech_llm
        table.add_row(name, ears or "the gold text", llm or f"the LLM of {of}")
    Console().print(table)
    return 0
