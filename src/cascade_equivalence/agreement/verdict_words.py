"""The verdict in words: one place for the terminal, the page and `ceq agree`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .kinds import Kind
    from .parts import AccuracyPart, AnswersPart
    from .verdict import Verdict

TITLES: dict[Kind, str] = {
    "better": "better",
    "worse": "worse",
    "same": "same accuracy, same answers",
    "other answers, same accuracy": "same accuracy, other answers",
    "other answers, accuracy open": "other answers; accuracy: cannot tell yet",
    "same accuracy": "same accuracy; answers: cannot tell yet",
    "same answers": "same answers; accuracy: cannot tell yet",
    "open": "cannot tell yet",
}
DECIDED: dict[Kind, str] = TITLES | {
    "other answers, accuracy open": "other answers",
    "same accuracy": "same accuracy",
    "same answers": "same answers",
}
"""What more items would show: the part that stays open is no part of it."""
NO_VERDICT = "no verdict"
REPEATED_LOOKS = (
    "that holds for one look at new items alone; adding items to these until they decide makes false statements "
    "about twice as often"
)


def title(verdict: Verdict) -> str:
    """The verdict in a few words, with its lean: what a badge or a table cell holds."""
    if verdict.kind is None:
        return NO_VERDICT if verdict.so_far is None else f"interim: {TITLES[verdict.so_far]}"
    words = TITLES[verdict.kind]
    if verdict.kind == "same accuracy" and verdict.answers is not None and verdict.answers.name == "not judged":
        words = "same accuracy; answers not judged"
    if _too_close(verdict):
        words = words.replace("cannot tell yet", "too close to call")
    lean = None if verdict.accuracy is None else verdict.accuracy.lean
    return words if lean is None else f"{words} (leans {lean})"


def more_than_a_cascade(verdict: Verdict) -> str:
    """The one-sided answer: is left better than right by more than the margin?"""
    part = verdict.accuracy
    if verdict.better is None or part is None:
        return "Is it more than a cascade? Accuracy is not known, so this cannot be told."
    margin, high = f"{100 * part.margin:g} points", part.difference.high
    if verdict.better == "yes":
        return f"Is it more than a cascade? Yes: more accurate by over {margin}."
    at_most = "" if high is None else f" (at most {100 * high:.1f} points ahead)"
    if high is not None and high < 0.0:
        at_most = f" (at least {-100 * high:.1f} points behind)"
    if verdict.better == "no":
        return f"Is it more than a cascade? No: not {margin} more accurate{at_most}."
    told = "Cannot tell" if _too_close(verdict) else "Cannot tell yet"
    return f"Is it more than a cascade? {told}: {margin} more are not ruled out{at_most}."


def accuracy_words(part: AccuracyPart) -> str:
    """The accuracy part with its figures."""
    d = part.difference
    said = {"better": "better", "worse": "worse", "same": "the same", "open": "cannot tell yet"}
    lean = "" if part.lean is None else f", leans {part.lean}"
    return (
        f"{said[part.name]}{lean}: {_points(d.value)} points (one-sided 95 % bounds {_points(d.low)} and "
        f"{_points(d.high)}, margin ±{100 * part.margin:g})"
    )


def answers_words(part: AnswersPart) -> str:
    """The answers part with its figures."""
    kappa = "not defined" if part.kappa is None else f"{part.kappa:z.3f}"
    if part.reference is None or part.gap.value is None or part.gap.low is None or part.gap.high is None:
        return f"not judged: {part.why} (kappa {kappa})"
    figures = (
        f"kappa {kappa}, {abs(part.gap.value):.3f} {'below' if part.gap.value >= 0 else 'above'} the ceiling "
        f"{part.reference:.3f} (one-sided 95 % bounds of the gap {part.gap.low:.3f} and {part.gap.high:.3f}, "
        f"limit {part.epsilon:g})"
    )
    if part.name == "not judged":
        return f"not judged: {part.why}; {figures}"
    said = {"same": "the same", "other": "other", "open": "cannot tell yet"}
    return f"{said[part.name]}: {figures}"


def about(n: int) -> str:
    """A planned number of items to two figures, with its thousands set apart: a plan is no more exact than that."""
    size = int(10 ** max(0, len(str(n)) - 2))
    return f"{-(-n // size) * size:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def needed_words(verdict: Verdict) -> str | None:
    """What would decide an undecided pair; None where it is decided or there is no verdict."""
    if verdict.name != "undecided" or verdict.unadjusted is not None:
        return None
    if _too_close(verdict):
        return "no feasible number of items would decide it: what was seen lies at a limit"
    if verdict.items_needed is None or verdict.towards is None:
        return None
    return (
        f"about {about(verdict.items_needed)} new items would decide it as “{DECIDED[verdict.towards]}” "
        f"(80 % power, if what was seen is true; {REPEATED_LOOKS})"
    )


def standing_words(verdict: Verdict) -> str | None:
    """Whether the verdict is one of the primary ones, and what adjusting for their number did."""
    if verdict.name is None:
        return None
    if verdict.family is None:
        return "exploratory: not adjusted for the number of comparisons"
    among = f"{verdict.family} primary {'pair' if verdict.family == 1 else 'pairs'}"
    if verdict.unadjusted is not None:
        return (
            f"“{TITLES[verdict.unadjusted]}” on its own, but not once adjusted for {among} "
            f"(Benjamini–Hochberg p = {verdict.p_adjusted:.3g})"
        )
    return f"adjusted for {among} (Benjamini–Hochberg p = {verdict.p_adjusted:.3g})"


def lines(verdict: Verdict) -> list[str]:
    """The verdict as a terminal shows it: title, each part, the one-sided answer, what would decide."""
    out = [f"VERDICT: {title(verdict)}"]
    if verdict.why_none is not None:
        out.append(f"  {verdict.why_none}")
    if verdict.accuracy is not None:
        out.append(f"  accuracy: {accuracy_words(verdict.accuracy)}")
    if verdict.answers is not None:
        out.append(f"  answers: {answers_words(verdict.answers)}")
    out.append(f"  {more_than_a_cascade(verdict)}")
    out += [f"  {words}" for words in (needed_words(verdict), standing_words(verdict)) if words]
    return out


def reason(verdict: Verdict) -> str:
    """Everything that the verdict rests on, in one line."""
    parts = [] if verdict.why_none is None else [verdict.why_none]
    parts.append("no gold labels" if verdict.accuracy is None else f"accuracy: {accuracy_words(verdict.accuracy)}")
    if verdict.answers is not None:
        parts.append(f"answers: {answers_words(verdict.answers)}")
    needed = needed_words(verdict)
    if needed is not None:
        parts.append(needed)
    if verdict.unadjusted is not None:
        parts.append(str(standing_words(verdict)))
    if verdict.opaque:
        parts.append("opaque: the language model of one of the two is not known")
    return "; ".join(parts)


def _too_close(verdict: Verdict) -> bool:
    """Undecided, and no feasible number of items would change that."""
    answers_missing = verdict.answers is not None and verdict.answers.name == "not judged"
    return (
        verdict.name == "undecided"
        and verdict.unadjusted is None
        and verdict.items_needed is None
        and not (verdict.kind == "same accuracy" and answers_missing)
    )


def _points(share: float | None) -> str:
    return "undefined" if share is None else f"{100 * share:+.1f}"
