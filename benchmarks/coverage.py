"""Coverage of the intervals, by simulation from populations with known truth. `verdict_errors.py` is the verdict's.

    python benchmarks/coverage.py [--studies 2000] [--resamples 1000]

A population is a latent answer h (the gold label, or a favourite mistake) and arms that each answer h except
where they go astray, independently. Its κ and accuracy difference are computed exactly from the cell
probabilities, not from a large sample. Exit status 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import sys
from itertools import product

import numpy as np

from cascade_equivalence.agreement import compare

ACCURACY = 0.85


class Population:
    """Cells (gold, answers of the arms) with their probabilities. stray: per arm, the share it leaves h."""

    def __init__(self, classes, stray, accuracy=ACCURACY, prior=None):
        prior = np.full(classes, 1 / classes) if prior is None else np.asarray(prior)
        cells, chances = [], []
        for gold, h, *answers in product(range(classes), repeat=2 + len(stray)):
            p = prior[gold] * self._given(gold, h, 1 - accuracy, classes, favourite=0.7)
            for answer, rate in zip(answers, stray, strict=True):
                p *= self._given(h, answer, rate, classes, favourite=1 / (classes - 1))
            if p > 0:
                cells.append((gold, *answers))
                chances.append(p)
        self.cells, self.chances, self.classes = np.array(cells), np.array(chances), classes

    @staticmethod
    def _given(label, answer, stray, classes, favourite):
        if answer == label:
            return 1 - stray
        if classes == 2:
            return stray
        others = (1 - favourite) / (classes - 2)
        return stray * (favourite if answer == (label + 1) % classes else others)

    def kappa(self, a, b):
        k = self.classes
        disagreement = self.chances[self.cells[:, a] != self.cells[:, b]].sum()
        p, q = (np.bincount(self.cells[:, i], weights=self.chances, minlength=k) for i in (a, b))
        return 1 - disagreement / (1 - p @ q)

    def difference(self, a, b):
        right = self.cells == self.cells[:, :1]
        return float(self.chances @ (right[:, a].astype(float) - right[:, b]))

    def discordant(self, a, b):
        """Expected share of items with different labels, and of items that one arm alone gets right."""
        right = self.cells == self.cells[:, :1]
        labels = self.chances[self.cells[:, a] != self.cells[:, b]].sum()
        return labels, self.chances[right[:, a] != right[:, b]].sum()

    def draw(self, rng, n):
        return self.cells[rng.choice(len(self.cells), size=n, p=self.chances)].T


SKEW = (0.7, 0.1, 0.1, 0.1)
# n, classes, stray of the two arms, accuracy of the latent answer, prior of the labels
COVERAGE = [
    (200, 2, (0.08, 0.08), ACCURACY, None),
    (200, 4, (0.0, 0.12), ACCURACY, None),
    (200, 4, (0.10, 0.10), ACCURACY, None),
    (300, 7, (0.20, 0.20), 0.55, None),
    (500, 4, (0.0, 0.05), ACCURACY, None),
    (500, 5, (0.3, 0.3), 0.6, None),
    (500, 4, (0.03, 0.03), ACCURACY, SKEW),
    (1050, 2, (0.02, 0.03), 0.9, None),
    (1050, 4, (0.0, 0.03), ACCURACY, None),
    (1050, 4, (0.0, 0.15), ACCURACY, None),
    (1050, 4, (0.06, 0.06), ACCURACY, SKEW),
    (2610, 7, (0.25, 0.35), 0.55, None),
    # Outside the bar: fewer than 200 items or fewer than 20 expected discordant ones. Shown all the same.
    (60, 4, (0.0, 0.05), ACCURACY, None),
    (120, 4, (0.0, 0.015), ACCURACY, None),
    (120, 2, (0.0, 0.10), ACCURACY, None),
    (200, 4, (0.0, 0.01), ACCURACY, None),
    (200, 2, (0.0, 0.03), ACCURACY, (0.95, 0.05)),
    (1050, 4, (0.0, 0.005), ACCURACY, None),
]


def coverage(studies, resamples):
    print(f"### Coverage of the 95 % intervals, {studies} studies per setting\n")
    print("| n | K | κ | expected discordant: labels, correctness | κ | κ below, above | accuracy difference |")
    print("|---|---|---|---|---|---|---|")
    missed = 0
    for number, (n, classes, stray, accuracy, prior) in enumerate(COVERAGE):
        world = Population(classes, stray, accuracy, prior)
        kappa, difference = world.kappa(1, 2), world.difference(1, 2)
        hits = below = above = accurate = undefined = 0
        for study in range(studies):
            rng = np.random.default_rng([1, number, study])
            gold, left, right = world.draw(rng, n)
            pair = compare(left, right, gold, classes=classes, resamples=resamples, seed=study)
            d = pair.accuracy.difference
            accurate += d.low <= difference <= d.high
            if pair.kappa.value is None:
                undefined += 1
                continue
            hits += pair.kappa.low <= kappa <= pair.kappa.high
            below += kappa < pair.kappa.low
            above += kappa > pair.kappa.high
        labels, correctness = (n * x for x in world.discordant(1, 2))
        defined = studies - undefined
        judged = [
            (hits / defined, n >= 200 and labels >= 20),
            (accurate / studies, n >= 200 and correctness >= 20),
        ]
        marks = []
        for share, counts in judged:
            ok = 0.935 <= share <= 0.97
            missed += counts and not ok
            marks.append(f"{100 * share:.1f} %" + (" " + ("✓" if ok else "✗") if counts else ""))
        print(
            f"| {n} | {classes} | {kappa:.3f} | {labels:.0f}, {correctness:.0f} | {marks[0]} "
            f"| {100 * below / defined:.1f} %, {100 * above / defined:.1f} % | {marks[1]} |",
            flush=True,
        )
    return missed


def balanced(kappa_target, classes, ceiling=None):
    """Arms of equal accuracy with κ(arm, cascade) = target, and κ(cascade, weak) = ceiling if given.

    The arms stray alike from h, so κ(arm, h) is about √target: a ceiling above that cannot be reached.
    """

    def solve(reach, goal):
        low, high = 0.0, 0.5
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if reach(middle) > goal else (low, middle)
        return low

    stray = solve(lambda s: Population(classes, (s, s)).kappa(1, 2), kappa_target)
    if ceiling is None:
        return Population(classes, (stray, stray))
    weak = solve(lambda s: Population(classes, (stray, s)).kappa(1, 2), ceiling)
    return Population(classes, (stray, stray, weak))


def apart(discordance, difference):
    """κ near 1 and the accuracy difference exactly as given: all disagreement is about being right."""
    world = Population(4, (0.0, 0.0))
    only_left, only_right = (discordance + difference) / 2, (discordance - difference) / 2
    world.cells = np.vstack([world.cells, (0, 0, 1), (0, 1, 0)])
    world.chances = np.append(world.chances * (1 - discordance), [only_left, only_right])
    return world


def moved(rng, labels, classes):
    return (labels + rng.integers(1, classes, size=len(labels))) % classes


def clustered(studies, resamples):
    """Items in clusters whose share of flipped answers differs between clusters."""
    print(f"\n### Items in clusters, 95 % intervals, {studies} studies per setting\n")
    print("| clusters × size | κ | κ if clusters are ignored | accuracy difference | if ignored |")
    print("|---|---|---|---|---|")
    classes, flipped = 4, 0.10
    kappa = 1 - flipped / (1 - 1 / classes)
    difference = ACCURACY - (ACCURACY * (1 - flipped) + (1 - ACCURACY) * flipped / (classes - 1))
    for groups, size in ((20, 20), (50, 20), (200, 5)):
        n, hits = groups * size, np.zeros(4)
        for study in range(studies):
            rng = np.random.default_rng([4, groups, study])
            cluster = np.repeat(np.arange(groups), size)
            rate = rng.beta(0.5, 0.5 / flipped - 0.5, size=groups)[cluster]
            gold = rng.integers(classes, size=n)
            left = np.where(rng.random(n) < ACCURACY, gold, moved(rng, gold, classes))
            right = np.where(rng.random(n) < rate, moved(rng, left, classes), left)
            for place, groups_given in ((0, cluster), (1, None)):
                options = {"classes": classes, "resamples": resamples, "seed": study, "clusters": groups_given}
                pair = compare(left, right, gold, **options)
                d = pair.accuracy.difference
                hits[place] += pair.kappa.low <= kappa <= pair.kappa.high
                hits[place + 2] += d.low <= difference <= d.high
        print(f"| {groups} × {size} | " + " | ".join(f"{100 * h / studies:.1f} %" for h in hits) + " |", flush=True)


def percentile_bootstrap(studies, resamples):
    """What the plain percentile bootstrap does near κ = 1, for comparison."""
    n, world = 120, Population(4, (0.0, 0.015))
    kappa, hits, zero_width = world.kappa(1, 2), 0, 0
    for study in range(studies):
        gold, left, right = world.draw(np.random.default_rng([3, study]), n)
        replicates = compare(left, right, gold, classes=4, resamples=resamples, seed=study).replicates.kappa
        low, high = np.nanquantile(replicates, [0.025, 0.975])
        hits += low <= kappa <= high
        zero_width += low == high
    print(
        f"\nFor comparison, the percentile bootstrap at κ {kappa:.2f}, n {n}: covers "
        f"{100 * hits / studies:.1f} %, zero width in {100 * zero_width / studies:.1f} % of studies."
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=1000)
    args = parser.parse_args()
    missed = coverage(args.studies, args.resamples)
    percentile_bootstrap(args.studies, args.resamples)
    clustered(args.studies, args.resamples)
    print(f"\n{missed} bars missed")
    sys.exit(bool(missed))
