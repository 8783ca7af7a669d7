"""The paper's five claims, each beside what a study found: supported, contradicted, or open. Planted arms say nothing
about speech LLMs, so they are left out.

Source: J. Billa, arXiv 2602.17598 (2026).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cascade_equivalence.agreement import Interval
from cascade_equivalence.study.comparisons import Comparison
from cascade_equivalence.study.conditions import CLEAN
from cascade_equivalence.study.groups import POOLED
from cascade_equivalence.study.mechanism.facts import ErasureFact, LensFact
from cascade_equivalence.study.mechanism.results import contrasts
from cascade_equivalence.study.results import Results

Stands = Literal["supports", "contradicts", "cannot tell"]
SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one arm, or pair, says of a claim: in words, with its figure, on n items."""

    subject: str
    stands: Stands
    figure: str
    n: int


@dataclass(frozen=True, slots=True)
class Claim:
    """One of the paper's claims. missing: what a study would need to say anything, where this one says nothing."""

    number: int
    title: str
    evidence: tuple[Evidence, ...]
    missing: str

    @property
    def stands(self) -> Stands:
        """What all of its evidence says together; systems that disagree leave it open."""
        said = {evidence.stands for evidence in self.evidence}
        return said.pop() if len(said) == 1 else "cannot tell"


def claims(results: Results) -> tuple[Claim, ...]:
    """The five claims on a study's results."""
    planted = {arm.name for arm in results.arms if arm.planted}
    pairs = [c for c in results.comparisons if c.condition == CLEAN and c.left not in planted and c.verdict is not None]
    pooled = [c for c in pairs if c.task == POOLED] or pairs
    own = [c for c in pooled if c.family]
    return (
        Claim(
            1,
            "On tasks that a transcript solves, a speech LLM answers item for item as a cascade on its own LLM does",
            tuple(_behaviour(c) for c in own),
            "a speech LLM, and two cascades on its language model, on clean speech",
        ),
        Claim(
            2,
            "Literal text emerges inside the LLM, and erasing it breaks the answers more than erasing anything else",
            tuple(_inside(results, planted)),
            "analyses: [lens, erasure] on a speech LLM",
        ),
        Claim(
            3,
            "How equivalent a speech LLM is depends on its architecture",
            tuple(_spectrum(own)),
            "two speech LLMs or more, each with a cascade on its own language model",
        ),
        Claim(
            4,
            "A cascade on another LLM makes a speech LLM look more different than it is",
            tuple(_confound(pooled)),
            "a cascade on another language model beside the one on the speech LLM's own",
        ),
        Claim(
            5,
            "In babble a speech LLM loses more than a cascade, and what it was ahead by on clean speech reverses",
            tuple(_noise(results, planted)),
            "a noise condition beside clean speech, on a task with gold labels",
        ),
    )


def _behaviour(c: Comparison) -> Evidence:
    assert c.verdict is not None
    answers = c.verdict.answers
    name = answers.name if answers else "not judged"
    stands: dict[str, Stands] = {"same": "supports", "other": "contradicts"}
    top = f", two cascades {answers.reference:.2f}" if answers and answers.reference is not None else ""
    figure = f"κ {_interval(c.pair.kappa, 2)}{top}"
    return Evidence(f"{c.left} and {c.right}", stands.get(name, "cannot tell"), figure, c.pair.n)


def _inside(results: Results, planted: set[str]) -> list[Evidence]:
    found: list[Evidence] = []
    for name, analyses in results.mechanism.items():
        if name not in planted:
            found += _emerges(name, analyses.lens) if analyses.lens else []
            found += _carries(name, analyses.erasure) if analyses.erasure else []
    return found


def _emerges(name: str, lens: LensFact) -> list[Evidence]:
    """Whether the best of the lenses that read plain text reads this clip's words rather than other clips'."""
    seeing = [row for row in lens.rows if not row.blind and row.precision is not None]
    if not seeing:
        return []
    best = max(seeing, key=lambda row: row.precision or 0.0)
    clear = best.p is not None and best.p <= SIGNIFICANT / len(seeing)
    figure = (
        f"{best.reader} lens at layer {best.layer}: precision {best.precision or 0:.2f} "
        f"({best.low or 0:.2f}–{best.high or 0:.2f}), other clips' words {best.null_precision or 0:.2f}"
    )
    return [Evidence(f"{name}: text emerges", "supports" if clear else "cannot tell", figure, lens.n)]


def _carries(name: str, erasure: ErasureFact) -> list[Evidence]:
    """Whether erasing text breaks more than every control does."""
    against = [c for c in contrasts(erasure) if c.name == "proxy" and c.difference.value is not None]
    if not against:
        return []
    least = max(against, key=lambda c: c.difference.value or 0.0)
    stands: Stands = "supports" if all(c.worse for c in against) else "cannot tell"
    if any(c.difference.low is not None and c.difference.low >= 0 for c in against):
        stands = "contradicts"
    figure = f"text erased against {least.control}: {_points(least.difference)} points"
    return [Evidence(f"{name}: text is what it stands on", stands, figure, len(erasure.trials))]


def _spectrum(own: Sequence[Comparison]) -> list[Evidence]:
    known = [c for c in own if c.pair.kappa.low is not None and c.pair.kappa.high is not None]
    if len({c.left for c in known}) < 2:
        return []
    highest = max(known, key=lambda c: c.pair.kappa.value or 0.0)
    lowest = min(known, key=lambda c: c.pair.kappa.value or 0.0)
    apart = (highest.pair.kappa.low or 0.0) > (lowest.pair.kappa.high or 0.0)
    figure = f"κ {_interval(highest.pair.kappa, 2)} against {_interval(lowest.pair.kappa, 2)}"
    n = min(highest.pair.n, lowest.pair.n)
    return [Evidence(f"{highest.left} and {lowest.left}", "supports" if apart else "cannot tell", figure, n)]


def _confound(pooled: Sequence[Comparison]) -> list[Evidence]:
    found = []
    for matched in [c for c in pooled if c.family]:
        for other in [c for c in pooled if c.left == matched.left and not c.family]:
            a, b = matched.pair.kappa, other.pair.kappa
            stands: Stands = "cannot tell"
            if None not in (a.low, a.high, b.low, b.high):
                stands = "supports" if a.low > b.high else "contradicts" if a.high < b.low else "cannot tell"  # type: ignore[operator]
            figure = f"κ {_interval(a, 2)} on its own LLM, {_interval(b, 2)} on another"
            found.append(Evidence(f"{matched.left}, {other.right}", stands, figure, min(matched.pair.n, other.pair.n)))
    return found


def _noise(results: Results, planted: set[str]) -> list[Evidence]:
    found = []
    for reversal in results.reversals:
        if not reversal.family or reversal.left in planted:
            continue
        change = reversal.found.change
        stands: Stands = "cannot tell"
        if change.low is not None and change.low > 0:
            stands = "supports"
        elif change.high is not None and change.high < 0:
            stands = "contradicts"
        figure = f"{reversal.condition}, {reversal.task}: loses {_points(change)} points more"
        found.append(Evidence(f"{reversal.left} against {reversal.right}", stands, figure, reversal.found.n))
    return found


def _interval(interval: Interval, digits: int) -> str:
    if interval.value is None:
        return "undefined"
    if interval.low is None or interval.high is None:
        return f"{interval.value:.{digits}f}"
    return f"{interval.value:.{digits}f} ({interval.low:.{digits}f}–{interval.high:.{digits}f})"


def _points(interval: Interval) -> str:
    value, low, high = interval.value or 0.0, interval.low, interval.high
    limits = "" if low is None or high is None else f" ({100 * low:+.1f} to {100 * high:+.1f})"
    return f"{100 * value:+.1f}{limits}"
