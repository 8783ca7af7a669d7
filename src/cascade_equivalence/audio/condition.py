"""Conditions: what is done to the audio. Written `clean`, `babble@5dB`; composed in order with `+`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cascade_equivalence.audio.babble import Talker, babble
from cascade_equivalence.audio.clip import Clip, Samples, stored
from cascade_equivalence.audio.level import active_power, power
from cascade_equivalence.errors import AudioError, UsageError

_STEP = re.compile(r"(?P<name>[a-z_-]+)(?:@(?P<value>[+-]?\d+(?:\.\d+)?)(?P<unit>[A-Za-z%]*))?")
_PEAK = 0.99


@dataclass(frozen=True, slots=True)
class Step:
    """One degradation with its parameter, e.g. babble at 5 (dB)."""

    name: str
    value: float | None


@dataclass(frozen=True, slots=True)
class Condition:
    """A named chain of steps; `clean` has none."""

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Degraded:
    """A clip under a condition.

    snr_db: SNR reached on active-speech level before rounding, None without noise. scale: the factor by which speech
    and noise were scaled together to keep peaks below full scale (1: not at all).
    """

    clip: Clip
    snr_db: float | None = None
    scale: float = 1.0


_UNITS = {"babble": "dB"}


def parse_condition(text: str) -> Condition:
    """Read a condition's name. Raises `UsageError` listing the valid steps and units."""
    valid = "clean, " + ", ".join(f"{name}@<number>{unit}" for name, unit in _UNITS.items())
    steps = []
    for part in text.split("+"):
        match = _STEP.fullmatch(part.strip())
        if not match or (match["name"] not in _UNITS and match["name"] != "clean"):
            raise UsageError(f"condition '{text}': no step '{part.strip()}'; there are: {valid}")
        if match["name"] == "clean":
            if match["value"] is not None:
                raise UsageError(f"condition '{text}': 'clean' takes no value; there are: {valid}")
            continue
        unit = _UNITS[match["name"]]
        if match["value"] is None or match["unit"] != unit:
            raise UsageError(f"condition '{text}': write {match['name']}@<number>{unit}, e.g. {match['name']}@5{unit}")
        steps.append(Step(match["name"], float(match["value"])))
    return Condition(text, tuple(steps))


def degrade(
    clip: Clip, condition: Condition, talkers: Callable[[], Sequence[Talker]], seed: int, name: str
) -> Degraded:
    """Apply a condition to a clip; the random choices depend on clip, step and `seed` alone.

    `talkers` gives the babble speech when it is needed; `name` is what errors call the clip.
    """
    samples, snr, scale = clip.samples, None, 1.0
    for step in condition.steps:
        assert step.name == "babble" and step.value is not None
        generator = rng(clip.sha256, step.name, repr(step.value), str(seed))
        noise = babble(talkers(), len(samples), generator)
        samples, snr, factor = mix(samples, noise, step.value, name)
        scale *= factor
    return Degraded(clip if not condition.steps else stored(samples), snr, scale)


def mix(speech: Samples, noise: Samples, snr_db: float, name: str) -> tuple[Samples, float, float]:
    """Add noise at an SNR: active-speech power of `speech` over the mean power of `noise`.

    Returns the mixture, the SNR reached (dB) and the factor both were scaled by where the peak would pass
    0.99. Raises `AudioError` if either is silent: the ratio is not defined then.
    """
    speech_power, noise_power = active_power(speech), power(noise)
    if speech_power == 0 or noise_power == 0:
        silent = "speech" if speech_power == 0 else "noise"
        raise AudioError(f"{name}: the {silent} is silent, an SNR of {snr_db} dB cannot be made")
    gain = np.sqrt(speech_power / (noise_power * 10 ** (snr_db / 10)))
    scaled = (noise * gain).astype(np.float32)
    mixture = speech + scaled
    peak = float(np.abs(mixture).max())
    factor = _PEAK / peak if peak > _PEAK else 1.0
    reached = 10 * float(np.log10(speech_power / power(scaled)))
    return (mixture * np.float32(factor)).astype(np.float32), reached, factor


def rng(*parts: str) -> np.random.Generator:
    """A generator seeded by the hash of `parts`: the same on every machine, in every process."""
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))
