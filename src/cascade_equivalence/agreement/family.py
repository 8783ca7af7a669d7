"""The primary verdicts of a study, adjusted for their number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from .multiplicity import adjust
from .parts import ALPHA
from .verdict import Verdict


def family(verdicts: Sequence[Verdict], method: Literal["bh", "holm"] = "bh", level: float = ALPHA) -> list[Verdict]:
    """The verdicts of the primary pairs, adjusted together (Benjamini–Hochberg or Holm); new objects, same order.

    Each enters with the p of the statements that its kind makes. Where these fail, accuracy, answers and `better` are
    open together, whatever each would show alone. Pairs without a verdict (name None) do not count.
    """
    said = [v for v in verdicts if v.name is not None]
    adjusted = iter(adjust([1.0 if v.p is None else v.p for v in said], method).tolist())
    return [v if v.name is None else _judged(v, next(adjusted), len(said), level) for v in verdicts]


def _judged(v: Verdict, p: float, count: int, level: float) -> Verdict:
    v = replace(v, p_adjusted=p, family=count)
    if p <= level or (v.kind == "open" and v.better == "open"):
        return v
    answers = v.answers
    return replace(
        v,
        name="undecided",
        kind="open",
        better="open",
        accuracy=None if v.accuracy is None else replace(v.accuracy, name="open"),
        answers=answers if answers is None or answers.name == "not judged" else replace(answers, name="open"),
        unadjusted=v.kind,
        items_needed=None,
        towards=None,
    )
