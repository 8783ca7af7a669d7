"""Pieces of the terminal summary: headings, tables and estimates, without markup from any name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from unicodedata import category

from rich.table import Table
from rich.text import Text

from cascade_equivalence.report import numbers

WIDTH = 100
"""Columns that the tables are made for."""
ESTIMATE = 16
"""Width of `75.0 58.9–86.2` with the gap after it."""

_NUMBERS = {"n", "batch", "GB", "items", "conditions", "trials"}


def chunks(conditions: Sequence[str], *first: Sequence[str], width: int = ESTIMATE) -> Iterator[Sequence[str]]:
    """As many conditions a table as fit beside the first columns, evenly divided."""
    if not conditions:
        return
    taken = sum(max(map(len, column), default=0) + 2 for column in first) + len("n of m  ")
    fit = max(1, (WIDTH - taken) // max(width, *(len(c) + 2 for c in conditions)))
    tables = -(-len(conditions) // fit)
    for start in range(0, len(conditions), -(-len(conditions) // tables)):
        yield conditions[start : start + -(-len(conditions) // tables)]


def table(*columns: str) -> Table:
    """A table without lines."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        made.add_column(plain(column), overflow="fold", justify="right" if column in _NUMBERS else "left")
    return made


def heading(title: str, note: str = "") -> Text:
    """The line above a part."""
    return Text.assemble((title.upper(), "bold cyan"), (f"  {note}" if note else "", "dim"))


def estimate(value: str, interval: str) -> Text:
    """A value with its limits, where there are any."""
    if interval == numbers.UNDEFINED:
        return Text(value)
    return Text.assemble(value, (f" {interval}", "dim"))


def plain(value: object, style: str = "") -> Text:
    """Text as it is: no markup, any space as a plain one, and no control characters that could move the cursor."""
    return Text("".join(c if c.isprintable() else " " if category(c) == "Zs" else "?" for c in str(value)), style)
