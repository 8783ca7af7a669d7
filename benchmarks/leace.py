"""The LEACE eraser from fitted statistics, against concept-erasure with its defaults, on the same machine.

    python benchmarks/leace.py [WIDTH]          # default 4096, k = 64, float32; minutes, nearly all of them theirs

The statistics come from 2 × WIDTH samples whose covariance has a condition number of 1e4; both erasers get the same
ones. Held-out vectors are projected by both. Without `pip install concept-erasure==0.2.4` only ours is
timed. Exit status 1 if a bar is missed.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import time

import torch

from cascade_equivalence.mechanism.erasure import LeaceFitter

CONCEPTS, HELD_OUT, CONDITION = 64, 512, 1e4


def problem(width):
    """Samples (2·width + HELD_OUT, width) and concepts that depend on them linearly and noisily."""
    generator = torch.Generator().manual_seed(0)
    count = 2 * width + HELD_OUT
    x = torch.randn(count, width, generator=generator) * torch.logspace(0, -4, width).sqrt()
    # Householder reflections turn the axes at a fraction of the cost of a random rotation.
    for _ in range(3):
        v = torch.randn(width, generator=generator)
        v /= v.norm()
        x -= 2 * torch.outer(x @ v, v)
    weights = torch.randn(width, CONCEPTS, generator=generator)
    z = x @ weights
    return x, z + z.std() * torch.randn(z.shape, generator=generator)


def timed(fitter):
    """The eraser, and the processor time it took: of one thread, hence fair on a machine with other work."""
    start = time.process_time()
    eraser = fitter.eraser
    return eraser, time.process_time() - start


def main():
    width = int(sys.argv[1]) if len(sys.argv) > 1 else 4096
    torch.set_num_threads(1)
    x, z = problem(width)
    held_out, x, z = x[2 * width :], x[: 2 * width], z[: 2 * width]
    ours = LeaceFitter.fit(x, z)
    eraser, seconds = timed(ours)
    print(f"d = {width}, k = {CONCEPTS}, float32, one thread")
    print(f"ours:            {seconds:.2f} s, rank {eraser.rank}, residual {ours.residual:.1e}")
    try:
        import concept_erasure
    except ImportError:
        print("concept-erasure is not installed: nothing to compare with")
        return 0
    theirs = concept_erasure.LeaceFitter(width, CONCEPTS, dtype=x.dtype)
    for name in ("mean_x", "mean_z", "n", "sigma_xz_", "sigma_xx_"):
        setattr(theirs, name, getattr(ours, name).clone())
    reference, reference_seconds = timed(theirs)
    expected = reference(held_out)
    error = float((eraser(held_out) - expected).norm(dim=1).div(expected.norm(dim=1)).max())
    change = float((held_out - expected).norm() / held_out.norm())
    ratio = reference_seconds / seconds
    print(f"concept-erasure: {reference_seconds:.2f} s")
    print(f"ratio {ratio:.1f}× (bar 5×), largest relative difference of a held-out vector {error:.1e} (bar 1e-3)")
    print(f"(erasing changes the held-out vectors by {change:.2f} of their norm)")
    return 0 if ratio >= 5 and error <= 1e-3 else 1


if __name__ == "__main__":
    sys.exit(main())
