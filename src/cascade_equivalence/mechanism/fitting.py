"""Erasers for science, and the controls they stand beside: all of one rank, all centred alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cascade_equivalence.errors import AnalysisError
from cascade_equivalence.mechanism.erasure import ErasureMethod, LeaceEraser, LeaceFitter

_TOLERANCE = 0.05
_STEEPEST = 64.0


@dataclass(frozen=True)
class FittedErasure:
    """An eraser with what it does to the states it was fitted on.

    removed: `removed_variance`, of `total` = tr Σ. residual: see `LeaceFitter.residual`. regular: more samples than
    dimensions; without them what is erased outside the fitted samples rests on the shrinkage.
    """

    eraser: LeaceEraser
    removed: float
    total: float
    residual: float
    samples: int
    regular: bool


def science_fitter(
    x_dim: int,
    z_dim: int,
    method: ErasureMethod = "leace",
    *,
    affine: bool = True,
    device: str | torch.device | None = None,
) -> LeaceFitter:
    """A fitter in float64 that drops singular values below √eps of the largest alone: all but rounding is erased.

    Bring the columns of z to comparable scales before streaming them.
    """
    rtol = torch.finfo(torch.float64).eps ** 0.5
    return LeaceFitter(x_dim, z_dim, method, affine=affine, device=device, dtype=torch.float64, svd_rtol=rtol)


def fit_erasure(x: Tensor, z: Tensor, *, method: ErasureMethod = "leace", affine: bool = True) -> FittedErasure:
    """Fit on states x (n, d) and concepts z (n,) or (n, k), each column of z scaled to unit variance.

    Constant columns beside varying ones are left out. Raises `AnalysisError` where all are constant.
    """
    target = z.reshape(len(z), -1).double()
    if len(target) < 2:
        raise AnalysisError(f"{len(target)} samples: a covariance needs two")
    scale = target.std(0)
    varying = ~(scale <= 1e-12 * target.abs().amax(0))  # NaN passes here and is named by the fitter
    if not bool(varying.any()):
        raise AnalysisError("the concept is constant over all samples: there is nothing to erase")
    target = target[:, varying] / scale[varying]
    fitter = science_fitter(x.shape[1], target.shape[1], method, affine=affine, device=x.device)
    fitter.update(x, target)
    return fitted(fitter, torch.cov(x.double().T) if method == "orth" else None)


def fitted(fitter: LeaceFitter, covariance: Tensor | None = None) -> FittedErasure:
    """The eraser of streamed statistics.

    covariance: (d, d), that of x without shrinkage; needed for the orthogonal method, which does not keep it.
    """
    eraser, n = fitter.eraser, int(fitter.n)
    if covariance is None:
        if fitter.sigma_xx_ is None:
            raise AnalysisError("the orthogonal method keeps no covariance of x: pass it")
        covariance = fitter.sigma_xx_ / (n - 1)
    return FittedErasure(
        eraser=eraser,
        removed=removed_variance(eraser, covariance),
        total=float(torch.diagonal(covariance).real.sum()),
        residual=fitter.residual,
        samples=n,
        regular=n > fitter.x_dim,
    )


def removed_variance(eraser: LeaceEraser, covariance: Tensor) -> float:
    """tr Σ - tr PΣPᴴ.

    For an orthogonal projection, and for LEACE on its own Σ, it is also the mean squared change E‖x - r(x)‖² of
    centred states: matching it matches the size of the damage.
    """
    left, right = eraser.proj_left.to(covariance), eraser.proj_right.to(covariance)
    crossed = right @ covariance
    first = torch.einsum("ri,ir->", crossed, left).real
    second = torch.einsum("rs,sd,dr->", crossed @ right.mH, left.mH, left).real
    return float(2 * first - second)


def orthogonal_eraser(basis: Tensor, bias: Tensor | None) -> LeaceEraser:
    """Projects out the column space of basis (d, rank), centred at `bias` if there is one."""
    columns, _ = torch.linalg.qr(basis)
    return LeaceEraser(columns, columns.mH, bias)


def random_eraser(dimensions: int, rank: int, seed: int, bias: Tensor | None) -> LeaceEraser:
    """Projects out a subspace that is uniform (Haar) among those of this rank. Give `bias` as the eraser has it."""
    if not 0 <= rank <= dimensions:
        raise AnalysisError(f"rank {rank} in {dimensions} dimensions")
    device = None if bias is None else bias.device
    gaussian = torch.randn(dimensions, rank, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return orthogonal_eraser(gaussian.to(device), bias)


def variance_matched_eraser(
    covariance: Tensor, rank: int, removed: float, seed: int, bias: Tensor | None, tolerance: float = _TOLERANCE
) -> LeaceEraser:
    """Projects out a random subspace of this rank that removes as much variance as asked for, to ± tolerance.

    The subspace is span(Σ^t G), G Gaussian of shape (d, rank): Haar at t = 0, tilted towards loud directions for
    t > 0 and quiet ones for t < 0; t is found by bisection. By Ky Fan's theorem what a LEACE eraser of this rank
    removes lies between the sums of the smallest and of the largest eigenvalues, hence within reach. One
    eigendecomposition of Σ (d, d). Raises `AnalysisError` where the variance is out of reach of the rank.
    """
    covariance = covariance.double()
    values, vectors = torch.linalg.eigh(covariance)
    logs = values.clamp(min=float(values[-1]) * 1e-14).log()
    generator = torch.Generator().manual_seed(seed)
    gaussian = torch.randn(len(values), rank, generator=generator, dtype=torch.float64).to(covariance)

    def tilted(slope: float) -> LeaceEraser:
        weights = slope * logs
        # Centred at the rank-th largest weight, and bounded, so that the basis keeps its full rank in float64.
        pivot = weights.topk(rank).values[-1]
        return orthogonal_eraser(vectors @ ((weights - pivot).clamp(-25, 25).exp()[:, None] * gaussian), bias)

    slope = _bisect(lambda t: removed_variance(tilted(t), covariance) - removed)
    eraser = tilted(slope)
    reached = removed_variance(eraser, covariance)
    if abs(reached - removed) > tolerance * removed:
        raise AnalysisError(
            f"no random subspace of rank {rank} removes a variance of {removed:.3g} (nearest {reached:.3g}): "
            f"{float(values[:rank].sum()):.3g} to {float(values[-rank:].sum()):.3g} are possible"
        )
    return eraser


def _bisect(excess: Callable[[float], float]) -> float:
    low, high = -1.0, 1.0
    while excess(low) > 0 and low > -_STEEPEST:
        low *= 2
    while excess(high) < 0 and high < _STEEPEST:
        high *= 2
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) < 0 else (low, middle)
    return (low + high) / 2


def permuted_over_utterances(z: Tensor, utterances: NDArray[np.int64], seed: int) -> Tensor:
    """Targets that belong to another utterance: what LEACE takes away where there is no relation to the states.

    z: (n,) or (n, k), utterances: (n,) ids, equal ids adjacent. Every utterance gets the rows of another one (never
    its own), repeated or cut to its length, so the course within an utterance stays. Raises `AnalysisError` for
    fewer than two utterances.
    """
    if len(utterances) != len(z):
        raise AnalysisError(f"{len(z)} targets for {len(utterances)} utterance ids")
    starts = np.flatnonzero(np.r_[True, utterances[1:] != utterances[:-1]])
    ends = np.r_[starts[1:], len(utterances)]
    if len(starts) < 2 or len(np.unique(utterances)) != len(starts):
        raise AnalysisError("permuting over utterances needs at least two, with the rows of each one adjacent")
    order = np.random.default_rng(seed).permutation(len(starts))
    donor = np.empty_like(order)
    donor[order] = np.roll(order, 1)  # a cycle: nobody is their own donor
    rows = [
        starts[d] + np.arange(end - start) % (ends[d] - starts[d])
        for d, start, end in zip(donor, starts, ends, strict=True)
    ]
    return z[torch.from_numpy(np.concatenate(rows)).to(z.device)]
