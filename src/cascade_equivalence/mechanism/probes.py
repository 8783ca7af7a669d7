"""Linear and non-linear probes of continuous targets, with a control task.

Held-out R² = 1 - squared error / squared deviation from the held-out mean; it may be negative.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.cluster.vq import kmeans2

from cascade_equivalence.errors import AnalysisError
from cascade_equivalence.mechanism.splits import Floats, Ints, Scale, Split, checked, folds, split_by_group

PENALTIES = np.logspace(-6, 2, 17)
"""Ridge penalties per training row, for z-scored states."""

_RESAMPLES = 1000
Kind = Literal["linear", "mlp"]


@dataclass(frozen=True, slots=True)
class Probe:
    """How well states predict a target on held-out groups.

    r2: mean over the columns of the target that vary, `low` and `high` its 95 % percentile bootstrap over held-out
    groups, None with fewer than five of these. penalty: the ridge's, per training row; None for the MLP.
    """

    kind: Kind
    r2: float
    low: float | None
    high: float | None
    train_rows: int
    test_rows: int
    test_groups: int
    penalty: float | None


@dataclass(frozen=True, slots=True)
class Probed:
    """The linear probe, the MLP beside it, and both on the control task where one was given.

    selectivity: R² on the task minus R² on the control task (Hewitt & Liang 2019): what the probe reads from the states
    rather than learns by heart.
    """

    linear: Probe
    mlp: Probe
    control_linear: Probe | None
    control_mlp: Probe | None

    @property
    def selectivity(self) -> float | None:
        """Of the linear probe."""
        return None if self.control_linear is None else self.linear.r2 - self.control_linear.r2


def probe(
    x: Any,
    y: Any,
    utterances: ArrayLike,
    *,
    speakers: ArrayLike | None = None,
    types: ArrayLike | None = None,
    held_out: float = 0.2,
    seed: int = 0,
) -> Probed:
    """Probe states x (n, d) for y (n,) or (n, k): arrays or tensors.

    Whole speakers are held out where they are known (at least five), otherwise whole utterances. types: (n,) a type
    of each row for the control task, such as the word or the token at it (`types_of` makes them from the states).
    """
    known = speakers is not None and len(np.unique(speakers)) >= 5
    groups = np.asarray(speakers if known else utterances)
    x, y = checked(x, y, groups)
    split = split_by_group(groups, held_out, seed)
    control = None if types is None else control_targets(y, np.asarray(types), seed)
    return Probed(
        linear=ridge_probe(x, y, groups, split, seed=seed),
        mlp=mlp_probe(x, y, groups, split, seed=seed),
        control_linear=None if control is None else ridge_probe(x, control, groups, split, seed=seed),
        control_mlp=None if control is None else mlp_probe(x, control, groups, split, seed=seed),
    )


def ridge_probe(x: Any, y: Any, groups: NDArray[Any], split: Split, *, seed: int = 0) -> Probe:
    """Ridge on z-scored states, its penalty by five-fold cross-validation over the training groups.

    With fewer rows than dimensions the penalty alone makes the solution unique.
    """
    x, y = checked(x, y, groups)
    scale = Scale.of(x[split.train])
    states, centre = scale(x[split.train]), y[split.train].mean(0)
    deviation = np.where(y[split.train].std(0) > 0, y[split.train].std(0), 1.0)
    targets = (y[split.train] - centre) / deviation
    penalty = _best_penalty(states, targets, folds(groups[split.train], 5, seed))
    weights = _ridges(states.T @ states, states.T @ targets, np.array([penalty]) * len(states))[0]
    predicted = scale(x[split.test]) @ weights * deviation + centre
    return _scored("linear", y[split.test], predicted, groups[split.test], len(split.train), float(penalty), seed)


def _ridges(gram: Floats, crossed: Floats, penalties: Floats) -> list[Floats]:
    """(G + p·I)⁻¹ C for each penalty, from one eigendecomposition."""
    values, vectors = np.linalg.eigh(gram)
    rotated = vectors.T @ crossed
    return [vectors @ (rotated / (values.clip(0) + penalty)[:, None]) for penalty in penalties]


def _best_penalty(states: Floats, targets: Floats, fold: Ints) -> float:
    if fold.max() < 1:
        return float(PENALTIES[len(PENALTIES) // 2])
    gram, crossed = states.T @ states, states.T @ targets
    errors = np.zeros(len(PENALTIES))
    for number in range(int(fold.max()) + 1):
        out = fold == number
        inside = int((~out).sum())
        part, goal = states[out], targets[out]
        solutions = _ridges(gram - part.T @ part, crossed - part.T @ goal, PENALTIES * inside)
        errors += [float(np.square(part @ weights - goal).sum()) for weights in solutions]
    return float(PENALTIES[int(errors.argmin())])


def mlp_probe(x: Any, y: Any, groups: NDArray[Any], split: Split, *, hidden: int = 64, seed: int = 0) -> Probe:
    """One hidden layer of ReLU units, early stopping on a tenth of the training groups: there, but not linearly?"""
    import torch

    x, y = checked(x, y, groups)
    inner = split_by_group(groups[split.train], 0.1, seed) if len(np.unique(groups[split.train])) > 1 else None
    train = split.train if inner is None else split.train[inner.train]
    watched = split.train if inner is None else split.train[inner.test]
    scale, goal = Scale.of(x[train]), Scale.of(y[train])
    generator = torch.Generator().manual_seed(seed)

    def rows(which: Ints) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.from_numpy(scale(x[which])).float(), torch.from_numpy(goal(y[which])).float()

    def layer(inputs: int, outputs: int) -> tuple[torch.Tensor, torch.Tensor]:
        weight = torch.randn(inputs, outputs, generator=generator) * (2 / inputs) ** 0.5
        return weight.requires_grad_(), torch.zeros(outputs, requires_grad=True)

    (w1, b1), (w2, b2) = layer(x.shape[1], hidden), layer(hidden, y.shape[1])
    parameters = [w1, b1, w2, b2]

    def run(inputs: torch.Tensor) -> torch.Tensor:
        return torch.relu(inputs @ w1 + b1) @ w2 + b2

    best = _descend(parameters, run, rows(train), rows(watched), generator)
    with torch.no_grad():
        for parameter, kept in zip(parameters, best, strict=True):
            parameter.copy_(kept)
        predicted = run(rows(split.test)[0]).double().numpy() * goal.deviation + goal.mean
    return _scored("mlp", y[split.test], predicted, groups[split.test], len(split.train), None, seed)


def _descend(parameters: Any, run: Callable[[Any], Any], train: Any, watched: Any, generator: Any) -> list[Any]:
    """AdamW in batches of 256 until the watched error has not fallen for eight epochs; the best parameters."""
    import torch

    optimiser = torch.optim.AdamW(parameters, lr=3e-3, weight_decay=1e-2)
    inputs, targets = train
    best, lowest, patience = [p.detach().clone() for p in parameters], float("inf"), 0
    for _ in range(100):
        for batch in torch.split(torch.randperm(len(inputs), generator=generator), 256):
            optimiser.zero_grad()
            (run(inputs[batch]) - targets[batch]).square().mean().backward()
            optimiser.step()
        with torch.no_grad():
            error = float((run(watched[0]) - watched[1]).square().mean())
        if error < lowest:
            best, lowest, patience = [p.detach().clone() for p in parameters], error, 0
        else:
            patience += 1
            if patience == 8:
                break
    return best


def control_targets(y: Floats, types: NDArray[Any], seed: int) -> Floats:
    """Targets without meaning: every type gets the target of a random row, whatever the context.

    Types must occur on both sides of the split for the control to be learnable at all.
    """
    if len(types) != len(y):
        raise AnalysisError(f"{len(y)} targets for {len(types)} types")
    names, index = np.unique(types, return_inverse=True)
    rows = np.random.default_rng(seed).integers(len(y), size=len(names))
    return y[rows][index]


def types_of(inputs: Any, count: int, seed: int) -> Ints:
    """Types where no words or tokens are known: k-means clusters of z-scored states (of the LLM's input, say)."""
    states = np.asarray(inputs, dtype=np.float64)
    _, labels = kmeans2(Scale.of(states)(states), count, minit="++", rng=np.random.default_rng(seed))
    return np.asarray(labels, dtype=np.int64)


def _scored(
    kind: Kind, y: Floats, predicted: Floats, groups: NDArray[Any], train: int, penalty: float | None, seed: int
) -> Probe:
    """R² with a bootstrap over groups, from each group's sums."""
    names, index = np.unique(groups, return_inverse=True)

    def sums(values: Floats) -> Floats:
        total = np.zeros((len(names), values.shape[1]))
        np.add.at(total, index, values)
        return total

    count = np.bincount(index).astype(np.float64)
    error, first, second = sums((y - predicted) ** 2), sums(y), sums(y**2)

    def r2(weights: Floats) -> Floats:
        n = (weights @ count)[:, None]
        spread = weights @ second - (weights @ first) ** 2 / n
        varying = spread > 1e-12 * np.maximum(weights @ second, 1e-300)
        ratio = np.where(varying, 1 - weights @ error / np.where(varying, spread, 1), np.nan)
        # A column that is constant among the held-out rows has no R².
        return np.array([np.nanmean(row) if np.isfinite(row).any() else np.nan for row in ratio])

    value = float(r2(np.ones((1, len(names))))[0])
    if np.isnan(value):
        raise AnalysisError("the target is constant on the held-out side: give more utterances")
    low = high = None
    if len(names) >= 5:
        rng = np.random.default_rng(seed)
        drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=_RESAMPLES)
        low, high = (float(v) for v in np.nanpercentile(r2(drawn.astype(np.float64)), [2.5, 97.5]))
    return Probe(kind, value, low, high, train, len(y), len(names), penalty)
