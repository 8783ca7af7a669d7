"""What a run ends with: the head of the report in at most twenty lines."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from cascade_equivalence.report import numbers
from cascade_equivalence.report.console import plain
from cascade_equivalence.report.head import Card, Head
from cascade_equivalence.report.head.words import GLUE

LINES = 19
"""At most; one more names the report's file."""
WIDTH = 80
_STYLE = {"yes": "green", "warn": "yellow", "no": "red"}
_GLYPH = {"yes": "✓", "warn": "!", "no": "✗"}


def print_head(head: Head, console: Console) -> None:
    """Print the head, without markup from any name; `LINES` lines at most at `WIDTH` columns."""
    for line in lines(head, min(max(console.width, WIDTH), 100)):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def lines(head: Head, width: int = WIDTH) -> list[Text]:
    """The head, line by line, none wider than `width`. Where there are many systems, the last ones are left out."""
    above = [
        *_wrapped(f"{head.study}: {head.headline}", width, "bold", most=2),
        *_wrapped(head.scope, width, "dim", most=1),
    ]
    for warning in head.warnings:
        # Failures are printed as errors, after this.
        above += [] if warning.startswith("Failed") else _wrapped(warning, width, "yellow", most=2)
    above.append(Text(""))
    below = [Text(""), *_verdicts(head.cards, width)]
    if head.build:
        below += [line for advice in head.build.advice for line in _wrapped(advice, width, most=3)]
    below += _checks(head, width)
    rows = _rows(head, width)
    room = max(2, LINES - len(above) - len(below))
    if len(rows) > room:
        kept = _most_telling(head, room - 2)
        left = numbers.plural(len(rows) - 1 - len(kept), "more system")
        rows = [rows[0], *(rows[i + 1] for i in kept), plain(f"… and {left}: --full", "dim")]
    return [*above, *rows, *below][:LINES] if rows else [*above[:-1], *below][:LINES]


def _rows(head: Head, width: int) -> list[Text]:
    """The table: what is right, how far from the cascade, κ, and the time of a request."""
    if head.build is None:
        return []
    by_arm = {card.arm: card for card in reversed(head.cards)}
    tops = {card.against: card for card in reversed(head.cards) if card.ceiling is not None}
    build = head.build
    noisy = build.noise_title is not None
    titles = ["system", "right", *(["in noise"] if noisy else []), "vs its cascade, points", "answers", "P50"]
    table = [
        [
            row.arm if row.system else "true text",
            row.clean,
            *([row.noise or numbers.UNDEFINED] if noisy else []),
            _difference(by_arm.get(row.arm)) if row.system else "upper bound",
            _kappa(by_arm.get(row.arm), tops.get(row.arm)),
            row.p50,
        ]
        for row in build.rows
    ]
    rows = [titles, *([_plain(cell) for cell in row] for row in table)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(titles))]
    # Long names give way first, so that figures are never cut.
    widths[0] = max(8, min(widths[0], width - sum(widths[1:]) - 2 * (len(widths) - 1)))
    picks = [False, *(row.pick for row in build.rows)]
    return [
        plain("  ".join(_cut(cell, w).ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip(), style)
        for row, style in ((r, "dim" if i == 0 else "bold" if picks[i] else "") for i, r in enumerate(rows))
    ]


def _most_telling(head: Head, most: int) -> list[int]:
    """Rows that stay where not all have room: speech LLMs and what is recommended, other systems, planted ones last."""
    rows = head.build.rows if head.build else ()
    planted = {card.arm for card in head.cards if card.planted}
    heard = {card.arm for card in head.cards} - planted

    def rank(index: int) -> tuple[int, int]:
        row = rows[index]
        return (0 if row.pick or row.arm in heard else 2 if row.arm in planted else 1, index)

    return sorted(sorted(range(len(rows)), key=rank)[:most])


def _difference(card: Card | None) -> str:
    if card is None or card.difference.value is None:
        return numbers.UNDEFINED
    return f"{numbers.points(card.difference.value)} ({numbers.limits(card.difference, 'points')})"


def _kappa(card: Card | None, top: Card | None) -> str:
    if card is not None and card.kappa.value is not None:
        return f"κ {numbers.coefficient(card.kappa.value)}"
    return f"κ {numbers.coefficient(top.ceiling)} ceiling" if top is not None else numbers.UNDEFINED


def _verdicts(cards: Sequence[Card], width: int) -> list[Text]:
    """A line for each pair, the first three where there are more; then the planted ones, in half a line each."""
    real, planted = [card for card in cards if not card.planted], [card for card in cards if card.planted]
    found = [line for card in real[:3] for line in _wrapped(_verdict(card), width, most=2)]
    if len(real) > 3:
        found.append(plain(f"… and {len(real) - 3} more pairs: --full", "dim"))
    if planted:
        said = "; ".join(f"{card.arm}: {card.title.replace('; ', ', ')}" for card in planted)
        found += _wrapped(f"planted: {said}", width, most=2)
    return found


def _verdict(card: Card) -> str:
    """`pocket-x vs cascade-s: worse; more than a cascade: no`."""
    better = card.verdict.better if card.verdict else None
    more = "" if better is None else f"; more than a cascade: {'cannot tell yet' if better == 'open' else better}"
    return f"{card.arm} vs {card.against}: {card.title}{more}"


def _checks(head: Head, width: int) -> list[Text]:
    """The checks in a few words, as many to a line as fit."""
    found: list[Text] = []
    for check in head.checks:
        piece = Text.assemble((f"{_GLYPH[check.mark]} ", _STYLE[check.mark]), plain(_plain(check.brief)))
        if found and len(found[-1]) + 2 + len(piece) <= width:
            found[-1] = Text.assemble(found[-1], "  ", piece)
        else:
            found.append(piece)
    return found[:3]


def _wrapped(text: str, width: int, style: str = "", most: int = 9) -> Iterator[Text]:
    parts = textwrap.wrap(text, width, break_long_words=True) or [""]
    if len(parts) > most:
        parts = [*parts[: most - 1], _cut(" ".join(parts[most - 1 :]), width)]
    return (plain(_plain(part), style) for part in parts)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _plain(text: str) -> str:
    """Without glue: the lines are already broken."""
    return text.replace(GLUE, " ")
