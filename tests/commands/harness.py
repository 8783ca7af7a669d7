"""Runs one command's module as the command line would, errors included."""

import argparse
import importlib

from cascade_equivalence.errors import CeqError


def run(command, *words):
    """Exit status as `ceq` gives it; what is printed is left to capsys. Only a CeqError is caught."""
    module = importlib.import_module(f"cascade_equivalence.commands.{command}")
    parser = argparse.ArgumentParser(prog=f"ceq {command}", description=module.HELP, epilog=module.EPILOG)
    module.add_arguments(parser)
    try:
        return module.main(parser.parse_args([str(w) for w in words]))
    except CeqError as error:
        print(f"error: {error}")
        return error.exit_status
