"""The headline sentence and the lead, by rules from the verdicts."""

from __future__ import annotations

from collections.abc import Sequence

from cascade_equivalence.agreement.kinds import Kind
from cascade_equivalence.agreement.verdict_words import TITLES
from cascade_equivalence.report import numbers
from cascade_equivalence.report.head.parts import Card
from cascade_equivalence.study.conditions import level_of

GLUE = "\N{NO-BREAK SPACE}"

_ONE: dict[Kind, str] = {
    "better": "{x} is more than {cascade}",
    "worse": "{x} is less accurate than {cascade}",
    "same": "{x} does the same as {cascade}",
    "other answers, same accuracy": "{x} is as accurate as {cascade}, with other answers",
    "other answers, accuracy open": "{x} answers otherwise than {cascade}; which is more accurate cannot be told yet",
    "same accuracy": "{x} is as accurate as {cascade}",
    "same answers": "{x} gives the same answers as {cascade}",
    "open": "{x} is not shown to be more than {cascade}",
}
"""Headline of one speech LLM, by kind."""


def condition_words(condition: str) -> str:
    """A condition as a reader would say it: `clean speech`, `babble at 5 dB`."""
    if condition == "clean":
        return "clean speech"
    found = level_of(condition)
    return condition if found is None else f"{found[0].replace(':', ' ')} at {numbers.level(found[1], 0)}{GLUE}dB"


def headline(cards: Sequence[Card], own: bool) -> str:
    """One sentence over the speech LLMs that are no controls. own: whether every cascade is on its speech LLM's LLM."""
    shown = [card for card in cards if not card.planted] or list(cards)
    one = len(shown) == 1
    of = "the cascade on its own LLM" if own else f"its cascade, {shown[0].against}" if one else "its cascade"
    said = [card.verdict for card in shown]
    verdicts = [v for v in said if v is not None and v.kind is not None]
    if len(verdicts) < len(said):
        return _without_verdict(shown)
    if one:
        (verdict,) = verdicts
        if verdict.kind == "open" and verdict.better == "no":
            return f"{shown[0].arm} is not more than {of}"
        return _ONE[verdict.kind or "open"].format(x=shown[0].arm, cascade=of)
    by = {
        answer: [c.arm for c, v in zip(shown, verdicts, strict=True) if v.better == answer] for answer in ("yes", "no")
    }
    if len(by["no"]) == len(shown):
        return f"{'Neither speech LLM' if len(shown) == 2 else f'None of {len(shown)} speech LLMs'} is more than {of}"
    if len(by["yes"]) == len(shown):
        all_ = "Both" if len(shown) == 2 else f"All {len(shown)}"
        return f"{all_} speech LLMs are more than {'the cascades on their own LLMs' if own else 'their cascades'}"
    if by["yes"]:
        more = f"{numbers.listed(by['yes'])} {'is' if len(by['yes']) == 1 else 'are'} more than {of}"
        others = [c.arm for c in shown if c.arm not in by["yes"]]
        if len(by["no"]) == len(others):
            return f"{more}; {numbers.listed(others)} {'is' if len(others) == 1 else 'are'} not"
        return f"{more}; {numbers.listed(others)} {'is' if len(others) == 1 else 'are'} not shown to be"
    return f"No speech LLM is shown to be more than {of}"


def _without_verdict(cards: Sequence[Card]) -> str:
    if any(card.verdict is not None and card.verdict.interim for card in cards):
        return "Interim figures: not all planned trials are done, so there is no verdict yet"
    return "No verdict: these items cannot tell a speech LLM from its cascade"


def statement(card: Card) -> str:
    """What the lead says of one card: `pocket-x is less accurate (−17.5 points)`."""
    verdict, d = card.verdict, card.difference.value
    points = "" if d is None else f"{numbers.points(d)}{GLUE}points"
    kappa = "" if card.kappa.value is None else f"κ{GLUE}{numbers.coefficient(card.kappa.value)}"
    figures = ", ".join(filter(None, (points, kappa)))
    if verdict is None or verdict.kind is None:
        return f"{card.arm}: {card.title} ({figures})"
    margin = f"{100 * card.margin:g}{GLUE}points"
    left_open = f"whether one is {margin} better is open"
    text = {
        "better": f"{card.arm} is more accurate ({points})",
        "worse": f"{card.arm} is less accurate ({points})",
        "same": f"{card.arm} is as accurate and gives the same answers ({figures})",
        "other answers, same accuracy": f"{card.arm} is as accurate, with other answers ({figures})",
        "other answers, accuracy open": f"{card.arm} gives other answers ({figures}); {left_open}",
        "same accuracy": f"{card.arm} is as accurate ({points}), and whether its answers are the same is not shown",
        "same answers": f"{card.arm} gives the same answers ({figures}); {left_open}",
        "open": f"{card.arm} may be more or less accurate ({points})",
    }[verdict.kind]
    if verdict.kind != "open":
        return text
    lean = "" if verdict.accuracy is None or verdict.accuracy.lean is None else f", leans {verdict.accuracy.lean}"
    if verdict.unadjusted is not None:
        alone = TITLES[verdict.unadjusted]
        return f"{card.arm} ({points}): “{alone}” alone, but open after adjusting for the number of pairs"
    if verdict.better == "no":
        return (
            f"{card.arm} is not better by {margin}; whether it is as good or worse cannot be told yet ({points}{lean})"
        )
    return f"of {card.arm} it cannot be told yet ({points}{lean})"
