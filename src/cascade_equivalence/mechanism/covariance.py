"""Covariance matrices: shrinkage, conditioning and the whitening that erasure needs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_ITERATIONS = 5
_PROBES = 4


def shrunk(covariance: Tensor, n: int) -> Tensor:
    """Optimal linear shrinkage towards the isotropic matrix of the same trace (Bodnar et al. 2014, arXiv 1308.2608).

    covariance: (p, p), of n samples, normalised by n. The estimate is a·S + (1 - a)·(tr S / p)·I with
    a = 1 - (tr S)²/n / (‖S‖² - (tr S)²/p). A matrix that is isotropic already (or zero) is returned as it is.
    """
    p = covariance.shape[-1]
    trace = float(torch.diagonal(covariance).real.sum())
    spread = float(torch.linalg.matrix_norm(covariance)) ** 2 - trace**2 / p
    if spread <= torch.finfo(covariance.dtype).eps * trace**2:
        return covariance.clone()
    kept = 1 - trace**2 / n / spread
    # Below 0 (a nearly isotropic sample) the spectrum is reversed; no eigenvalue may become negative by it.
    if kept < 0 and -kept * spread**0.5 >= trace / p:
        kept = 0.0
    estimate = covariance * kept
    torch.diagonal(estimate).add_((1 - kept) * trace / p)
    return estimate


def condition_number(covariance: Tensor, factor: Tensor) -> float:
    """Estimate of λ_max/λ_min from a Cholesky factor, in O(p²): a few steps of power and of inverse iteration.

    A lower bound by nature (Rayleigh quotients), within a factor of two or three.
    """
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(covariance.shape[0], _PROBES, generator=generator, dtype=torch.float64)
    block = real.to(covariance)
    largest, smallest = block, block
    for _ in range(_ITERATIONS):
        largest = _unit(covariance @ largest)
        smallest = _unit(torch.cholesky_solve(smallest, factor))
    top = torch.linalg.vector_norm(covariance @ largest, dim=0).max()
    bottom = torch.linalg.vector_norm(covariance @ smallest, dim=0).min()
    return float(top / bottom) if bottom > 0 else float("inf")


def _unit(columns: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(columns, dim=0)
    return columns / norms


def _solve(triangle: Tensor, columns: Tensor, *, upper: bool) -> Tensor:
    solution: Tensor = torch.linalg.solve_triangular(triangle, columns, upper=upper)
    return solution


@dataclass(frozen=True)
class Whitening:
    """W with W Σ Wᴴ = I on the range of Σ, as products only.

    factor: the lower Cholesky factor of Σ (W is its inverse), or the eigenvectors with `roots`, the square roots of
    the eigenvalues kept. `rank` < p where Σ is numerically singular: W is then that of the pseudo-inverse.
    """

    factor: Tensor
    roots: Tensor | None
    rank: int
    condition: float

    def white(self, columns: Tensor) -> Tensor:
        """W · columns; columns: (p, k)."""
        if self.roots is None:
            return _solve(self.factor, columns, upper=False)
        return (self.factor.mH @ columns) / self.roots[:, None]

    def colour(self, columns: Tensor) -> Tensor:
        """W⁺ · columns."""
        if self.roots is None:
            return self.factor @ columns
        return self.factor @ (columns * self.roots[:, None])

    def adjoint(self, columns: Tensor) -> Tensor:
        """Wᴴ · columns."""
        if self.roots is None:
            return _solve(self.factor.mH, columns, upper=True)
        return self.factor @ (columns / self.roots[:, None])


def whitening(covariance: Tensor) -> Whitening:
    """The cheapest whitening of a positive semi-definite (p, p) matrix that is sound.

    Any W with WᴴW = Σ⁻¹ leads to the same eraser (two of them differ by a unitary factor, which cancels), so the
    Cholesky factor serves while λ_max/λ_min < 1/(p·eps). Beyond it, or where Σ is singular (fewer samples than
    dimensions without shrinkage), eigenvalues up to λ_max·p·eps are taken as zero, which is the threshold of a
    pseudo-inverse: a tenth of the speed.
    """
    p = covariance.shape[0]
    limit = 1 / (p * torch.finfo(covariance.dtype).eps)
    factor, info = torch.linalg.cholesky_ex(covariance)
    if int(info) == 0:
        condition = condition_number(covariance, factor)
        if condition < limit:
            return Whitening(factor, None, p, condition)
    values, vectors = torch.linalg.eigh(covariance)
    kept = values > values[-1].clamp(min=0) / limit
    roots = values[kept].sqrt()
    condition = float(values[-1] / values[kept][0]) if len(roots) else float("nan")
    return Whitening(vectors[:, kept], roots.to(covariance.dtype), int(kept.sum()), condition)
