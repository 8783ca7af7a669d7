"""`ceq tasks`."""

from __future__ import annotations

import argparse

HELP = "list the tasks that ship with items and speech"
EPILOG = """examples:
  ceq tasks

A task of your own is a JSONL manifest named in the study file: tasks: [{manifest: my/items.jsonl}]"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments."""


def main(args: argparse.Namespace) -> int:
    """Print the table."""
    from rich.console import Console
    from rich.table import Table

    from cascade_equivalence.tasks.task import load_task, shipped_tasks

    table = Table(
        "task", "items", "development", "answers", "text suffices", title="shipped tasks", title_justify="left"
    )
    for name in shipped_tasks():
        task = load_task(name)
        answers = "open" if task.form.kind == "open" else ", ".join(task.labels)
        sufficient = {True: "yes", False: "no", None: "unknown"}[task.form.sufficient]
        table.add_row(name, str(len(task.items)), str(len(task.dev)), answers, sufficient)
    Console().print(table)
    return 0
