"""“Can this be trusted?”: what stands behind the verdicts, and what must not be relied on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cascade_equivalence.agreement.planning import items_for_margin, power_of
from cascade_equivalence.agreement.verdict_words import about
from cascade_equivalence.pocket.shipped import SHIPPED
from cascade_equivalence.report import numbers
from cascade_equivalence.report.head.cards import head_comparisons
from cascade_equivalence.report.head.parts import Check
from cascade_equivalence.report.head.words import GLUE
from cascade_equivalence.report.proofs import flattered
from cascade_equivalence.study.results import POOLED, Comparison, Results
from cascade_equivalence.study.retest import NUISANCES

POWER = 0.8
FEW = 100
"""Items below which a task's own verdict is mostly open."""


def checks(results: Results) -> tuple[Check, ...]:
    """The lines, in the order in which a reader would ask."""
    compared = head_comparisons(results)
    return (
        *_match(results, compared),
        *_hearing(results),
        *_repeats(results, compared),
        *_power(results, compared),
        *_measures(results),
        *_made_for_this(results),
        *_encoder(results),
    )


def _match(results: Results, compared: Sequence[Comparison]) -> Iterator[Check]:
    arms = {arm.name: arm for arm in results.arms}
    grades = {(m.left, m.right): m.grade for m in results.matches}
    pairs = [(c.left, c.right) for c in compared if arms[c.left].kind == "speech"]
    if not pairs:
        return
    opaque = list(
        dict.fromkeys(left for left, right in pairs if arms[left].opaque or grades.get((left, right)) == "opaque")
    )
    if opaque:
        yield Check(
            "warn", f"The LLM of {numbers.listed(opaque)} is not known: a difference may be the LLM’s", "LLM opaque"
        )
    known = [pair for pair in pairs if pair[0] not in opaque]
    other = [pair for pair in known if grades.get(pair) not in (None, "identical")]
    if other:
        said = numbers.listed([f"{left} and {right} ({grades[left, right]})" for left, right in other])
        yield Check("warn", f"LLMs differ: {said}; a difference may be the LLM’s", "LLMs differ")
    elif known and all(pair in grades for pair in known):
        yield Check("yes", "Same LLM in speech LLM and cascade (weights identical)", "same LLM")
    elif known:
        yield Check("warn", "Whether the LLMs match was not recorded", "match unknown")


def _hearing(results: Results) -> Iterator[Check]:
    hearing = [arm.name for arm in results.arms if arm.hears]
    if results.hearing is None:
        yield Check("warn", "No hearing check: this journal is from before there was one", "no hearing check")
        return
    passed = [name for name in hearing if name in results.hearing and results.hearing[name].passed]
    failed = [name for name in hearing if name in results.hearing and results.hearing[name].passed is False]
    if failed:
        yield Check(
            "no", f"{numbers.listed(failed)} failed the hearing check and is not compared", "hearing check failed"
        )
    if len(passed) == len(hearing) and hearing:
        few = f"{len(passed)} of {len(hearing)}"
        yield Check("yes", f"Every system hears its audio ({few} pass the hearing check)", f"all hear ({few})")
    elif open_ := [name for name in hearing if name not in passed and name not in failed]:
        yield Check("warn", f"Not shown to hear: {numbers.listed(open_)}", "hearing not shown for all")


def _repeats(results: Results, compared: Sequence[Comparison]) -> Iterator[Check]:
    """An arm that agrees with itself less than two cascades agree cannot reach the ceiling, whatever it hears."""
    # A system that does not hear says one thing whatever it is given, and its κ is about nothing.
    deaf = {name for name, found in (results.hearing or {}).items() if found.passed is False}
    found = [r for r in results.retests if r.kappa.value is not None and r.arm not in deaf]
    if not found:
        yield Check("warn", "No system was asked twice: how far answers repeat is not known", "repeats unknown")
        return
    parts = []
    for nuisance, words in NUISANCES.items():
        values = [r.kappa.value for r in found if r.nuisance == nuisance and r.kappa.value is not None]
        if values:
            span = numbers.coefficient(min(values))
            span += "" if min(values) == max(values) else f"–{numbers.coefficient(max(values))}"
            parts.append(f"{span} under {words}")
    said = f"κ of a system with itself: {numbers.listed(parts)}"
    tops = [c.reference[2] for c in compared if c.reference]
    low = [
        r.arm for r in found
        if r.nuisance in ("batch", "shift") and tops and r.kappa.high is not None and r.kappa.high < min(tops)
    ]  # fmt: skip
    if low:
        who = numbers.listed(list(dict.fromkeys(low)))
        yield Check(
            "warn", f"{who} does not repeat its own answers as well as two cascades agree; {said}", "repeats poorly"
        )
    else:
        yield Check("yes", f"Answers repeat ({said})", "answers repeat")


def _power(results: Results, compared: Sequence[Comparison]) -> Iterator[Check]:
    margin = results.study.margin
    within = f"±{100 * margin:g}{GLUE}points"
    rows = []
    for c in compared:
        if c.verdict is None or c.verdict.accuracy is None or c.verdict.accuracy.name != "open":
            continue
        power, test = power_of(c.pair), c.pair.mcnemar
        if power is not None and test is not None:
            share = max(test.b + test.c, 1) / c.pair.n_gold
            needed = items_for_margin(share, margin, POWER)
            rows.append((power, c, None if needed is None else round(needed * c.pair.design_effect)))
    for c in compared:
        if c.reference is None and c.verdict is not None and c.verdict.answers is not None:
            yield Check("warn", f"{c.right}: no second cascade on its LLM, so answers are not judged", "no ceiling")
            break
    if not rows:
        decided = [c for c in compared if c.verdict is not None and c.verdict.accuracy is not None and c.verdict.kind]
        if decided:
            n = numbers.grouped(min(c.pair.n for c in decided))
            yield Check("yes", f"{n} items were enough to decide every accuracy", f"{n} items: enough")
        return
    worst, pair, needed = min(rows, key=lambda row: row[0])
    n = numbers.grouped(pair.pair.n)
    if worst >= POWER:
        yield Check("yes", f"{n} items suffice to show accuracies equal within {within}", f"{n} items: enough")
        return
    takes = "no feasible number" if needed is None else f"about {about(needed)}"
    yield Check(
        "warn",
        f"{n} items are few: were {pair.left} as accurate as {pair.right}, they would show it ({within}) in "
        f"{numbers.percent(worst, 0)}{GLUE}% of studies; {takes} would in 80{GLUE}%",
        f"{n} items: “same” takes {takes}",
    )


def _measures(results: Results) -> Iterator[Check]:
    if not any(arm.kind == "gold" for arm in results.arms):
        yield Check("warn", "No true-text arm: whether the words suffice for these tasks is not shown", "no true text")
        return
    nothing = [name for name, gold in results.gold_arms.items() if name != POOLED and not gold.measures]
    if nothing:
        verb = "measures" if len(nothing) == 1 else "measure"
        yield Check(
            "no",
            f"{numbers.listed(nothing)} {verb} nothing: the LLM is not above chance on the true text either",
            f"{numbers.listed(nothing)}: unusable",
        )
    small = [t for t in results.tasks if len(t.items) < FEW and t.name not in nothing]
    if small and len(results.tasks) > 1:
        sizes = sorted({len(t.items) for t in small})
        n = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]}–{sizes[-1]}"
        names = numbers.listed([t.name for t in small])
        each = " each" if len(small) > 1 else ""
        text = f"{names}: {n} items{each}, which decide little on their own"
        yield Check("warn", text, numbers.plural(len(small), "small task"))


def _made_for_this(results: Results) -> Iterator[Check]:
    speech = [arm for arm in results.arms if arm.kind == "speech"]
    planted = [arm for arm in results.arms if arm.planted]
    if planted:
        said = numbers.listed([f"{arm.name} ({arm.planted})" for arm in planted])
        yield Check("warn", f"Planted, as a control, and no system to build: {said}", f"{len(planted)} planted")
    own = [arm.name for arm in speech if arm.speech and arm.speech.source in SHIPPED]
    if speech and len({*own, *(arm.name for arm in planted if arm.kind == "speech")}) == len(speech):
        verb = "was" if len(own) == 1 else "were"
        small = f": {numbers.listed(own)} {verb} made for this project, and small" if own else ""
        yield Check(
            "warn", f"No published speech LLM’s weights were run{small}", "no published speech LLM’s weights were run"
        )


def _encoder(results: Results) -> Iterator[Check]:
    pairs = flattered(results)
    if pairs:
        who = numbers.listed(list(dict.fromkeys(left for left, _ in pairs)))
        asr = numbers.listed(list(dict.fromkeys(right for _, right in pairs)))
        yield Check(
            "warn",
            f"{who} and the ASR of {asr} share an encoder: both inherit its errors, so their κ is inflated",
            "shared encoder",
        )
