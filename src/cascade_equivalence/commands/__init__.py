"""The commands of `ceq`. A command is a module with HELP, EPILOG, add_arguments and main; importing it is cheap."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

NAMES = ("init", "run", "report", "export", "compare", "check", "agree", "plan", "models", "tasks", "systems")


def modules() -> dict[str, ModuleType]:
    """Command name → module."""
    return {name: import_module(f"cascade_equivalence.commands.{name}") for name in NAMES}
