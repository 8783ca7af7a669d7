"""Who is right where: the 2 × 2 table of correctness, and the breakdown by label."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Correctness:
    """The 2 × 2 table of right and wrong answers of two arms on the items that have a gold label."""

    both_right: int
    only_left_right: int
    only_right_right: int
    both_wrong: int
    kappa: float | None
    """Cohen's κ of being right. Not the κ of the verdict, which is on labels."""
    error_jaccard: float | None
    """Both wrong / either wrong; None where neither arm errs."""
    right_wrong_given_left_wrong: float | None
    left_wrong_given_right_wrong: float | None
    expected_both_wrong: float
    """Items both arms would miss if their errors were independent."""

    @property
    def n(self) -> int:
        return self.both_right + self.only_left_right + self.only_right_right + self.both_wrong


def correctness(left_right: NDArray[np.bool_], right_right: NDArray[np.bool_]) -> Correctness:
    """(n,) which items each arm got right → their table; n may be 0."""
    n = len(left_right)
    both = int((left_right & right_right).sum())
    b = int(left_right.sum()) - both
    c = int(right_right.sum()) - both
    neither = n - both - b - c
    left_wrong, right_wrong = neither + c, neither + b
    expected = (n - left_wrong) * (n - right_wrong) + left_wrong * right_wrong
    return Correctness(
        both_right=both,
        only_left_right=b,
        only_right_right=c,
        both_wrong=neither,
        # Whole numbers until the division: 1 − p_e is 0 exactly where both arms are always right or wrong.
        kappa=None if n * n == expected else ((both + neither) * n - expected) / (n * n - expected),
        error_jaccard=_share(neither, neither + b + c),
        right_wrong_given_left_wrong=_share(neither, left_wrong),
        left_wrong_given_right_wrong=_share(neither, right_wrong),
        expected_both_wrong=left_wrong * right_wrong / n if n else 0.0,
    )


@dataclass(frozen=True, slots=True)
class ClassAgreement:
    """One label of one stratum: how the arms use it, and how they fare where it is gold. Counts of items."""

    stratum: int
    label: int
    left: int
    right: int
    both: int
    kappa: float | None
    """One label against the rest; None where both or neither arm always gives it."""
    positive_agreement: float | None
    """2·both / (left + right): Cicchetti & Feinstein (1990), J. Clin. Epidemiol. 43, 551-558."""
    gold: int | None = None
    left_correct: int | None = None
    right_correct: int | None = None
    joint_errors: int | None = None
    same_errors: int | None = None

    def to_json(self) -> dict[str, float | int | None]:
        return asdict(self)


def by_class(left: Ints, right: Ints, gold: Ints | None, classes: int, stratum: Ints) -> tuple[ClassAgreement, ...]:
    """left, right, gold: (n,) codes, INVALID (and no gold) = −1 → one entry per label that occurs."""
    cells = (int(stratum.max(initial=0)) + 1) * classes
    size = np.bincount(stratum)

    def count(labels: Ints, use: NDArray[np.bool_]) -> Ints:
        use = use & (labels >= 0)
        return np.bincount(stratum[use] * classes + labels[use], minlength=cells)

    everywhere = np.ones(len(left), dtype=bool)
    in_left, in_right = count(left, everywhere), count(right, everywhere)
    both = count(left, left == right)
    used = (in_left > 0) | (in_right > 0)
    of_gold: tuple[Ints, ...] = ()
    if gold is not None:
        wrong = (left != gold) & (right != gold)
        of_gold = (
            count(gold, everywhere),
            count(gold, left == gold),
            count(gold, right == gold),
            count(gold, wrong),
            count(gold, wrong & (left == right) & (left >= 0)),
        )
        used |= of_gold[0] > 0
    out = []
    for cell in np.flatnonzero(used).tolist():
        s, label = divmod(cell, classes)
        n, a, b, ab = int(size[s]), int(in_left[cell]), int(in_right[cell]), int(both[cell])
        expected = a * b + (n - a) * (n - b)
        agreed = n - a - b + 2 * ab
        kappa = None if expected == n * n else (agreed * n - expected) / (n * n - expected)
        gold_counts = (int(counts[cell]) for counts in of_gold)
        out.append(ClassAgreement(s, label, a, b, ab, kappa, _share(2 * ab, a + b), *gold_counts))
    return tuple(out)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
