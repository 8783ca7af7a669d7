"""Two arms on the same items: every agreement statistic of the pair, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .correctness import ClassAgreement, Correctness, by_class, correctness
from .interval import UNDEFINED, Interval, critical, two_sided, wilson_limits
from .kappa import KappaEstimate, Marginals, marginals
from .named import INVALID, coded
from .overlap import FEWEST_JOINT_ERRORS, ErrorOverlap, chance_overlap, error_overlap
from .paired import Equivalence, McNemar, design_effect, mcnemar, newcombe, tango_limits, tost
from .replicates import Replicates, replicate
from .resample import Resamples, codes

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The accuracies of the two arms on the items with gold labels, INVALID being wrong."""

    left: Interval
    right: Interval
    difference: Interval
    """left − right, Tango's score interval."""
    difference_newcombe: Interval
    """A check on `difference` by another method (items taken as independent)."""

    def to_json(self) -> dict[str, object]:
        return {
            "left": self.left.value,
            "right": self.right.value,
            "difference": self.difference.to_json(),
            "left_interval": self.left.to_json(),
            "right_interval": self.right.to_json(),
            "difference_newcombe": self.difference_newcombe.to_json(),
        }


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """The agreement of two arms on n items. What is not defined is None, with its reason in `notes`."""

    n: int
    k: int
    """Labels, INVALID not counted."""
    n_gold: int
    """Items with a gold label: those that accuracy, McNemar and error overlap are about."""
    agreement: float
    expected: float
    """Chance agreement p_e."""
    kappa: Interval
    kappa_valid: Interval
    """κ on the items that both arms answered validly."""
    n_valid: int
    kappa_max: float | None
    prevalence_index: float
    bias_index: float
    ac1: float | None
    invalid_left: float
    invalid_right: float
    accuracy: Accuracy | None
    mcnemar: McNemar | None
    correctness: Correctness | None
    error_overlap: ErrorOverlap
    per_class: tuple[ClassAgreement, ...]
    equivalence: Equivalence | None
    clusters: int | None
    design_effect: float
    """By how much clustering inflates the variance of the accuracy difference (1 without clusters)."""
    notes: dict[str, str]
    estimate: KappaEstimate | None = field(repr=False)
    replicates: Replicates = field(repr=False, compare=False)

    @property
    def error_jaccard(self) -> float | None:
        return None if self.correctness is None else self.correctness.error_jaccard

    def to_json(self) -> dict[str, object]:
        """The contract of `ceq agree --json` but for the verdict. Undefined is null, never NaN."""
        none = UNDEFINED.to_json()
        accuracy = self.accuracy
        test, same, table = self.mcnemar, self.equivalence, self.correctness
        return {
            "n": self.n,
            "k": self.k,
            "agreement": self.agreement,
            "kappa": self.kappa.to_json(),
            "accuracy": {"left": None, "right": None, "difference": none} if accuracy is None else accuracy.to_json(),
            "mcnemar": {"b": None, "c": None, "p": None, "method": None} if test is None else test.to_json(),
            "error_overlap": self.error_overlap.to_json(),
            "equivalence": {"margin": None, "p": None, "passed": None} if same is None else same.to_json(),
            "invalid": {"left": self.invalid_left, "right": self.invalid_right},
            "notes": dict(self.notes),
            "n_gold": self.n_gold,
            "n_valid": self.n_valid,
            "expected": self.expected,
            "kappa_valid": self.kappa_valid.to_json(),
            "kappa_max": self.kappa_max,
            "prevalence_index": self.prevalence_index,
            "bias_index": self.bias_index,
            "ac1": self.ac1,
            "error_jaccard": self.error_jaccard,
            "kappa_correctness": None if table is None else table.kappa,
            "clusters": self.clusters,
            "design_effect": self.design_effect,
            "resamples": len(self.replicates.kappa),
            "per_class": [entry.to_json() for entry in self.per_class],
        }


def compare(
    left: ArrayLike,
    right: ArrayLike,
    gold: ArrayLike | None = None,
    *,
    classes: int | None = None,
    clusters: Sequence[object] | NDArray[np.generic] | None = None,
    strata: Sequence[object] | NDArray[np.generic] | None = None,
    weights: Resamples | None = None,
    resamples: int = 10_000,
    seed: int = 0,
    margin: float = 0.03,
    level: float = 0.95,
) -> PairAgreement:
    """All agreement statistics of two arms on the same items.

    left, right: (n,) labels: strings, whole numbers or truth values; None, "" and "INVALID" (−1 among numbers) are
    INVALID. gold: (n,) gold labels, INVALID where an item has none; None if there are none at all.
    classes: where given, labels are the numbers 0 … classes − 1, INVALID −1; else they are those that occur.
    clusters: (n,) items that belong together (a speaker, a dialogue); strata: (n,) the task of each item when
    several are pooled (labels are then compared within a stratum only, so they may share numbers).
    weights: the task's shared `Resamples` (made with the same clusters and strata), so that κ of several
    pairs can be subtracted; without it the pair draws its own from `resamples` and `seed`.
    margin: of accuracy, as a fraction. level: of the intervals.
    Raises ValueError on shapes or labels that do not fit and on n = 0.
    """
    if classes is None:
        left, right, gold, classes = coded(left, right, gold)
    a, b, y = label_codes(left, right, gold, classes)
    n = len(a)
    stratum = codes(strata, n, "strata")
    if weights is None:
        weights = Resamples.of_labels(a, b, y, resamples=resamples, seed=seed, clusters=clusters, strata=strata)
    elif weights.n != n:
        raise ValueError(f"the weights were drawn for {weights.n} items, the labels are {n}")
    elif clusters is not None and not weights.clustered:
        raise ValueError("the weights were drawn without clusters: give clusters to Resamples.draw")
    invalid_a, invalid_b = a == INVALID, b == INVALID
    # INVALID takes the code after the last label: a category of its own.
    a_code, b_code = np.where(invalid_a, classes, a), np.where(invalid_b, classes, b)
    categories = classes + int(invalid_a.any() or invalid_b.any())
    notes: dict[str, str] = {}

    replicates = replicate(a_code, b_code, y, classes, stratum, weights)
    table = marginals(a_code, b_code, categories, stratum)
    estimate = _estimate(table, replicates.variance("kappa"), weights, n)
    kappa = UNDEFINED if estimate is None else estimate.interval(level)
    if estimate is None:
        notes["kappa"] = "both systems give one and the same label to every item, so that κ is not defined"
    valid = ~(invalid_a | invalid_b)
    kappa_valid, valid_note = kappa, notes.get("kappa")
    if not valid.all():
        kappa_valid, valid_note = _valid_only(a, b, stratum, valid, classes, replicates, weights, level)
    if valid_note:
        notes["kappa_valid"] = valid_note
    pair = PairAgreement(
        n=n,
        k=classes,
        n_gold=0,
        agreement=1.0 - table.disagreement,
        expected=1.0 - table.expected_disagreement,
        kappa=kappa,
        kappa_valid=kappa_valid,
        n_valid=int(valid.sum()),
        kappa_max=table.kappa_max,
        prevalence_index=table.prevalence_index,
        bias_index=table.bias_index,
        ac1=table.ac1,
        invalid_left=float(invalid_a.mean()),
        invalid_right=float(invalid_b.mean()),
        accuracy=None,
        mcnemar=None,
        correctness=None,
        error_overlap=ErrorOverlap(None, None, None, 0, 0, None),
        per_class=by_class(a, b, y, classes, stratum),
        equivalence=None,
        clusters=weights.sampled if weights.clustered else None,
        design_effect=1.0,
        notes=notes,
        estimate=estimate,
        replicates=replicates,
    )
    if y is None or not (y >= 0).any():
        for name in ("accuracy", "mcnemar", "error_overlap", "equivalence"):
            notes[name] = "no gold labels"
    else:
        pair = _against_gold(pair, a_code, b_code, y, stratum, weights, margin, level)
    return pair


def kappa(
    left: ArrayLike, right: ArrayLike, *, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """Cohen's κ of two systems' labels on the same items, with its interval; undefined (None) where both give one and
    the same label to every item. Labels as in `compare`, INVALID a category of its own. Raises ValueError.
    """
    return compare(left, right, level=level, resamples=resamples, seed=seed).kappa


def _against_gold(
    pair: PairAgreement,
    a: Ints,
    b: Ints,
    gold: Ints,
    stratum: Ints,
    weights: Resamples,
    margin: float,
    level: float,
) -> PairAgreement:
    has = gold >= 0
    a, b, y, stratum = a[has], b[has], gold[has], stratum[has]
    n, classes = len(y), pair.k
    a_right, b_right = a == y, b == y
    table = correctness(a_right, b_right)
    only_a, only_b = table.only_left_right, table.only_right_right
    effect, a_effect, b_effect = 1.0, 1.0, 1.0
    if weights.clustered:
        cluster = codes(weights.unit[has], n, "clusters")
        a_effect = _effect(a_right.astype(np.float64), cluster, stratum)
        b_effect = _effect(b_right.astype(np.float64), cluster, stratum)
        effect = _effect(a_right.astype(np.float64) - b_right, cluster, stratum)
        pair.notes["mcnemar"] = "takes items as independent although they come in clusters"
    if pair.n > n:
        pair.notes["gold"] = f"{pair.n - n} of {pair.n} items have no gold label and count for kappa only"
    groups, z = pair.clusters, two_sided(level)
    z_used = critical(z, groups)

    def share(correct: NDArray[np.bool_], effect: float) -> Interval:
        value = float(correct.mean())
        return Interval(value, *wilson_limits(value, n / effect, z_used))

    accuracy = Accuracy(
        left=share(a_right, a_effect),
        right=share(b_right, b_effect),
        difference=Interval((only_a - only_b) / n, *tango_limits(only_a / effect, only_b / effect, n / effect, z_used)),
        difference_newcombe=newcombe(table.both_right, only_a, only_b, table.both_wrong, level),
    )
    joint = ~a_right & ~b_right
    same = int((joint & (a == b) & (a != classes)).sum())
    overlap = error_overlap(
        same,
        table.both_wrong,
        chance_overlap(a, b, y, classes, stratum),
        pair.replicates.variance("overlap"),
        units=len(np.unique(weights.unit[has][joint])) if weights.clustered else n,
        clustered=weights.clustered,
        z=z,
    )
    if classes < 3:
        overlap = ErrorOverlap(None, None, None, table.both_wrong, same, None)
        pair.notes["error_overlap"] = "with fewer than three labels it is 1 by construction"
    elif overlap.value is None:
        pair.notes["error_overlap"] = "no item that both got wrong"
    elif overlap.low is None:
        pair.notes["error_overlap"] = f"{table.both_wrong} joint errors, fewer than {FEWEST_JOINT_ERRORS}: no interval"
    return replace(
        pair,
        n_gold=n,
        accuracy=accuracy,
        mcnemar=mcnemar(only_a, only_b),
        correctness=table,
        error_overlap=overlap,
        equivalence=tost(only_a / effect, only_b / effect, n / effect, margin, clusters=groups),
        design_effect=effect,
    )


def _effect(values: NDArray[np.float64], cluster: Ints, stratum: Ints) -> float:
    size = np.bincount(stratum)
    mean = np.bincount(stratum, weights=values) / np.maximum(size, 1)
    return design_effect(values, cluster, mean[stratum])


def _valid_only(
    a: Ints,
    b: Ints,
    stratum: Ints,
    valid: NDArray[np.bool_],
    classes: int,
    replicates: Replicates,
    weights: Resamples,
    level: float,
) -> tuple[Interval, str | None]:
    if not valid.any():
        return UNDEFINED, "no item that both answered validly"
    table = marginals(a[valid], b[valid], classes, stratum[valid])
    estimate = _estimate(table, replicates.variance("kappa_valid"), weights, int(valid.sum()))
    if estimate is None:
        return UNDEFINED, "one and the same label on every item that both answered validly"
    return estimate.interval(level), None


def _estimate(table: Marginals, variance: float, weights: Resamples, n: int) -> KappaEstimate | None:
    return KappaEstimate.of(
        table.disagreement,
        table.expected_disagreement,
        variance,
        units=weights.sampled,
        n=n,
        clustered=weights.clustered,
    )


def label_codes(
    left: ArrayLike, right: ArrayLike, gold: ArrayLike | None, classes: int
) -> tuple[Ints, Ints, Ints | None]:
    """The arguments of `compare` as arrays. Raises ValueError on shapes or labels that do not fit."""
    if classes < 1:
        raise ValueError(f"there must be at least one label, got classes={classes}")
    out: list[Ints | None] = []
    for name, values in (("left", left), ("right", right), ("gold", gold)):
        if values is None:
            out.append(None)
            continue
        array = np.asarray(values)
        if array.ndim != 1 or array.dtype.kind not in "iub" or not len(array):
            raise ValueError(
                f"{name} must be a list of at least one integer label, got {array.dtype} of shape {array.shape}"
            )
        array = array.astype(np.int64)
        if out and out[0] is not None and len(array) != len(out[0]):
            raise ValueError(f"left has {len(out[0])} items, {name} has {len(array)}")
        if array.min() < INVALID or array.max() >= classes:
            raise ValueError(
                f"{name} holds labels from {array.min()} to {array.max()}, allowed are −1 (INVALID) to {classes - 1}"
            )
        out.append(array)
    a, b, y = out
    assert a is not None and b is not None
    return a, b, y
