"""Arrows between rooms go one way: no room is imported by what it imports, directly or through others."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import cascade_equivalence

ROOT = Path(cascade_equivalence.__file__).parent
PACKAGE = "cascade_equivalence"


def imports() -> dict[str, set[str]]:
    """Room (a folder, or a module of its own) → the rooms that it imports, lazily too."""
    found: dict[str, set[str]] = {}
    for path in ROOT.rglob("*.py"):
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        here = found.setdefault(room, set())
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == PACKAGE:
                rest = node.module.split(".")[1:]
                here.update([rest[0]] if rest else [alias.name for alias in node.names])
    # The public face shows everything, and is imported for its version alone.
    found.pop("__init__", None)
    return {room: {other for other in rooms if other in found and other != room} for room, rooms in found.items()}


def test_no_room_is_imported_by_what_it_imports() -> None:
    try:
        order = list(TopologicalSorter(imports()).static_order())
    except CycleError as error:
        pytest.fail(f"rooms in a circle: {' → '.join(error.args[1])}")
    assert order.index("agreement") < order.index("study") < order.index("commands") < order.index("cli")
    assert order.index("run") < order.index("inside") < order.index("study")


@pytest.mark.parametrize("room", ["agreement", "mechanism"])
def test_the_formulas_need_nothing_else(room: str) -> None:
    assert imports()[room] <= {"errors"}
