"""`ceq models`."""

from __future__ import annotations

import argparse

HELP = "list, fetch or check the embedded models"
EPILOG = """examples:
  ceq models list
  ceq models pull                  all of them (about 310 MB to download)
  ceq models pull whisper-base
  ceq models verify                check every cached or shipped file against its recorded sha256

The pocket speech LLMs come with the package; nothing of theirs is fetched. The cache is $CEQ_CACHE, else the
platform's user cache directory."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", choices=("list", "pull", "verify"))
    parser.add_argument("names", nargs="*", help="embedded models (default: those of the pocket study)")


def main(args: argparse.Namespace) -> int:
    """Do it."""
    from rich.console import Console
    from rich.table import Table

    from cascade_equivalence.pocket import fetch, shipped
    from cascade_equivalence.pocket.registry import EMBEDDED, embedded

    console = Console()
    if args.action == "list":
        table = Table(
            "name", "role", "what", "licence", "MB", "cached", title=str(fetch.cache_dir()), title_justify="left"
        )
        for model in EMBEDDED.values():
            cached = "yes" if fetch.is_pulled(model) else "no"
            table.add_row(model.name, model.role, model.what, model.licence, str(model.download_mb), cached)
        for connector in shipped.SHIPPED.values():
            there = "shipped" if connector.directory.is_dir() else "missing"
            table.add_row(connector.name, "speech LLM", connector.what, connector.licence, "0", there)
        console.print(table)
        return 0
    connectors = [shipped.SHIPPED[name] for name in args.names if name in shipped.SHIPPED]
    if args.action == "verify":
        for connector in connectors if args.names else shipped.SHIPPED.values():
            shipped.verify(connector.directory)
            console.print(f"{connector.name}: every file as recorded", markup=False, highlight=False)
    elif connectors:
        console.print("the pocket speech LLMs come with the package; nothing to fetch", markup=False, highlight=False)
    models = [embedded(name) for name in args.names if name not in shipped.SHIPPED]
    if not args.names:
        models = [m for m in EMBEDDED.values() if m.role != "voice"]
    for model in models:
        if args.action == "pull":
            fetch.pull(model, lambda line: console.print(line, markup=False, highlight=False))
        elif fetch.is_pulled(model):
            fetch.verify(fetch.model_dir(model))
            console.print(f"{model.name}: every file as recorded", markup=False, highlight=False)
        else:
            console.print(f"{model.name}: not pulled", markup=False, highlight=False)
    return 0
