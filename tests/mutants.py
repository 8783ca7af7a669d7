"""Do the tests notice a changed program? `python -m tests.mutants --mutants 300 --seed 0 [--modules kappa,paired]`.

Seeded small changes (a comparison, an operator, a constant, a condition, a returned value) of the statistics and of
the readers of answers, each tried in a forked process with the fast tests of its module, until the first that fails.
Prints the share that is killed by module, and each survivor.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGE = "cascade_equivalence"
AGREEMENT = "tests/agreement"
TESTS: dict[str, tuple[str, ...]] = {
    "agreement.kappa": (f"{AGREEMENT}/test_kappa.py", f"{AGREEMENT}/test_pair.py"),
    "agreement.paired": (f"{AGREEMENT}/test_paired.py",),
    "agreement.interval": (f"{AGREEMENT}/test_interval.py", f"{AGREEMENT}/test_kappa.py"),
    "agreement.parts": (f"{AGREEMENT}/test_parts.py", f"{AGREEMENT}/test_verdict.py"),
    "agreement.verdict": (f"{AGREEMENT}/test_parts.py", f"{AGREEMENT}/test_verdict.py"),
    "tasks.parsing": ("tests/tasks/test_parsing.py",),
    "reading.answers": ("tests/reading/test_answers.py", "tests/tasks/test_parsing.py"),
}
LONGEST_S = 60

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult, ast.FloorDiv: ast.Div,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change: of the how-manyth node that can be changed, and which of its ways."""

    module: str
    place: int
    way: int
    line: int
    before: str
    after: str


def changes(node: ast.AST) -> list[ast.AST]:
    """What a node may be changed into."""
    found: list[ast.AST] = []
    match node:
        case ast.Compare(ops=[one]) if type(one) in _COMPARED:
            found.append(_with(node, ops=[_COMPARED[type(one)]()]))
        case ast.BinOp(op=one) if type(one) in _COMPUTED and not isinstance(node.left, ast.Constant | ast.JoinedStr):
            found.append(_with(node, op=_COMPUTED[type(one)]()))
        case ast.BoolOp(op=one):
            found.append(_with(node, op=ast.Or() if isinstance(one, ast.And) else ast.And()))
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=inner):
            found.append(inner)
        case ast.Constant(value=bool() as value):
            found.append(ast.Constant(not value))
        case ast.Constant(value=int() as value):
            found.append(ast.Constant(value + 1))
        case ast.Constant(value=float() as value):
            found.append(ast.Constant(value * 1.25 + 0.01))
        case ast.Constant(value=str() as value) if value:
            found.append(ast.Constant(value + "?"))
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            pass  # nothing at run time looks at it
        case ast.If() | ast.IfExp():
            found.append(_with(node, test=ast.UnaryOp(ast.Not(), node.test)))
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            found.append(_with(node, value=ast.Constant(None)))
    return found


def _with(node: ast.AST, **fields: Any) -> ast.AST:
    made = copy.copy(node)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def places(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None]]:
    """Holder, field and index of every node whose change can change what the program does: no words for people, no
    annotations, no decorators, no docstrings."""
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns", "decorator_list", "type_comment"):
            continue
        if isinstance(tree, ast.Raise | ast.Import | ast.ImportFrom | ast.JoinedStr) or _is_literal(tree):
            continue
        for index, one in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(one, ast.AST):
                continue
            if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant):
                continue
            if isinstance(one, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in one.targets):
                continue
            yield tree, name, index
            yield from places(one)


def _is_literal(tree: ast.AST) -> bool:
    """`Literal[...]`: a type, which nothing at run time looks at."""
    return isinstance(tree, ast.Subscript) and isinstance(tree.value, ast.Name) and tree.value.id == "Literal"


def _node(place: tuple[ast.AST, str, int | None]) -> ast.AST:
    holder, name, index = place
    value = getattr(holder, name)
    found: ast.AST = value if index is None else value[index]
    return found


def source(module: str) -> Path:
    """A module's file."""
    return ROOT / "src" / PACKAGE / Path(*module.split(".")).with_suffix(".py")


def mutants(module: str) -> list[Mutant]:
    """Every mutant of a module."""
    made = []
    for at, place in enumerate(places(ast.parse(source(module).read_text(encoding="utf-8")))):
        node = _node(place)
        for way, other in enumerate(changes(node)):
            line = getattr(node, "lineno", 0)
            made.append(Mutant(module, at, way, line, _words(node), _words(other)))
    return made


def _words(node: ast.AST) -> str:
    if isinstance(node, ast.If):
        return f"if {ast.unparse(node.test)}"
    return ast.unparse(ast.fix_missing_locations(copy.deepcopy(node)))[:70]


def compiled(mutant: Mutant) -> Any:
    """The module's code with the change in it."""
    path = source(mutant.module)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    holder, name, index = place = list(places(tree))[mutant.place]
    other = changes(_node(place))[mutant.way]
    if index is None:
        setattr(holder, name, other)
    else:
        getattr(holder, name)[index] = other
    return compile(ast.fix_missing_locations(tree), str(path), "exec")


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module as the mutant."""

    def __init__(self, mutant: Mutant) -> None:
        self.name, self.code = f"{PACKAGE}.{mutant.module}", compiled(mutant)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        return importlib.util.spec_from_loader(name, self) if name == self.name else None

    def exec_module(self, module: ModuleType) -> None:
        exec(self.code, module.__dict__)


def tried(mutant: Mutant | None, tests: Sequence[str]) -> tuple[bool, float]:
    """Whether the tests of a module pass with the mutant in its place, and the seconds that took."""
    began = time.monotonic()
    process = os.fork()
    if not process:
        status = 1
        try:
            signal.alarm(LONGEST_S)
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, 1)
            os.dup2(nothing, 2)
            if mutant is not None:
                sys.meta_path.insert(0, _Finder(mutant))
            import pytest
            from hypothesis import settings

            settings.register_profile("mutants", derandomize=True, database=None, max_examples=20, deadline=None)
            settings.load_profile("mutants")
            there = [str(ROOT / path) for path in tests if (ROOT / path).exists()]
            status = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header", *there]))
        finally:
            os._exit(status)
    passed = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    return passed, time.monotonic() - began


def main() -> int:
    """Try them."""
    parser = argparse.ArgumentParser("python -m tests.mutants", description=__doc__)
    parser.add_argument("--mutants", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--modules", default=",".join(TESTS))
    parser.add_argument("--from", type=int, default=0, dest="first", help="leave out so many of the seeded order")
    args = parser.parse_args()
    # What the tests import from elsewhere, once for all forks; nothing of the package itself.
    for name in ("hypothesis.strategies", "pytest", "scipy.optimize", "scipy.stats", "statsmodels.stats.api"):
        importlib.import_module(name)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.chdir(ROOT)
    modules = [name for name in TESTS if name in args.modules or name.rpartition(".")[2] in args.modules.split(",")]
    for name in modules:
        passed, seconds = tried(None, TESTS[name])
        print(f"{name}: its tests pass unchanged in {seconds:.1f} s", flush=True)
        if not passed:
            print("  they do not: nothing can be said of its mutants")
            return 2
    every = [mutant for name in modules for mutant in mutants(name)]
    random.Random(args.seed).shuffle(every)
    chosen = every[args.first : args.mutants]
    killed: dict[str, list[bool]] = {name: [] for name in modules}
    for number, mutant in enumerate(chosen):
        if number and number % 10 == 0:
            print(f"  {sum(map(sum, killed.values()))} of {number} killed so far", flush=True)
        survives, _ = tried(mutant, TESTS[mutant.module])
        killed[mutant.module].append(not survives)
        if survives:
            print(f"  survives: {mutant.module}:{mutant.line}: {mutant.before} → {mutant.after}", flush=True)
    for name, found in killed.items():
        if found:
            print(f"{name}: {sum(found)} of {len(found)} killed ({100 * sum(found) / len(found):.0f} %)")
    total = [one for found in killed.values() for one in found]
    print(f"all: {sum(total)} of {len(total)} killed ({100 * sum(total) / max(len(total), 1):.1f} %), of {len(every)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
