"""From the two parts of a verdict to its kind and name."""

from __future__ import annotations

from typing import Literal

from .parts import AccuracyName, AnswersName

Name = Literal["equivalent", "different", "undecided"]
Kind = Literal[
    "same",
    "better",
    "worse",
    "other answers, same accuracy",
    "other answers, accuracy open",
    "same accuracy",
    "same answers",
    "open",
]

_DIFFERENT = ("better", "worse", "other answers, same accuracy", "other answers, accuracy open")


def kind_of(accuracy: AccuracyName | None, answers: AnswersName) -> Kind:
    """accuracy: None without gold labels, where the answers alone decide."""
    if accuracy == "better" or accuracy == "worse":
        return accuracy
    if accuracy == "same":
        if answers == "same":
            return "same"
        return "other answers, same accuracy" if answers == "other" else "same accuracy"
    if answers == "same":
        return "same answers"
    return "other answers, accuracy open" if answers == "other" else "open"


def name_of(kind: Kind, has_gold: bool) -> Name:
    """Without gold labels the same answers are all that can be shown: equivalent."""
    if kind in _DIFFERENT:
        return "different"
    if kind == "same" or (kind == "same answers" and not has_gold):
        return "equivalent"
    return "undecided"
