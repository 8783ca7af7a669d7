"""The cards: each speech LLM against its cascade, in words and figures."""

from __future__ import annotations

from cascade_equivalence.agreement import Interval, Verdict
from cascade_equivalence.agreement.verdict_words import DECIDED, NO_VERDICT, TITLES, about, more_than_a_cascade, title
from cascade_equivalence.report import numbers
from cascade_equivalence.report.arms import describe_short
from cascade_equivalence.report.head.parts import Card
from cascade_equivalence.report.head.words import GLUE, condition_words
from cascade_equivalence.study.arms import Arm, matched
from cascade_equivalence.study.choices import head_group
from cascade_equivalence.study.conditions import CLEAN
from cascade_equivalence.study.results import Comparison, Results


def head_comparisons(results: Results) -> list[Comparison]:
    """The pairs that the head speaks of: the primary ones of its tasks, else each speech LLM's first cascade there."""
    group = head_group(results.tasks)
    heard = [c for c in group.conditions if c in results.conditions]
    first = CLEAN if CLEAN in heard else heard[0] if heard else CLEAN
    here = [c for c in results.comparisons if c.task == group.name and c.condition == first]
    if primary := [c for c in here if c.primary]:
        return primary
    kinds = {arm.name: arm.kind for arm in results.arms}
    pairs = [c for c in here if (kinds[c.left], kinds[c.right]) == ("speech", "cascade")]
    return list({c.left: c for c in reversed(pairs)}.values())[::-1]


def cards(results: Results) -> tuple[Card, ...]:
    """One for each of the head's pairs, those of planted arms last."""
    made = (_card(results, comparison) for comparison in head_comparisons(results))
    return tuple(sorted(made, key=lambda card: card.planted))


def _card(results: Results, comparison: Comparison) -> Card:
    arms = {arm.name: arm for arm in results.arms}
    left, right, said, pair = arms[comparison.left], arms[comparison.right], comparison.verdict, comparison.pair
    accuracy = pair.accuracy
    part = said.accuracy if said else None
    return Card(
        arm=left.name,
        against=right.name,
        role=_role(results, left, right),
        planted=left.planted is not None,
        verdict=said,
        title=_title(said),
        more=more_than_a_cascade(said) if said else "",
        accuracy="Accuracy: no gold labels" if accuracy is None else _accuracy(accuracy.difference),
        difference=accuracy.difference if accuracy else Interval(None),
        bounds=part.difference if part else Interval(None),
        margin=results.study.margin,
        answers=_answers(comparison),
        kappa=pair.kappa,
        ceiling=comparison.reference[2] if comparison.reference else None,
        shift=_shift(comparison),
        words=_word_errors(results, comparison, right),
        decide=_decide(said),
        primary=said is not None and said.family is not None,
    )


def _title(said: Verdict | None) -> str:
    if said is None:
        return NO_VERDICT
    return f"{title(said)}: {said.why_none}" if said.why_none and not said.interim else title(said)


def _role(results: Results, left: Arm, right: Arm) -> str:
    grade = next((m.grade for m in results.matches if (m.left, m.right) == (left.name, right.name)), None)
    what = describe_short(right)
    if left.opaque or grade == "opaque":
        return f"{what}; whether they share an LLM cannot be known"
    if grade == "identical":
        return f"its self-cascade: {what}, the same LLM (weights identical)"
    if matched(left, right):
        return f"the cascade on its LLM: {what}" + (f"; match: {grade}" if grade else "")
    return f"{what}, on another LLM" + (f" (match: {grade})" if grade else "")


def _accuracy(d: Interval) -> str:
    """`Accuracy: 17.5 points lower (95 % interval 13.4 to 21.8 lower)`."""
    if d.value is None or d.low is None or d.high is None:
        return "Accuracy: not known"
    value, low, high = d.value, d.low, d.high
    size = "no difference seen" if round(1000 * value) == 0 else f"{_size(value)}{GLUE}points {_side(value)}"
    if (low < 0) == (high < 0):
        near, far = sorted((low, high), key=abs)
        limits = f"{_size(near)} to {_size(far)} {_side(value)}"
    else:
        limits = f"{_size(low)} lower to {_size(high)} higher"
    return f"Accuracy: {size} (95{GLUE}% interval {limits})"


def _size(share: float) -> str:
    return numbers.percent(abs(share))


def _side(share: float) -> str:
    return "lower" if share < 0 else "higher"


def _answers(comparison: Comparison) -> str:
    said, kappa = comparison.verdict, comparison.pair.kappa
    if kappa.value is None:
        return f"Answers: κ is not defined, {comparison.pair.notes.get('kappa', '')}".rstrip(", ")
    text = f"Answers: κ{GLUE}{numbers.coefficient(kappa.value)} ({numbers.limits(kappa)})"
    part = said.answers if said else None
    if comparison.reference is None or part is None:
        return f"{text}; not judged, as there is no second cascade on this LLM to say how high κ can be"
    left, right, ceiling = comparison.reference
    text = f"{text}; two cascades on one LLM ({left}, {right}) reach {numbers.coefficient(ceiling)}"
    return f"{text}; not judged: {part.why}" if part.name == "not judged" and part.why else text


CALIBRATIONS = {
    "none": "on raw scores",
    "own": "less each arm's own mean of every label over these items",
}


def _shift(comparison: Comparison) -> str | None:
    """A system that prefers other labels disagrees without hearing otherwise: how much of the disagreement that is."""
    shift = comparison.shift
    if shift is None or shift.disagreement == 0.0:
        return None
    text = (
        f"Of the {numbers.percent(shift.disagreement)}{GLUE}% different answers, {numbers.percent(shift.shift)} are a "
        f"shift towards other labels and {numbers.percent(shift.items)} are about items"
    )
    matched_ = shift.kappa_matched
    if matched_ is not None:
        text = f"{text}; with labels used equally often κ is {numbers.coefficient(matched_)}"
    other = [
        f"{numbers.coefficient(kappa.value)} ({numbers.limits(kappa)}) {CALIBRATIONS[name]}"
        for name, kappa in comparison.calibrations.items()
        if kappa.value is not None
    ]
    return f"{text}. Other calibrations of the label scores: κ is {' and '.join(other)}" if other else text


def _word_errors(results: Results, comparison: Comparison, cascade: Arm) -> str:
    """Other answers may be misheard words: how often the ASR beside it mishears, its own being unknown."""
    tasks = {task.name for task in results.tasks if task.pools} if comparison.task == "pooled" else {comparison.task}
    mine = [w for w in results.word_errors if (w.asr, w.condition) == (cascade.asr_key, comparison.condition)]
    rates = [w for w in mine if w.task in tasks and w.rate.value is not None]
    own = f"Word errors: those of {comparison.left} are not known"
    if not rates:
        return own
    shown = numbers.listed([f"{numbers.percent(w.rate.value)}{GLUE}% on {w.task}" for w in rates])
    return f"{own}; {cascade.name}’s ASR makes {shown} ({condition_words(comparison.condition)})"


def _decide(said: Verdict | None) -> str | None:
    """What would decide an undecided pair."""
    if said is None or said.name != "undecided":
        return None
    if said.unadjusted is not None:
        return f"Alone it would be “{TITLES[said.unadjusted]}”; adjusted for {said.family} primary pairs it is open."
    if said.items_needed and said.towards:
        if said.items_needed > 100_000:
            return "It lies at a limit of the rule: over 100 000 new items would be needed, so treat it as open."
        n = about(said.items_needed)
        return f"About {n} new items, judged on their own, would decide it as “{DECIDED[said.towards]}”."
    if said.answers is not None and said.answers.name == "not judged":
        return "A second cascade on the same LLM, with another ASR, would let its answers be judged."
    return "No feasible number of items would decide it: it lies at a limit of the rule."
