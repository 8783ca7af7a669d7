"""README and docs: Python compiles, relative links lead to files, and each `ceq` line is one that the parser takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from cascade_equivalence.cli import parser

ROOT = Path(__file__).parents[1]
TEXTS = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
}


def blocks(language: str) -> list[tuple[str, str]]:
    found = re.compile(rf"^```{language}\n(.*?)^```", re.M | re.S)
    return [(name, block) for name, text in TEXTS.items() for block in found.findall(text)]


COMMANDS = [
    (name, words)
    for name, block in blocks("bash")
    for line in block.replace("\\\n", " ").splitlines()
    if (words := shlex.split(line, comments=True))[:1] == ["ceq"]
]


def test_there_is_something_to_check() -> None:
    assert len(COMMANDS) > 10 and blocks("python")


@pytest.mark.parametrize(("name", "words"), COMMANDS, ids=lambda value: value if isinstance(value, str) else value[1])
def test_a_command_that_is_shown_is_one(name: str, words: list[str]) -> None:
    assert parser().parse_args(words[1:]).command == words[1]


@pytest.mark.parametrize(("name", "block"), blocks("python"))
def test_python_that_is_shown_compiles(name: str, block: str) -> None:
    compile(block, name, "exec")


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_somewhere(name: str) -> None:
    links = re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", re.sub(r"```.*?```", "", TEXTS[name], flags=re.S))
    near = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in near if not ((ROOT / name).parent / link).exists()] == []
