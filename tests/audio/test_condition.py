"""Conditions: the grammar, and noise that is what its name says, always the same."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from cascade_equivalence.audio.babble import TALKERS, Talker, babble, read_talkers
from cascade_equivalence.audio.clip import RATE, stored
from cascade_equivalence.audio.condition import degrade, mix, parse_condition, rng
from cascade_equivalence.audio.level import active_power
from cascade_equivalence.errors import AudioError, UsageError
from cascade_equivalence.tasks.task import corpus_dir


def speech(seconds: float = 2.0, seed: int = 0) -> np.ndarray:
    """Bursts of noise with pauses, as speech has them."""
    generator = np.random.default_rng(seed)
    spoken = np.arange(int(RATE * seconds)) // (RATE // 2) % 2 == 0
    return (0.1 * generator.normal(size=len(spoken)) * spoken).astype(np.float32)


def talkers(count: int = 8) -> list[Talker]:
    return [Talker(f"v{i}", speech(5.0, i) / np.float32(np.sqrt(active_power(speech(5.0, i))))) for i in range(count)]


def test_grammar() -> None:
    assert parse_condition("clean").steps == ()
    (step,) = parse_condition("babble@-2.5dB").steps
    assert (step.name, step.value) == ("babble", -2.5)
    assert len(parse_condition("babble@5dB+babble@0dB").steps) == 2


@pytest.mark.parametrize(
    "text", ["bable@5dB", "babble", "babble@5", "babble@5%", "clean@3dB", "", "babble@dB", "Clean"]
)
def test_wrong_names_and_units_list_the_valid_ones(text: str) -> None:
    with pytest.raises(UsageError, match="babble@"):
        parse_condition(text)


@pytest.mark.parametrize("snr", [-5, 0, 5, 20])
def test_snr_measured_by_other_means(snr: float) -> None:
    clean = stored(speech())
    degraded = degrade(clean, parse_condition(f"babble@{snr}dB"), talkers, 0, "x")
    noise = degraded.clip.samples / degraded.scale - clean.samples
    active = clean.samples[np.abs(clean.samples) > 0]
    frames = active[: len(active) // 320 * 320].reshape(-1, 320)
    measured = 10 * np.log10(np.mean(frames**2) / np.mean(noise**2))
    assert measured == pytest.approx(snr, abs=0.15)
    assert degraded.snr_db == pytest.approx(snr, abs=1e-3)


def test_speech_and_noise_are_scaled_together_where_they_would_clip() -> None:
    loud = stored(speech() * 3)
    degraded = degrade(loud, parse_condition("babble@-5dB"), talkers, 0, "x")
    assert degraded.scale < 1
    assert np.abs(degraded.clip.samples).max() <= 0.991
    noise = degraded.clip.samples / degraded.scale - loud.samples
    assert 10 * np.log10(active_power(loud.samples) / np.mean(noise**2)) == pytest.approx(-5, abs=0.1)


def test_depends_on_clip_condition_and_seed_alone() -> None:
    one, other = stored(speech(seed=1)), stored(speech(seed=2))
    five = parse_condition("babble@5dB")
    again = degrade(one, five, talkers, 0, "x").clip
    assert degrade(one, five, talkers, 0, "y").clip.sha256 == again.sha256
    assert degrade(one, five, talkers, 1, "x").clip.sha256 != again.sha256
    assert not np.allclose(
        degrade(other, five, talkers, 0, "x").clip.samples - other.samples, again.samples - one.samples
    )


def test_same_clip_in_another_process() -> None:
    code = (
        "from tests.audio.test_condition import *;"
        "print(degrade(stored(speech()), parse_condition('babble@0dB'), talkers, 3, 'x').clip.sha256)"
    )
    seen = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        for _ in range(2)
    }
    assert seen == {degrade(stored(speech()), parse_condition("babble@0dB"), talkers, 3, "x").clip.sha256}


def test_babble_has_three_to_seven_talkers_at_equal_level() -> None:
    ones = [Talker(str(i), np.ones(10, np.float32)) for i in range(8)]
    counts = {float(babble(ones, 4, rng("t", str(i)))[0]) for i in range(200)}
    assert counts == {float(n) for n in range(TALKERS[0], TALKERS[1] + 1)}


def test_short_talkers_are_repeated() -> None:
    ramp = [Talker(str(i), np.arange(1, 8, dtype=np.float32)) for i in range(3)]
    assert (babble(ramp, 100, rng("x")) > 0).all()


def test_silence_has_no_snr() -> None:
    silent = np.zeros(RATE, np.float32)
    with pytest.raises(AudioError, match="item 'q': the speech is silent"):
        mix(silent, speech(1.0), 5, "item 'q'")
    with pytest.raises(AudioError, match="the noise is silent"):
        mix(speech(1.0), silent, 5, "item 'q'")


def test_pauses_do_not_lower_the_level() -> None:
    burst = np.random.default_rng(0).normal(size=RATE).astype(np.float32)
    padded = np.concatenate([burst, np.zeros(3 * RATE, np.float32)])
    assert active_power(padded) == pytest.approx(active_power(burst), rel=1e-6)
    assert active_power(np.zeros(100, np.float32)) == 0


def test_shipped_talkers() -> None:
    voices = read_talkers(corpus_dir() / "babble.jsonl")
    assert len(voices) >= TALKERS[1]
    for voice in voices:
        assert active_power(voice.samples) == pytest.approx(1.0, rel=0.2)
