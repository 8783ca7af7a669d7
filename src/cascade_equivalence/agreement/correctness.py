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
    out = []
    for s in np.unique(stratum).tolist():
        at = stratum == s
        a, b = left[at], right[at]
        y = gold[at] if gold is not None else None
        n = len(a)
        used = np.unique(np.concatenate([a, b] if y is None else [a, b, y]))
        for label in used[(used >= 0) & (used < classes)].tolist():
            in_a, in_b = a == label, b == label
            count_a, count_b, both = int(in_a.sum()), int(in_b.sum()), int((in_a & in_b).sum())
            expected = count_a * count_b + (n - count_a) * (n - count_b)
            agreed = n - count_a - count_b + 2 * both
            entry = ClassAgreement(
                stratum=s,
                label=label,
                left=count_a,
                right=count_b,
                both=both,
                kappa=None if expected == n * n else (agreed * n - expected) / (n * n - expected),
                positive_agreement=_share(2 * both, count_a + count_b),
            )
            out.append(entry if y is None else _with_gold(entry, a, b, y == label))
    return tuple(out)


def _with_gold(entry: ClassAgreement, a: Ints, b: Ints, is_gold: NDArray[np.bool_]) -> ClassAgreement:
    wrong = is_gold & (a != entry.label) & (b != entry.label)
    fields = asdict(entry) | {
        "gold": int(is_gold.sum()),
        "left_correct": int((is_gold & (a == entry.label)).sum()),
        "right_correct": int((is_gold & (b == entry.label)).sum()),
        "joint_errors": int(wrong.sum()),
        "same_errors": int((wrong & (a == b) & (a >= 0)).sum()),
    }
    return ClassAgreement(**fields)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
