"""Theorems of LEACE: nothing linear is left, nothing less could have been changed, batches do not matter."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.datasets import make_classification
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC

from cascade_equivalence.errors import AnalysisError
from cascade_equivalence.mechanism.covariance import condition_number, shrunk, whitening
from cascade_equivalence.mechanism.erasure import LeaceEraser, LeaceFitter

N, D = 600, 24


def labelled(classes: int, n: int = N, d: int = D) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    x, y = make_classification(
        n_samples=n, n_features=d, n_classes=classes, n_informative=max(4, classes), random_state=1
    )
    return torch.from_numpy(x), torch.nn.functional.one_hot(torch.from_numpy(y)), y


def largest_coefficients(x: torch.Tensor, y: np.ndarray) -> tuple[float, float]:
    centred = (x - x.mean(0)).numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logistic = LogisticRegression(C=np.inf, tol=0.0, max_iter=400).fit(centred, y)
        svm = LinearSVC(dual=False, intercept_scaling=1e6, tol=1e-9).fit(centred, y)
    return float(abs(logistic.coef_).max()), float(abs(svm.coef_).max())


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("method", ["leace", "orth"])
@pytest.mark.parametrize(("affine", "shrinkage"), [(True, True), (False, False)])
def test_nothing_linear_can_be_learnt_after_erasure(classes, method, affine, shrinkage):
    x, z, y = labelled(classes)
    erased = LeaceEraser.fit(x, z, method=method, affine=affine, shrinkage=shrinkage, svd_tol=1e-8)(x)
    assert max(largest_coefficients(erased, y)) < 1e-6
    assert min(largest_coefficients(x, y)) > 0.05


def test_a_continuous_concept_cannot_be_regressed_after_erasure():
    torch.manual_seed(0)
    x = torch.randn(N, D, dtype=torch.float64)
    z = x[:, :3] @ torch.randn(3, 2, dtype=torch.float64) + 0.1 * torch.randn(N, 2, dtype=torch.float64)
    before = LinearRegression().fit(x.numpy(), z.numpy())
    after = LinearRegression().fit(LeaceEraser.fit(x, z, svd_tol=1e-8)(x).numpy(), z.numpy())
    assert before.score(x.numpy(), z.numpy()) > 0.9
    assert after.score(LeaceEraser.fit(x, z, svd_tol=1e-8)(x).numpy(), z.numpy()) < 1e-10


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize("method", ["leace", "orth"])
def test_batches_equal_the_whole(dtype, method):
    torch.manual_seed(1)
    x, z = torch.randn(90, 7, dtype=dtype), torch.randn(90, 2, dtype=dtype)
    batched = LeaceFitter(7, 2, method, dtype=dtype)
    for start in range(0, 90, 13):
        batched.update(x[start : start + 13], z[start : start + 13])
    whole = LeaceFitter.fit(x, z, method=method)
    torch.testing.assert_close(batched.eraser.P, whole.eraser.P)
    torch.testing.assert_close(batched.mean_x, x.mean(0))
    centred = x - x.mean(0)
    torch.testing.assert_close(batched.sigma_xz, centred.mH @ (z - z.mean(0)) / 89)
    if method == "leace" and dtype == torch.float64:
        plain = LeaceFitter.fit(x, z, shrinkage=False)
        np.testing.assert_allclose(plain.sigma_xx.numpy(), np.cov(x.numpy(), rowvar=False))


def test_an_update_renews_the_eraser():
    torch.manual_seed(2)
    fitter = LeaceFitter.fit(torch.randn(50, 5), torch.randn(50))
    before = fitter.eraser.P
    assert fitter.eraser is fitter.eraser
    fitter.update(torch.randn(50, 5), torch.randn(50))
    assert not torch.allclose(before, fitter.eraser.P)


@pytest.mark.parametrize("affine", [True, False])
def test_erasing_twice_is_erasing_once_and_the_rank_is_that_of_the_concept(affine):
    x, z, _ = labelled(5)
    eraser = LeaceEraser.fit(x + 3, z, affine=affine, svd_tol=1e-8)
    once = eraser(x + 3)
    torch.testing.assert_close(eraser(once), once)
    assert eraser.rank == 4  # the one-hot columns of five classes sum to one
    assert int(torch.linalg.matrix_rank(once - (x + 3), rtol=1e-9)) <= 4 + (not affine)
    if affine:
        torch.testing.assert_close(once.mean(0), (x + 3).mean(0))


def test_no_affine_map_that_erases_changes_the_states_less():
    torch.manual_seed(3)
    mix = torch.randn(5, 5, dtype=torch.float64)
    x = torch.randn(400, 5, dtype=torch.float64) @ mix + 2
    z = x[:, 0] + 0.3 * torch.randn(400, dtype=torch.float64)
    fitter = LeaceFitter.fit(x, z, shrinkage=False, svd_tol=1e-9)
    least = float((fitter.eraser(x) - x).square().sum(1).mean())
    centred, mean = (x - x.mean(0)).numpy(), x.mean(0).numpy()
    covariance = fitter.sigma_xz.numpy()[:, 0]
    away = np.eye(5) - np.outer(covariance, covariance) / (covariance @ covariance)

    def change(flat):
        # Every A with A·Σxz = 0 is M·(I - ss'/s's); the shift b is free.
        candidate, shift = flat[:25].reshape(5, 5) @ away, flat[25:]
        return float(np.square(centred @ candidate.T + shift - centred - mean).sum(1).mean())

    best = minimize(change, np.r_[np.eye(5).ravel(), mean], method="BFGS")
    assert best.fun == pytest.approx(least, rel=1e-6)


def test_any_whitening_gives_the_same_eraser():
    torch.manual_seed(4)
    x = torch.randn(300, 8, dtype=torch.float64) @ torch.randn(8, 8, dtype=torch.float64)
    z = x[:, :2] + torch.randn(300, 2, dtype=torch.float64)
    fitter = LeaceFitter.fit(x, z, shrinkage=False, svd_tol=1e-9)
    values, vectors = np.linalg.eigh(fitter.sigma_xx.numpy())
    white = vectors @ np.diag(values**-0.5) @ vectors.T
    left = np.linalg.svd(white @ fitter.sigma_xz.numpy(), full_matrices=False)[0]
    symmetric = np.eye(8) - np.linalg.inv(white) @ left @ left.T @ white
    np.testing.assert_allclose(fitter.eraser.P.numpy(), symmetric, atol=1e-9)


def test_the_trace_of_the_covariance_never_grows():
    for seed in range(5):
        torch.manual_seed(seed)
        x = torch.randn(40, 12, dtype=torch.float64) @ torch.randn(12, 12, dtype=torch.float64)
        fitter = LeaceFitter.fit(x, torch.randn(40, 3, dtype=torch.float64), svd_tol=1e-9)
        sigma, projection = fitter.sigma_xx, fitter.eraser.P
        after = projection @ sigma @ projection.T
        assert torch.trace(after) < torch.trace(sigma)
        assert torch.linalg.eigvalsh(sigma - after).min() > -1e-9


def test_a_tolerance_that_is_too_large_leaves_a_residual_and_a_small_one_none():
    torch.manual_seed(5)
    x = torch.randn(500, 6, dtype=torch.float64)
    z = 1e-3 * (x[:, :1] + torch.randn(500, 1, dtype=torch.float64))
    assert LeaceFitter.fit(x, z).residual == 1.0  # the drop-in default is absolute
    assert LeaceFitter.fit(x, z, svd_rtol=1e-8).residual < 1e-12


def test_fewer_samples_than_dimensions():
    torch.manual_seed(6)
    x, z = torch.randn(20, 50, dtype=torch.float64), torch.randn(20, 2, dtype=torch.float64)
    for shrinkage in (True, False):
        fitter = LeaceFitter.fit(x, z, shrinkage=shrinkage, svd_tol=1e-9)
        erased = fitter.eraser(x)
        crossed = (erased - erased.mean(0)).T @ (z - z.mean(0))
        assert float(crossed.abs().max()) < 1e-9
        torch.testing.assert_close(fitter.eraser(erased), erased)
    assert whitening(LeaceFitter.fit(x, z, shrinkage=False).sigma_xx).rank == 19


def test_the_condition_decides_between_cholesky_and_eigenvectors():
    torch.manual_seed(7)
    basis = torch.linalg.qr(torch.randn(30, 30, dtype=torch.float64))[0]
    for condition, cholesky in ((1e4, True), (1e15, False)):
        sigma = basis * torch.logspace(0, -np.log10(condition), 30, dtype=torch.float64) @ basis.T
        white = whitening((sigma + sigma.T) / 2)
        assert (white.roots is None) == cholesky
        block = torch.randn(30, 3, dtype=torch.float64)
        torch.testing.assert_close(white.white(white.colour(block)), block) if cholesky else None
        if cholesky:
            estimate = condition_number(sigma, torch.linalg.cholesky(sigma))
            assert condition / 3 < estimate < condition * 1.01


def test_shrinkage_keeps_the_trace_and_moves_towards_the_truth():
    generator = torch.Generator().manual_seed(8)
    truth = torch.diag(torch.linspace(0.2, 3, 40, dtype=torch.float64))
    x = torch.randn(60, 40, generator=generator, dtype=torch.float64) @ truth.sqrt()
    sample = x.T @ x / 60
    better = shrunk(sample, 60)
    assert float(torch.trace(better)) == pytest.approx(float(torch.trace(sample)))
    assert torch.linalg.matrix_norm(better - truth) < torch.linalg.matrix_norm(sample - truth)
    torch.testing.assert_close(shrunk(torch.eye(4), 10), torch.eye(4))
    nearly = torch.diag(torch.tensor([1.0, 1.0, 1.01], dtype=torch.float64))
    assert torch.linalg.eigvalsh(shrunk(nearly, 50)).min() > 0


def test_the_dtype_of_the_states_is_kept():
    x, z, _ = labelled(2)
    eraser = LeaceEraser.fit(x.float(), z, affine=False)
    assert eraser(x.bfloat16()).dtype == torch.bfloat16
    assert eraser(x).dtype == torch.float64
    assert eraser.to("cpu", torch.float64).proj_right.dtype == torch.float64
    assert eraser.to("cpu").bias is None


@pytest.mark.parametrize(
    ("x", "z", "words"),
    [
        (torch.full((4, 3), float("nan")), torch.zeros(4), "4 of 4 rows of states are NaN"),
        (torch.zeros(4, 3), torch.tensor([0.0, 1, float("inf"), 2]), "1 of 4 rows of concept values"),
        (torch.zeros(4, 2), torch.zeros(4), "width 2"),
        (torch.zeros(4, 3), torch.zeros(5), "5 concept values for 4 states"),
    ],
)
def test_bad_input_is_named(x, z, words):
    with pytest.raises(AnalysisError, match=words):
        LeaceFitter(3, 1).update(x, z)


def test_too_few_samples_and_unknown_methods():
    with pytest.raises(AnalysisError, match="1 samples seen"):
        _ = LeaceFitter.fit(torch.zeros(1, 3), torch.zeros(1)).eraser
    with pytest.raises(AnalysisError, match="unknown erasure method"):
        LeaceFitter(3, 1, "sal")  # type: ignore[arg-type]
    with pytest.raises(AnalysisError, match="svd_tol"):
        LeaceFitter(3, 1, svd_tol=0)
    with pytest.raises(AnalysisError, match="keeps no covariance"):
        _ = LeaceFitter(3, 1, "orth").sigma_xx


def test_a_constant_concept_changes_nothing():
    torch.manual_seed(9)
    x = torch.randn(40, 5)
    eraser = LeaceEraser.fit(x, torch.ones(40))
    assert eraser.rank == 0
    assert torch.equal(eraser(x), x)
