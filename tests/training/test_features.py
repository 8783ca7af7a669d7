import numpy as np
import pytest
from training.features import POSITION, sound_of

from cascade_equivalence.audio.clip import RATE


@pytest.mark.parametrize("pitch", [75.0, 120.0, 210.0, 330.0])
def test_level_and_pitch_of_a_tone_are_told(pitch: float) -> None:
    t = np.arange(RATE) / RATE
    wave = sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 6)).astype(np.float32) * 0.1
    sound = sound_of(wave)
    assert sound.shape == (-(-RATE // POSITION), 3)
    inner = sound[1:-1]
    assert inner[:, 2].all()
    assert np.abs(inner[:, 1] - np.log2(pitch)).max() < np.log2(1.04)
    assert inner[:, 0] == pytest.approx(10 * np.log10(np.mean(wave**2)), abs=0.5)


def test_noise_and_silence_are_not_voiced() -> None:
    noise = np.random.default_rng(0).normal(size=RATE).astype(np.float32) * 0.1
    assert sound_of(noise)[:, 2].mean() < 0.1
    assert not sound_of(np.zeros(RATE, np.float32))[:, 2].any()
