"""Fundamental frequency by pYIN (Mauch & Dixon, ICASSP 2014), in plain arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

Floats = NDArray[np.float64]

HOP = 0.01
"""Seconds between frames."""

_LOWEST, _HIGHEST = 60.0, 500.0
_BINS_PER_OCTAVE = 120
_OCTAVES_PER_S = 35.92
_SWITCH = 0.01
_NO_THRESHOLD = 0.01
_PRIOR = (2, 18)


def pitch(samples: NDArray[np.floating], rate: int) -> Floats:
    """F0 in Hz of frames centred at 0, 10, 20, … ms, shape (frames,); NaN where unvoiced.

    samples: mono, (n,), at `rate` (8 kHz or more). Range 60–500 Hz in steps of 10 cents. Thresholds are integrated
    over their Beta(2, 18) prior exactly rather than on a grid; the path is found by Viterbi over pitch × voicing with
    the paper's transitions.
    """
    difference = _normalised_difference(np.asarray(samples, dtype=np.float64), rate)
    return _path(_emissions(difference, rate))


def _normalised_difference(samples: Floats, rate: int) -> Floats:
    """YIN's cumulative mean normalised difference d'(τ), shape (frames, longest period + 2)."""
    longest = int(np.ceil(rate / _LOWEST)) + 1
    window = 2 * longest
    hop = round(HOP * rate)
    frames = 1 + len(samples) // hop
    span = window + longest
    padded = np.pad(samples, (span // 2, span + hop))
    cut = np.lib.stride_tricks.sliding_window_view(padded, span)[::hop][:frames]
    size = 1 << int(np.ceil(np.log2(span + window)))
    product = np.fft.irfft(np.fft.rfft(cut, size) * np.fft.rfft(cut[:, :window], size).conj(), size)[:, : longest + 1]
    energy = np.pad(np.cumsum(cut**2, axis=1), ((0, 0), (1, 0)))
    lags = np.arange(longest + 1)
    difference = np.maximum(energy[:, [window]] + energy[:, window + lags] - energy[:, lags] - 2 * product, 0)
    mean = np.cumsum(difference[:, 1:], axis=1) / lags[1:]
    # Silence has no period: d' = 1 as where nothing repeats. The floor is rounding of the products above.
    floor = 1e-12 * span * np.maximum(energy[:, [-1]], 1e-8)
    normalised = np.where(mean > floor, difference[:, 1:] / np.maximum(mean, floor), 1.0)
    return np.concatenate([np.ones((frames, 1)), normalised], axis=1)


def _emissions(difference: Floats, rate: int) -> Floats:
    """Probability of each pitch bin being the voiced F0 of a frame, shape (frames, bins)."""
    bins = int(np.log2(_HIGHEST / _LOWEST) * _BINS_PER_OCTAVE) + 1
    shortest = int(rate / _HIGHEST)
    emissions = np.zeros((len(difference), bins))
    inner = difference[:, 1:-1]
    troughs = (inner < difference[:, :-2]) & (inner <= difference[:, 2:])
    troughs[:, : shortest - 1] = False
    for frame, row in enumerate(difference):
        lags = np.flatnonzero(troughs[frame]) + 1
        if not len(lags):
            continue
        depth = row[lags]
        below = betainc(*_PRIOR, np.minimum(depth, 1.0))
        above = np.minimum.accumulate(np.r_[1.0, below[:-1]])
        # A trough is chosen by the thresholds between its own depth and that of the deepest one before it.
        chance = np.maximum(above - below, 0.0)
        deepest = int(depth.argmin())
        chance[deepest] += _NO_THRESHOLD * below[deepest]
        left, right = row[lags - 1], row[lags + 1]
        curve = left - 2 * depth + right
        shift = np.where(curve > 0, 0.5 * (left - right) / np.where(curve > 0, curve, 1), 0)
        index = np.round(np.log2(rate / (lags + shift) / _LOWEST) * _BINS_PER_OCTAVE).astype(int)
        inside = (index >= 0) & (index < bins)
        np.add.at(emissions[frame], index[inside], chance[inside])
    return emissions


def _path(emissions: Floats) -> Floats:
    """Viterbi over voiced and unvoiced pitch bins; frequencies in Hz, NaN where unvoiced."""
    frames, bins = emissions.shape
    reach = round(_OCTAVES_PER_S * HOP * _BINS_PER_OCTAVE)
    steps = np.arange(-reach, reach + 1)
    triangle = (reach + 1 - np.abs(steps)).astype(np.float64)
    source = np.arange(bins)[:, None] + steps
    inside = (source >= 0) & (source < bins)
    source = source.clip(0, bins - 1)
    totals = (triangle * inside).sum(1)
    tiny = np.finfo(np.float64).tiny
    move = np.where(inside, np.log(triangle / totals[source]), -np.inf)
    stay, switch = np.log(1 - _SWITCH), np.log(_SWITCH)
    voiced = np.log(emissions + tiny)
    unvoiced = np.log((1 - emissions.sum(1, keepdims=True)).clip(0) / bins + tiny).repeat(bins, axis=1)
    score = np.stack([voiced[0], unvoiced[0]])
    padded = np.full((2, bins + 2 * reach), -np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(steps), axis=1)
    back = np.zeros((frames, 2, bins), dtype=np.int64)
    for frame in range(1, frames):
        padded[:, reach : reach + bins] = score
        arriving = windows + move
        nearest = arriving.argmax(2)
        best = np.take_along_axis(arriving, nearest[:, :, None], 2)[:, :, 0]
        origin = source[np.arange(bins), nearest]
        keep, change = best + stay, best[::-1] + switch
        changed = change > keep
        mine, other = origin + np.array([[0], [bins]]), origin[::-1] + np.array([[bins], [0]])
        back[frame] = np.where(changed, other, mine)
        score = np.where(changed, change, keep) + np.stack([voiced[frame], unvoiced[frame]])
    state = int(score.ravel().argmax())
    states = np.empty(frames, dtype=np.int64)
    for frame in range(frames - 1, -1, -1):
        states[frame] = state
        state = int(back[frame].reshape(-1)[state])
    return np.where(states < bins, _LOWEST * 2 ** ((states % bins) / _BINS_PER_OCTAVE), np.nan)
