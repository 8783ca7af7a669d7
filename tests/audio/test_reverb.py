"""Reverberation: the time and distance asked for, the level kept, the direct sound in place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cascade_equivalence.audio.clip import RATE, stored
from cascade_equivalence.audio.condition import parse_condition
from cascade_equivalence.audio.degrade import FAR_FIELD_FLOOR, degrade
from cascade_equivalence.audio.reverb import decay_time, simulated_response
from tests.audio.signals import active_level_db, lag, speech, voice


def under(condition, clip, base=None, seed=0):
    return degrade(clip, parse_condition(condition, base), lambda: (), seed, "item 'q'")


def test_decay_time_of_known_decays() -> None:
    t = np.arange(2 * RATE) / RATE
    for rt60 in (0.2, 0.7, 1.3):
        noise = np.random.default_rng(0).normal(size=len(t))
        assert decay_time(noise * 10 ** (-3 * t / rt60)) == pytest.approx(rt60, rel=0.03)


@pytest.mark.parametrize(("rt60", "distance"), [(0.2, 1.0), (0.3, 3.0), (0.6, 1.5)])
def test_rooms_ring_as_long_as_said(rt60: float, distance: float) -> None:
    pytest.importorskip("pyroomacoustics")
    response = simulated_response(rt60, distance, 0, 0).samples
    # Level of 10 ms frames over the response, a line through its first 25 dB: another way than the backward integral.
    frames = response[simulated_response(rt60, distance, 0, 0).direct :]
    frames = frames[: len(frames) // 160 * 160].reshape(-1, 160)
    level = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-20)
    level -= level[:3].max()
    kept = np.arange(len(level))[(level < -3) & (level > -28)]
    slope = np.polyfit(kept * 0.01, level[kept], 1)[0]
    assert -60 / slope == pytest.approx(rt60, rel=0.2)


def test_the_direct_sound_falls_with_distance_and_arrives_in_time() -> None:
    pytest.importorskip("pyroomacoustics")
    for distance in (0.5, 1.0, 2.0, 4.0):
        response = simulated_response(0.3, distance, 1, 0)
        pulse = response.samples[response.direct - 20 : response.direct + 21]
        assert np.sqrt(np.sum(pulse**2)) * distance == pytest.approx(1, rel=0.15)
    near, far = (simulated_response(0.3, d, 1, 0).direct for d in (0.5, 4.0))
    assert far - near == pytest.approx(3.5 / 343 * RATE, abs=2)


def test_level_and_time_are_kept() -> None:
    pytest.importorskip("pyroomacoustics")
    clean = stored(speech(3.0))
    near, far = under("reverb@0.3s,0.5m", clean), under("reverb@0.3s,3m", clean)
    for made in (near, far):
        assert len(made.clip.samples) == len(clean.samples)
        assert active_level_db(made.clip.samples / made.scale) == pytest.approx(
            active_level_db(clean.samples), abs=0.05
        )
        assert abs(lag(clean.samples, made.clip.samples)) <= 1
    likeness = [np.corrcoef(clean.samples, made.clip.samples)[0, 1] for made in (near, far)]
    assert likeness[0] > likeness[1]


def test_a_recorded_response_is_a_convolution_from_its_strongest_sample(tmp_path: Path) -> None:
    response = np.zeros(2000, np.float32)
    response[[50, 300, 1500]] = [0.8, -0.4, 0.2]
    soundfile.write(tmp_path / "rir.wav", response, RATE)
    clean = stored(voice())
    made = under("reverb:rir.wav", clean, tmp_path).clip.samples
    x = clean.samples
    plain = x.copy()
    plain[250:] -= 0.5 * x[:-250]
    plain[1450:] += 0.25 * x[:-1450]
    gain = np.dot(plain, made) / np.dot(plain, plain)
    np.testing.assert_allclose(made, gain * plain, atol=1e-4)


def test_far_field_snr_falls_with_distance() -> None:
    pytest.importorskip("pyroomacoustics")
    clean = stored(voice(3.0))
    made = {d: under(f"far_field@{d}m", clean) for d in (0.5, 1, 2, 4)}
    reached = [m.snr_db for m in made.values()]
    assert reached == sorted(reached, reverse=True)
    # At half a metre the direct sound dominates: 6 dB more than at 1 m, and the floor is where it is said to be.
    assert reached[0] == pytest.approx(-FAR_FIELD_FLOOR + 6, abs=3)
    quiet = stored(np.concatenate([clean.samples[:RATE], np.zeros(4 * RATE, np.float32)]))
    rest = under("far_field@2m", quiet)
    pause = rest.clip.samples[-2 * RATE :] / rest.scale
    floor = 10 * np.log10(np.mean(pause.astype(np.float64) ** 2))
    assert floor - active_level_db(quiet.samples) == pytest.approx(FAR_FIELD_FLOOR, abs=1)


def test_without_pyroomacoustics_the_error_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['pyroomacoustics'] = None\n"
        "from tests.audio.test_reverb import *\n"
        "from cascade_equivalence.errors import AudioError\n"
        "try: under('reverb@0.5s', stored(voice()))\n"
        "except AudioError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "cascade-equivalence[rooms]" in said and "reverb:<file or folder>" in said


def test_the_grammar_imports_nothing_heavy() -> None:
    code = (
        "import sys; from cascade_equivalence.audio.condition import parse_condition;"
        "import cascade_equivalence.audio.degrade; parse_condition('reverb@0.5s+codec:opus@16k');"
        "print([m for m in ('pyroomacoustics', 'scipy', 'soundfile', 'soxr', 'torch') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
