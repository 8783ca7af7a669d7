"""Error rates and power of the verdict, by simulation from populations whose truth is known exactly.

    python benchmarks/verdict_errors.py [--studies 4000]

A population is a gold label, the cascade's answer to it (85 % right, 70 % of its mistakes the same), and two systems
that move away from the cascade: the speech LLM and the other cascade. A move rights an answer, spoils it, or swaps one
mistake for another; its rates fix the accuracy difference and κ. Each study is judged with the ceiling and without.
- limits: the true value lies on the limit that a statement is about, so that the statement is false at its boundary:
  it may be made in at most 6 % of studies.
- planted: systems of every kind, which must get their kind in at least 80 % at 1,050 items.
- looks: how often a statement that is false at its boundary is made when items are added until it is.
Exit status 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import lru_cache
from types import SimpleNamespace

import numpy as np

from cascade_equivalence.agreement import tost
from cascade_equivalence.agreement.gap import PairedGap
from cascade_equivalence.agreement.kappa import KappaEstimate
from cascade_equivalence.agreement.kinds import kind_of
from cascade_equivalence.agreement.parts import (
    EPSILON,
    accuracy_name,
    accuracy_part,
    answers_name,
    unjudged,
    z_one_sided,
)

ACCURACY, FAVOURITE = 0.85, 0.7
SIZES = (480, 1050)
# Of all items: spoiled, righted, one mistake for another (with two labels there is no other mistake).
CEILING = {4: (0.015, 0.015, 0.0075), 2: (0.0125, 0.0125, 0.0)}


class Population:
    """The cells (gold, speech LLM, cascade, other cascade) and their chances. shared: how often the speech LLM gives
    the other cascade's very answer instead of one of its own."""

    def __init__(self, classes, system, other, shared=0.0):
        self.classes, k = classes, classes
        cascade = np.full((k, k), 0.0)
        for gold in range(k):
            wrong = [(gold + i) % k for i in range(1, k)]
            cascade[gold, gold] = ACCURACY
            cascade[gold, wrong] = (1 - ACCURACY) * (1 - FAVOURITE) / max(k - 2, 1)
            cascade[gold, wrong[0]] = (1 - ACCURACY) * (FAVOURITE if k > 2 else 1.0)
        own, weak = self._moved(system), self._moved(other)
        chances = np.zeros((k, k, k, k))
        for gold in range(k):
            for c in range(k):
                joint = (1 - shared) * np.outer(own[gold, c], weak[gold, c]) + shared * np.diag(weak[gold, c])
                chances[gold, :, c, :] = cascade[gold, c] / k * joint
        self.chances = chances

    def _moved(self, rates):
        """(gold, cascade's answer) → the answer's distribution."""
        spoiled, righted, swapped = rates
        k = self.classes
        out = np.zeros((k, k, k))
        for gold in range(k):
            for c in range(k):
                if c == gold:
                    out[gold, c] = spoiled / ACCURACY / (k - 1)
                    out[gold, c, c] = 1 - spoiled / ACCURACY
                    continue
                if k > 2:
                    out[gold, c] = swapped / (1 - ACCURACY) / (k - 2)
                out[gold, c, gold] = righted / (1 - ACCURACY)
                out[gold, c, c] = 1 - (righted + swapped) / (1 - ACCURACY)
        return out

    def kappa(self, a, b):
        table = self.chances.sum(axis=tuple({0, 1, 2, 3} - {a, b}))
        expected = table.sum(axis=0) @ table.sum(axis=1)
        return (np.trace(table) - expected) / (1 - expected)

    def difference(self):
        gold, left, cascade, _ = np.indices(self.chances.shape)
        return round(float((self.chances * ((left == gold) * 1.0 - (cascade == gold))).sum()), 12)

    def discordance(self):
        gold, left, cascade, _ = np.indices(self.chances.shape)
        return float((self.chances * ((left == gold) != (cascade == gold))).sum())

    def studies(self, rng, n, count):
        """`count` studies of n items, as counts of the cells, without the cells that never occur."""
        cells = np.flatnonzero(self.chances > 0)
        return rng.multinomial(n, self.chances.ravel()[cells], size=count), np.unravel_index(cells, self.chances.shape)


def agreement(shares, one, other, classes):
    """(studies, cells) shares → disagreement, that by chance, and each cell's influence on κ, study by study.

    The variance of the influence, divided by n, is what the bootstrap variance of κ tends to (the delta method).
    """
    left, right = (shares @ (labels[:, None] == np.arange(classes)) for labels in (one, other))
    chance = (left * right).sum(axis=1)
    apart = (one != other) * 1.0
    disagreement, expected = shares @ apart, 1 - chance
    on_chance = right[:, one] + left[:, other] - 2 * chance[:, None]
    influence = -(apart - disagreement[:, None]) / expected[:, None]
    influence -= (disagreement / expected**2)[:, None] * on_chance
    return disagreement, expected, influence


def judged(world, n, seed, count):
    """`count` studies: (accuracy, better, answers, kind with the ceiling, kind without) of each, by the rule's own
    functions; only the bootstrap variances are replaced by their limit."""
    counts, (gold, left, cascade, other) = world.studies(np.random.default_rng(seed), n, count)
    shares, z = counts / n, z_one_sided()
    d, e, influence = agreement(shares, left, cascade, world.classes)
    d_ref, e_ref, influence_ref = agreement(shares, cascade, other, world.classes)

    def variance(values):
        return ((shares * values**2).sum(axis=1) - (shares * values).sum(axis=1) ** 2) / n

    of_ceiling, of_gap = variance(influence_ref), variance(influence_ref - influence)
    discordant = shares @ ((left != cascade) != (cascade != other))
    only = [counts @ ((x == gold) & (y != gold)) for x, y in ((left, cascade), (cascade, left))]
    only += [counts @ ((x == gold) & (y != gold)) for x, y in ((cascade, other), (other, cascade))]
    for i in range(count):
        b, c, b_ref, c_ref = (int(column[i]) for column in only)
        accuracy = accuracy_part(tested(b, c, n))
        ceiling = tested(b_ref, c_ref, n)
        units = {"units": n, "n": n, "clustered": False}
        ceiling.estimate = KappaEstimate.of(d_ref[i], e_ref[i], of_ceiling[i], **units)
        arm = SimpleNamespace(estimate=KappaEstimate.of(d[i], e[i], 0.0, **units))
        gap = PairedGap.with_variance(
            ceiling.estimate, arm.estimate, discordance=discordant[i], variance=of_gap[i], units=n
        )
        answers = "not judged" if unjudged(arm, ceiling) else answers_name(gap, EPSILON, z)
        kind, alone = kind_of(accuracy.name, answers), kind_of(accuracy.name, "not judged")
        yield accuracy.name, accuracy.better, answers, kind, alone


@lru_cache(maxsize=100_000)
def _equivalence(b, c, n):
    return tost(b, c, n)


def tested(b, c, n):
    """What the accuracy part looks at."""
    return SimpleNamespace(
        mcnemar=SimpleNamespace(b=b, c=c), equivalence=_equivalence(b, c, n), n_gold=n, design_effect=1.0, clusters=None
    )


def limits():
    """(text, population, statements false at their boundary)."""
    rows = []
    for k in (4, 2):
        for discordance in (0.06, 0.12):
            low, high = discordance / 2 - 0.015, discordance / 2 + 0.015
            text = f"{k} labels, {100 * discordance:g} % discordant"
            rows.append((f"{text}, D = +3", Population(k, (low, high, 0.0), CEILING[k]), ("better", "same", "no")))
            rows.append((f"{text}, D = −3", Population(k, (high, low, 0.0), CEILING[k]), ("worse", "same")))
    answers = ("same answers", "other answers")
    low4, low2 = (0.08, 0.08, 0.0275), (0.0625, 0.0625, 0.0)
    rows += [
        ("4 labels, κ .90, ceiling .95", Population(4, (0.03, 0.03, 0.015), CEILING[4]), answers),
        ("2 labels, κ .90, ceiling .95", Population(2, (0.025, 0.025, 0.0), CEILING[2]), answers),
        ("4 labels, κ .70, ceiling .75", Population(4, (0.095, 0.095, 0.035), low4), answers),
        ("2 labels, κ .70, ceiling .75", Population(2, (0.075, 0.075, 0.0), low2), answers),
        (
            "4 labels, κ .90, ceiling .95, half of the answers shared",
            Population(4, (0.045, 0.045, 0.0225), CEILING[4], shared=0.5),
            answers,
        ),
    ]
    return rows


def planted():
    """(text, population, kind with the ceiling, kind without)."""
    rows = []
    for k in (4, 2):
        swap = 0.05 if k == 4 else 0.0
        rows += [
            (f"{k} labels, +8 points", Population(k, (0.015, 0.095, 0.0), CEILING[k]), "better", "better"),
            (f"{k} labels, −8 points", Population(k, (0.095, 0.015, 0.0), CEILING[k]), "worse", "worse"),
            (
                f"{k} labels, as accurate, κ .15 under the ceiling",
                Population(k, (0.05, 0.05, swap), CEILING[k]),
                "other answers, same accuracy",
                "same accuracy",
            ),
            (
                f"{k} labels, disguised cascade, κ at the ceiling",
                Population(k, CEILING[k], CEILING[k]),
                "same",
                "same accuracy",
            ),
        ]
    # All of the disagreement on being right: 15 % discordant, for which ±3 points need some 1,500 items.
    hard = Population(4, (0.075, 0.075, 0.0), CEILING[4])
    text = "4 labels, the same, but all disagreement is about being right (no bar)"
    return [*rows, (text, hard, "other answers, same accuracy", "same accuracy")]


def made(study, statement):
    """Whether a study makes a statement."""
    accuracy, better, answers, _, _ = study
    if statement == "no":
        return better == "no"
    return answers == statement.split()[0] if statement.endswith("answers") else accuracy == statement


def truth(world):
    return (
        f"{100 * world.difference() + 0.0:+.1f} | {100 * world.discordance():.1f} % | {world.kappa(1, 2):.3f} | "
        f"{world.kappa(2, 3):.3f}"
    )


def at_limits(studies):
    print(f"### Statements that are false at their boundary, {studies} studies per setting (bar: 6 %)\n")
    print("| setting | D, points | discordant | κ | ceiling | n | made |\n|---|---|---|---|---|---|---|", flush=True)
    missed = 0
    for number, (text, world, statements) in enumerate(limits()):
        for n in SIZES:
            found = list(judged(world, n, [11, number, n], studies))
            columns = []
            for statement in statements:
                share = 100 * sum(made(study, statement) for study in found) / studies
                missed += share > 6.0
                columns.append(f"{statement} {share:.1f} %{'' if share <= 6.0 else ' ✗'}")
            print(f"| {text} | {truth(world)} | {n} | {', '.join(columns)} |", flush=True)
    return missed


def of_kinds(studies):
    print(f"\n### Planted systems, {studies} studies per setting (bar: 80 % at 1,050 items)\n")
    print("| system | D, points | discordant | κ | ceiling | n | its kind, with the ceiling | without |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    missed = 0
    for number, (text, world, kind, alone) in enumerate(planted()):
        for n in SIZES:
            found = list(judged(world, n, [12, number, n], studies))
            columns = []
            for place, expected in ((3, kind), (4, alone)):
                share = 100 * sum(study[place] == expected for study in found) / studies
                barred = n == max(SIZES) and "no bar" not in text
                missed += barred and share < 80.0
                columns.append(f"“{expected}” {share:.1f} %" + ((" ✓" if share >= 80.0 else " ✗") if barred else ""))
            print(f"| {text} | {truth(world)} | {n} | {' | '.join(columns)} |", flush=True)
    return missed


def looks(studies):
    """Adding items until accuracy reads better, where D lies on the margin."""
    world, z = Population(4, (0.025, 0.055, 0.0), CEILING[4]), z_one_sided()
    rng = np.random.default_rng(13)
    parts = [world.studies(rng, 480, studies) for _ in range(4)]
    (gold, left, cascade, _), counts = parts[0][1], np.cumsum([counts for counts, _ in parts], axis=0)
    b, c = (counts @ ((x == gold) & (y != gold)) for x, y in ((left, cascade), (cascade, left)))
    said = np.array(
        [
            [
                accuracy_name(tested(int(b[look, i]), int(c[look, i]), 480 * (look + 1)), z) == "better"
                for look in range(4)
            ]
            for i in range(studies)
        ]
    )
    print(
        f"\nFalse “better” at the margin: {100 * said[:, 0].mean():.1f} % in one look at 480 items, "
        f"{100 * said.any(axis=1).mean():.1f} % where 480 are added up to three times until it is said ({studies})."
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--studies", type=int, default=4000)
    args = parser.parse_args()
    start = time.process_time()
    missed = at_limits(args.studies) + of_kinds(args.studies)
    looks(args.studies)
    print(f"\n{missed} bars missed; {time.process_time() - start:.0f} s of processor")
    sys.exit(bool(missed))
