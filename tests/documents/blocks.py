"""The code blocks of all that is a page of the site. `python -m tests.documents.blocks` counts them."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "cascade_equivalence"
FILES = (
    *(
        ROOT / name
        for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "THIRD_PARTY.md", "benchmarks/RESULTS.md")
    ),
    PACKAGE / "pocket" / "weights" / "CARD.md",
    PACKAGE / "tasks" / "corpus" / "CARD.md",
    *sorted((ROOT / "docs").glob("*.md")),
)
TEXTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in FILES}
_BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```[ ]*$", re.M | re.S)
MODELS = "run_study"
"""In Python that needs the embedded models."""


@dataclass(frozen=True, slots=True)
class Block:
    """A code block: the file it is in, its line there, and its language ("" where none is named)."""

    file: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"

    @property
    def heavy(self) -> bool:
        """Whether it needs models."""
        return self.language == "python" and MODELS in self.text


BLOCKS = tuple(
    Block(name, text.count("\n", 0, found.start()) + 1, found[1], found[2])
    for name, text in TEXTS.items()
    for found in _BLOCK.finditer(text)
)


def of(language: str) -> list[Block]:
    """The blocks of a language."""
    return [block for block in BLOCKS if block.language == language]


def commands(text: str) -> list[list[str]]:
    """The commands of a shell block, without comments, redirections and what follows a pipe."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set(";&|<>()"):
                if words:
                    found.append(words)
                words = []
            else:
                words.append(word)
    return found


if __name__ == "__main__":
    languages = Counter(block.language or "(plain)" for block in BLOCKS)
    shell = [words for block in of("bash") for words in commands(block.text)]
    print(
        f"{len(BLOCKS)} blocks in {len(TEXTS)} files:", ", ".join(f"{n} {kind}" for kind, n in languages.most_common())
    )
    print(f"{len(shell)} shell commands, {sum(words[0] == 'ceq' for words in shell)} of them ceq")
    print(f"{sum(block.heavy for block in BLOCKS)} Python blocks need models and run in the slow tests")
