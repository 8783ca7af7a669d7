"""Loudness and pitch of sounds whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from cascade_equivalence.errors import AnalysisError
from cascade_equivalence.mechanism.pitch import pitch
from cascade_equivalence.mechanism.targets import energy, position_pitch

RATE = 16_000


def voice(f0: np.ndarray) -> np.ndarray:
    """A buzz of harmonics at the momentary f0 (n,) with a falling spectrum, like a glottal source."""
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    return sum(np.sin(k * phase) / k**1.5 * (k * f0 < RATE / 2) for k in range(1, 20)) * 0.1


@pytest.mark.parametrize("f0", [70.0, 110.0, 220.0, 430.0])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_steady_voices(f0, noise):
    sound = voice(np.full(RATE, f0)) + noise * np.random.default_rng(0).standard_normal(RATE)
    found = pitch(sound, RATE)[5:-5]
    assert np.isfinite(found).mean() > 0.98
    assert np.nanmax(np.abs(1200 * np.log2(found / f0))) < 15  # cents; a bin is 10


def test_a_glide_is_followed():
    f0 = 100 * 2 ** np.linspace(0, 1, 2 * RATE)
    found = pitch(voice(f0), RATE)
    truth = f0[np.minimum(np.arange(len(found)) * 160, len(f0) - 1)]
    assert np.abs(1200 * np.log2(found / truth))[5:-5].max() < 40


def test_a_missing_fundamental_is_heard():
    time = np.arange(RATE) / RATE
    sound = sum(np.sin(2 * np.pi * 150 * k * time) for k in (3, 4, 5, 6)) * 0.1
    assert np.nanmedian(pitch(sound, RATE)) == pytest.approx(150, rel=0.01)


def test_noise_and_silence_are_unvoiced():
    rng = np.random.default_rng(1)
    assert np.isfinite(pitch(0.1 * rng.standard_normal(RATE), RATE)).mean() < 0.1
    assert np.isnan(pitch(np.zeros(RATE), RATE)).all()


def test_positions_average_their_voiced_frames():
    half = RATE // 2
    sound = np.concatenate([voice(np.full(half, 120.0)), np.zeros(half), voice(np.full(half, 240.0))])
    found = position_pitch(sound, RATE, 15, 0.1)
    assert found[1:4] == pytest.approx(np.log2(120), abs=0.02)
    assert np.isnan(found[6:9]).all()
    assert found[11:14] == pytest.approx(np.log2(240), abs=0.02)


def test_energy_is_the_log_of_the_rms():
    rng = np.random.default_rng(2)
    sound = np.concatenate([level * rng.standard_normal(1280) for level in (0.5, 0.05, 0.0)])
    found = energy(sound, RATE, 3, 0.08)
    expected = [np.log(np.sqrt(np.mean(part**2))) for part in (sound[:1280], sound[1280:2560])]
    assert found[:2] == pytest.approx(expected)
    assert found[2] == pytest.approx(np.log(1e-5))
    assert energy(2 * sound, RATE, 3, 0.08)[0] - found[0] == pytest.approx(np.log(2))


def test_a_last_window_may_reach_beyond_the_end_but_not_the_whole_clip():
    assert len(energy(np.ones(1300), RATE, 2, 0.08)) == 2
    with pytest.raises(AnalysisError, match="do not fit"):
        energy(np.ones(1300), RATE, 20, 0.08)
    with pytest.raises(AnalysisError, match="positive"):
        energy(np.ones(1300), RATE, 1, 0.0)
