"""Predictive information: what an arm's label probabilities tell about the gold label, in bits.

The acoustic surplus I(A;Y) − I(T;Y) cannot be observed. What can is how many bits each arm's probabilities
save over knowing the class frequencies; each is a lower bound of the information its input carries, so their
difference is a difference of two lower bounds, not the surplus itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .interval import Interval, critical, two_sided
from .resample import codes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Keeps the calibration finite where a class is missing from a fold or the arm is always right.
_RIDGE = 1e-2
# Probability mass spread evenly, so that one confident error costs at most about 10 bits.
_FLOOR = 1e-3


@dataclass(frozen=True, slots=True)
class PredictiveInformation:
    """Bits per item, with intervals clustered where items are."""

    left: Interval
    """Bits the left arm saves over the class prior."""
    right: Interval
    difference: Interval
    """left − right: a difference of two lower bounds of information."""
    prior_bits: float
    """Cross-entropy of the class prior: what there is to save."""
    n: int
    note: str = "a difference of two lower bounds, not the acoustic surplus itself"

    def to_json(self) -> dict[str, object]:
        return {
            "left": self.left.to_json(),
            "right": self.right.to_json(),
            "difference": self.difference.to_json(),
            "prior_bits": self.prior_bits,
            "n": self.n,
            "note": self.note,
        }


def predictive_information(
    left: ArrayLike,
    right: ArrayLike,
    gold: ArrayLike,
    *,
    clusters: object = None,
    folds: int = 5,
    seed: int = 0,
    level: float = 0.95,
) -> PredictiveInformation:
    """left, right: (n, K) label scores (log-likelihoods up to a constant per item); gold: (n,) 0 … K − 1.

    right is usually the arm that reads the gold transcript. Per arm one temperature and one bias per label
    are fitted on the other folds (clusters stay whole), so no item is scored by a calibration that saw it.
    Sources: Xu et al. (2020), "A theory of usable information under computational constraints" (ICLR),
    equation 4; calibration as in Guo et al. (2017, ICML), section 4.2.
    Raises ValueError on shapes that do not fit, scores that are not finite, and fewer items than folds.
    """
    a, b, y = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64), np.asarray(gold)
    if a.ndim != 2 or a.shape != b.shape or y.shape != (len(a),) or a.shape[1] < 2:
        raise ValueError(f"scores (n, K ≥ 2) twice and gold (n,) are needed, got {a.shape}, {b.shape}, {y.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("label scores must be finite; leave out the items an arm failed on")
    n, classes = a.shape
    if y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= classes:
        raise ValueError(f"gold labels must be whole numbers from 0 to {classes - 1}")
    y = y.astype(np.int64)
    cluster = np.arange(n, dtype=np.int64) if clusters is None else codes(clusters, n, "clusters")
    groups = int(cluster.max()) + 1
    if not 2 <= folds <= groups:
        raise ValueError(f"{groups} items or clusters cannot be split into {folds} folds (at least 2)")
    order = np.random.default_rng(seed).permutation(groups)
    fold = np.empty(groups, dtype=np.int64)
    fold[order] = np.arange(groups) % folds
    prior_bits, left_bits, right_bits = (np.empty(n) for _ in range(3))
    for f in range(folds):
        test = fold[cluster] == f
        train = ~test
        counts = np.bincount(y[train], minlength=classes) + 0.5
        prior_bits[test] = -np.log2(counts / counts.sum())[y[test]]
        for scores, bits in ((a, left_bits), (b, right_bits)):
            fitted = _calibrate(scores[train], y[train])
            bits[test] = -np.log2(_probabilities(scores[test], fitted)[np.arange(test.sum()), y[test]])
    groups_or_none = None if clusters is None else groups

    def mean(values: Floats) -> Interval:
        return _clustered_mean(values, cluster, groups_or_none, level)

    return PredictiveInformation(
        left=mean(prior_bits - left_bits),
        right=mean(prior_bits - right_bits),
        difference=mean(right_bits - left_bits),
        prior_bits=float(prior_bits.mean()),
        n=n,
    )


def _design(scores: Floats) -> Floats:
    """(n, K) scores → (n, K, K) regressors: the centred score itself, then K − 1 label indicators."""
    n, classes = scores.shape
    centred = scores - scores.mean(axis=1, keepdims=True)
    out = np.zeros((n, classes, classes))
    out[:, :, 0] = centred
    out[:, 1:, 1:] = np.eye(classes - 1)
    return out


def _probabilities(scores: Floats, fitted: Floats) -> Floats:
    logits = _design(scores) @ fitted
    logits -= logits.max(axis=1, keepdims=True)
    p = np.exp(logits)
    p /= p.sum(axis=1, keepdims=True)
    return np.asarray((1.0 - _FLOOR) * p + _FLOOR / scores.shape[1])


def _calibrate(scores: Floats, y: Ints) -> Floats:
    """Inverse temperature and K − 1 biases by Newton's method on the ridged, concave log-likelihood."""
    x = _design(scores)
    n, size = len(x), x.shape[2]
    # The score column on its own scale, so that the ridge treats weak and strong scores alike.
    scale = float(np.sqrt((x[:, :, 0] ** 2).mean())) or 1.0
    x = x.copy()
    x[:, :, 0] /= scale
    target = x[np.arange(n), y]
    weights = np.zeros(size)

    def objective(at: Floats) -> float:
        logits = x @ at
        top = logits.max(axis=1)
        total = np.log(np.exp(logits - top[:, None]).sum(axis=1)) + top
        return float((total - target @ at).sum() + 0.5 * _RIDGE * (at @ at))

    best = objective(weights)
    for _ in range(100):
        logits = x @ weights
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        mean = np.einsum("nk,nkj->nj", p, x)
        gradient = (mean - target).sum(axis=0) + _RIDGE * weights
        hessian = np.einsum("nk,nki,nkj->ij", p, x, x, optimize=True) - mean.T @ mean
        step = np.linalg.solve(hessian + _RIDGE * np.eye(size), gradient)
        length = 1.0
        while length > 1e-8 and (now := objective(weights - length * step)) > best:
            length /= 2.0
        if length <= 1e-8:
            break
        weights = weights - length * step
        if best - now < 1e-10 * n:
            break
        best = now
    fitted = weights.copy()
    fitted[0] /= scale
    return fitted


def _clustered_mean(values: Floats, cluster: Ints, groups: int | None, level: float) -> Interval:
    """A mean with its cluster-robust interval, Student's t with G − 1 degrees of freedom."""
    mean = float(values.mean())
    sums = np.bincount(cluster, weights=values - mean)
    count = len(sums)
    if count < 2:
        return Interval(mean)
    error = math.sqrt(float(sums @ sums) * count / (count - 1)) / len(values)
    half = critical(two_sided(level), count if groups is None else groups) * error
    return Interval(mean, mean - half, mean + half)
