"""Packet loss: as many packets as said, and concealment that is nearer than a gap."""

from __future__ import annotations

import numpy as np
import pytest

from cascade_equivalence.audio.packets import PACKET, lose
from cascade_equivalence.seeds import rng
from tests.audio.signals import voice


def packets(samples: np.ndarray) -> np.ndarray:
    return samples[: len(samples) // PACKET * PACKET].reshape(-1, PACKET)


@pytest.mark.parametrize("share", [0, 0.01, 0.1, 0.5, 1])
def test_the_share_is_kept_exactly(share: float) -> None:
    samples = np.random.default_rng(0).uniform(0.1, 0.2, 200 * PACKET).astype(np.float32)
    out = packets(lose(samples, share, False, rng("x")))
    lost = (out == 0).all(axis=1)
    assert lost.sum() == round(share * 200)
    np.testing.assert_array_equal(out[~lost], packets(samples)[~lost])


def test_every_packet_is_lost_as_often_as_any_other() -> None:
    samples = np.ones(20 * PACKET, np.float32)
    times = sum((packets(lose(samples, 0.25, False, rng(str(n)))) == 0).all(axis=1) for n in range(2000))
    # Binomial with n = 2000 and p = 1/4: four standard deviations are 77.
    assert np.abs(times - 500).max() < 80


def test_concealed_speech_is_nearer_than_speech_with_gaps() -> None:
    clean = voice(4.0)
    for n in range(5):
        errors = [np.mean((lose(clean, 0.1, concealed, rng(str(n))) - clean) ** 2) for concealed in (False, True)]
        assert errors[1] < 0.7 * errors[0]


def test_a_periodic_sound_is_concealed_perfectly_for_10_ms() -> None:
    tone = np.sin(2 * np.pi * 200 * np.arange(50 * PACKET) / 16_000).astype(np.float32)
    out = lose(tone, 0.02, True, rng("one"))
    changed = np.flatnonzero(np.abs(out - tone) > 1e-3)
    assert len(changed)
    lost = int(np.flatnonzero((packets(lose(tone, 0.02, False, rng("one"))) == 0).all(axis=1))[0]) * PACKET
    assert lost + 160 <= changed[0] < lost + PACKET
    # The end of the filling is faded over 5 ms into what comes after it.
    assert changed[-1] < lost + PACKET + 80


def test_long_gaps_fade_to_silence() -> None:
    tone = np.sin(2 * np.pi * 200 * np.arange(50 * PACKET) / 16_000).astype(np.float32)
    for n in range(30):
        out = lose(tone, 0.9, True, rng(str(n)))
        gone = (packets(lose(tone, 0.9, False, rng(str(n)))) == 0).all(axis=1)
        run = 0
        for index, lost in enumerate(gone):
            run = run + 1 if lost else 0
            if run > 3:
                assert not packets(out)[index].any()
