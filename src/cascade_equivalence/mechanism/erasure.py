"""LEACE and orthogonal erasure of a concept, with the interface of concept-erasure 0.2.4.

Belrose et al. 2023 (arXiv 2306.03819): r(x) = x - W⁺ P W (x - μ), W a whitening of x and P the orthogonal projection
onto the column space of W Σxz. Afterwards no linear predictor of z beats a constant one, and no other affine map with
that property changes x less in mean square.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cascade_equivalence.errors import AnalysisError
from cascade_equivalence.mechanism.covariance import Whitening, shrunk, whitening

ErasureMethod = Literal["leace", "orth"]
Array = NDArray[Any]


def _tensor(values: Tensor | Array) -> Tensor:
    """Of a tensor or a numpy array; whole numbers and truth values become float64 where they are an array's."""
    if isinstance(values, Tensor):
        return values
    array = np.asarray(values)
    return torch.as_tensor(array if array.dtype.kind == "f" else array.astype(np.float64))


@dataclass(frozen=True)
class LeaceEraser:
    """x ↦ x - (x - bias) · proj_rightᴴ · proj_leftᴴ.

    proj_left: (d, rank), proj_right: (rank, d); bias: (d,), or None where nothing is centred.
    """

    proj_left: Tensor
    proj_right: Tensor
    bias: Tensor | None

    @classmethod
    def fit(cls, x: Tensor | Array, z: Tensor | Array, **kwargs: Any) -> LeaceEraser:
        """Of data x (n, d) and z (n,) or (n, k), tensors or numpy arrays; keywords are those of `LeaceFitter`."""
        return LeaceFitter.fit(x, z, **kwargs).eraser

    @property
    def rank(self) -> int:
        """Dimensions taken away."""
        return self.proj_left.shape[1]

    @property
    def P(self) -> Tensor:
        """The projection, (d, d)."""
        eye = torch.eye(self.proj_left.shape[0], device=self.proj_left.device, dtype=self.proj_left.dtype)
        return eye - self.proj_left @ self.proj_right

    @overload
    def __call__(self, x: Tensor) -> Tensor: ...

    @overload
    def __call__(self, x: Array) -> Array: ...

    def __call__(self, x: Tensor | Array) -> Tensor | Array:
        """Erase from x of shape (..., d); computed in the wider of the two dtypes, returned in that of x: a tensor of a
        tensor, an array of an array."""
        if not isinstance(x, Tensor):
            erased: Array = self(_tensor(x)).cpu().numpy()
            return erased
        dtype = torch.promote_types(x.dtype, self.proj_left.dtype)
        wide, left, right = x.to(dtype), self.proj_left.to(dtype), self.proj_right.to(dtype)
        delta = wide if self.bias is None else wide - self.bias
        # Through the rank, never through a (d, d) matrix.
        return (wide - (delta @ right.mH) @ left.mH).type_as(x)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> LeaceEraser:
        """The same on another device, and in another dtype: fit in float64, apply in float32."""
        bias = None if self.bias is None else self.bias.to(device, dtype)
        return LeaceEraser(self.proj_left.to(device, dtype), self.proj_right.to(device, dtype), bias)


class LeaceFitter:
    """Running statistics of x and z, and the eraser they give.

    mean_x: (d,), mean_z: (k,), n: samples so far, sigma_xz_ and sigma_xx_: sums of products of deviations (not
    normalised; sigma_xx_ is None for the orthogonal method).
    """

    def __init__(
        self,
        x_dim: int,
        z_dim: int,
        method: ErasureMethod = "leace",
        *,
        affine: bool = True,
        constrain_cov_trace: bool = True,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        shrinkage: bool = True,
        svd_tol: float = 0.01,
        svd_rtol: float | None = None,
    ) -> None:
        """Statistics of width x_dim (d) and z_dim (k).

        method: "leace", or "orth" (SAL, Shao et al. 2023: project out the column space of Σxz orthogonally).
        affine: centre at the mean of x, so that the mean stays; without it x is taken as it is.
        constrain_cov_trace: accepted, and never needed. With P = W⁺(I - uuᴴ)W the covariance after erasure is
        Σ - W⁺uuᴴW⁺ᴴ, whose trace cannot exceed that of Σ; checking it would cost two products of (d, d) matrices.
        What can go wrong is a concept that is left behind: see `residual`.
        shrinkage: estimate Σxx by optimal linear shrinkage, which also makes it regular with fewer samples than
        dimensions. Erasure of the *fitted* sample stays exact either way.
        svd_tol: singular values of WΣxz up to this are dropped. They are in the units of z (at most its standard
        deviation), so 0.01 leaves correlations behind where z is small: it is the default of concept-erasure alone.
        svd_rtol: if given, the limit is this fraction of the largest singular value instead. For science, √eps.

        A concept that is constant gives an eraser of rank 0, the identity. Raises `AnalysisError`.
        """
        if svd_tol <= 0 or (svd_rtol is not None and not 0 < svd_rtol < 1):
            raise AnalysisError("svd_tol must be positive and svd_rtol between 0 and 1")
        if method not in ("leace", "orth"):
            raise AnalysisError(f"unknown erasure method '{method}': leace or orth")
        self.x_dim, self.z_dim, self.method = x_dim, z_dim, method
        self.affine, self.constrain_cov_trace, self.shrinkage = affine, constrain_cov_trace, shrinkage
        self.svd_tol, self.svd_rtol = svd_tol, svd_rtol
        self.mean_x = torch.zeros(x_dim, device=device, dtype=dtype)
        self.mean_z = torch.zeros(z_dim, device=device, dtype=dtype)
        self.n = torch.tensor(0, device=device)
        self.sigma_xz_ = torch.zeros(x_dim, z_dim, device=device, dtype=dtype)
        self.sigma_xx_: Tensor | None = None
        if method == "leace":
            self.sigma_xx_ = torch.zeros(x_dim, x_dim, device=device, dtype=dtype)
        self._eraser: LeaceEraser | None = None

    @classmethod
    def fit(cls, x: Tensor | Array, z: Tensor | Array, **kwargs: Any) -> LeaceFitter:
        """Of data x (n, d) and z (n,) or (n, k), tensors or numpy arrays; keywords are those of the constructor."""
        x, z = _tensor(x), _tensor(z)
        width = z.reshape(len(x), -1).shape[1]
        return cls(x.shape[1], width, device=x.device, dtype=x.dtype, **kwargs).update(x, z)

    @torch.no_grad()
    def update(self, x: Tensor | Array, z: Tensor | Array) -> LeaceFitter:
        """Add samples: x (..., d) and as many rows of z. Raises `AnalysisError` on another width, NaN or infinity."""
        x, z = _tensor(x), _tensor(z)
        if x.shape[-1] != self.x_dim:
            raise AnalysisError(f"states of width {x.shape[-1]} for an eraser of width {self.x_dim}")
        x = x.reshape(-1, self.x_dim).to(self.mean_x)
        if not len(x):
            return self
        if z.numel() != len(x) * self.z_dim:
            raise AnalysisError(f"{z.numel()} concept values for {len(x)} states, expected {self.z_dim} for each")
        z = z.reshape(len(x), self.z_dim).to(x)
        for name, values in (("states", x), ("concept values", z)):
            bad = int((~torch.isfinite(values)).any(1).sum())
            if bad:
                raise AnalysisError(f"{bad} of {len(values)} rows of {name} are NaN or infinite: drop them first")
        self._eraser = None
        self.n += len(x)
        # Welford: the deviations from the old mean times those from the new one.
        before_x, before_z = x - self.mean_x, z - self.mean_z
        self.mean_x += before_x.sum(0) / self.n
        self.mean_z += before_z.sum(0) / self.n
        if self.sigma_xx_ is not None:
            self.sigma_xx_.addmm_(before_x.mH, x - self.mean_x)
        self.sigma_xz_.addmm_(before_x.mH, z - self.mean_z)
        return self

    @property
    def sigma_xx(self) -> Tensor:
        """Covariance of x, (d, d): shrunk, or with Bessel's correction."""
        if self.sigma_xx_ is None:
            raise AnalysisError("the orthogonal method keeps no covariance of x: use method='leace'")
        symmetric = (self.sigma_xx_ + self.sigma_xx_.mH) / 2
        if self.shrinkage:
            return shrunk(symmetric / self._enough(), int(self.n))
        return symmetric / (self._enough() - 1)

    @property
    def sigma_xz(self) -> Tensor:
        """Covariance of x and z, (d, k), with Bessel's correction."""
        return self.sigma_xz_ / (self._enough() - 1)

    @property
    def eraser(self) -> LeaceEraser:
        """The eraser of what was seen so far."""
        if self._eraser is None:
            self._eraser = self._solve()
        return self._eraser

    @property
    def residual(self) -> float:
        """‖P Σxz‖ / ‖Σxz‖ in [0, 1]: the share of the cross-covariance that `svd_tol` left behind (0 if there is none).

        Rounding alone leaves about the square root of the condition number of Σxx times eps.
        """
        covariance = self.sigma_xz
        whole = float(torch.linalg.matrix_norm(covariance))
        left = covariance - self.eraser.proj_left @ (self.eraser.proj_right @ covariance)
        return float(torch.linalg.matrix_norm(left)) / whole if whole else 0.0

    @torch.no_grad()
    def _solve(self) -> LeaceEraser:
        bias = self.mean_x.clone() if self.affine else None
        white: Whitening | None = whitening(self.sigma_xx) if self.method == "leace" else None
        seen = self.sigma_xz if white is None else white.white(self.sigma_xz)
        left, values, _ = torch.linalg.svd(seen, full_matrices=False)
        limit = self.svd_tol if self.svd_rtol is None else self.svd_rtol * float(values.max())
        left = left[:, values > limit]
        if white is None:
            return LeaceEraser(left, left.mH, bias)
        return LeaceEraser(white.colour(left), white.adjoint(left).mH, bias)

    def _enough(self) -> int:
        n = int(self.n)
        if n < 2:
            raise AnalysisError(f"{n} samples seen: a covariance needs two")
        return n
