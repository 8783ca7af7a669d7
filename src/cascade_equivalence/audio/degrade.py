"""Applying a condition to a clip, step by step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cascade_equivalence.audio.babble import Talker, babble, talkers_of
from cascade_equivalence.audio.clip import RATE, Clip, Samples, stored
from cascade_equivalence.audio.codec import narrowband, transcode
from cascade_equivalence.audio.condition import Condition, Step
from cascade_equivalence.audio.level import active_power, power
from cascade_equivalence.audio.noise import coloured, limit, mix, recorded
from cascade_equivalence.audio.packets import lose
from cascade_equivalence.audio.reverb import (
    DISTANCE,
    ROOMS,
    at_level_of,
    recorded_response,
    reverberate,
    simulated_response,
)
from cascade_equivalence.errors import AudioError
from cascade_equivalence.seeds import rng

FAR_FIELD_RT60 = 0.5
"""Seconds."""

FAR_FIELD_FLOOR = -30.0
"""Level of the noise floor in dB against the talker's at 1 m, whatever the distance."""


@dataclass(frozen=True, slots=True)
class Degraded:
    """A clip under a condition.

    snr_db: SNR that the last noise step reached, on the active level of what it was given, before rounding and before
    what follows it; None without noise. scale: the factor by which speech and noise were scaled together to keep
    peaks below full scale (1: not at all), over all steps.
    """

    clip: Clip
    snr_db: float | None = None
    scale: float = 1.0


def degrade(
    clip: Clip, condition: Condition, talkers: Callable[[], Sequence[Talker]], seed: int, name: str
) -> Degraded:
    """Apply a condition to a clip; the random choices depend on clip, step and `seed` alone.

    `talkers` gives the babble speech when it is needed; `name` is what errors call the clip. `swap` is left to
    `controls.heard`, which says whose clip this is. Raises `AudioError` where a step cannot be done to this clip.
    """
    if condition.has("no-audio"):
        raise AudioError(f"{name}: under 'no-audio' there is no clip to make")
    if clip.rate != RATE:
        raise AudioError(f"{name}: a clip at {clip.rate} Hz; conditions need {RATE} Hz, which read_clip gives")
    samples, snr, scale = clip.samples, None, 1.0
    met: Counter[tuple[str, ...]] = Counter()
    for step in condition.steps:
        # The same step a second time in a chain draws anew.
        again = [f"again {met[step.recipe]}"] if met[step.recipe] else []
        met[step.recipe] += 1
        generator = rng(clip.sha256, *step.recipe, *again, str(seed))
        samples, reached, factor = _apply(step, samples, talkers, generator, seed, name)
        snr = snr if reached is None else reached
        scale *= factor
    return Degraded(clip if not condition.steps else stored(samples), snr, scale)


def _apply(
    step: Step,
    samples: Samples,
    talkers: Callable[[], Sequence[Talker]],
    generator: np.random.Generator,
    seed: int,
    name: str,
) -> tuple[Samples, float | None, float]:
    """The samples after a step, the SNR it made, and the factor against clipping."""
    value = step.value or 0.0
    match step.name:
        case "babble":
            return mix(samples, _babble(step, len(samples), talkers, generator), value, name)
        case "noise":
            return mix(samples, _noise(step, len(samples), generator), value, name)
        case "far_field":
            return far_field(samples, value, generator, seed, name)
        case "gain":
            # What an amplifier does, a digital one too: it clips at full scale.
            return np.clip(samples * np.float32(10 ** (value / 20)), -1, 1).astype(np.float32), None, 1.0
        case "silence":
            return np.zeros_like(samples), None, 1.0
        case "shift":
            return shifted(samples, value), None, 1.0
        case "swap":
            return samples, None, 1.0
    return _without_noise(step, samples, value, generator, seed, name)


def _without_noise(
    step: Step, samples: Samples, value: float, generator: np.random.Generator, seed: int, name: str
) -> tuple[Samples, float | None, float]:
    match step.name:
        case "reverb" if step.recordings:
            changed = at_level_of(reverberate(samples, recorded_response(step.recordings, generator)), samples)
        case "reverb":
            distance = step.values[1] if len(step.values) > 1 else DISTANCE
            response = simulated_response(value, distance, int(generator.integers(ROOMS)), seed)
            changed = at_level_of(reverberate(samples, response), samples)
        case "codec":
            changed = transcode(samples, step.kind or "", step.value)
        case "narrowband":
            changed = narrowband(samples)
        case "packet_loss":
            changed = lose(samples, value / 100, step.kind == "concealed", generator)
        case "clip":
            ceiling = np.abs(samples).max() * 10 ** (-value / 20)
            changed = np.clip(samples, -ceiling, ceiling).astype(np.float32)
        case "speed":
            changed = speed(samples, value, name)
        case unknown:
            raise AssertionError(unknown)
    limited, factor = limit(changed)
    return limited, None, factor


def far_field(
    samples: Samples, distance: float, generator: np.random.Generator, seed: int, name: str
) -> tuple[Samples, float, float]:
    """A talker across the room: a simulated room (RT60 0.5 s), the level falling with distance, pink noise.

    The clip is what a microphone at 1 m would hear in the open; the noise floor stays 30 dB below that, so the SNR
    falls as the talker moves away. Returns the samples, that SNR and the factor against clipping.
    """
    speech_power = active_power(samples)
    if speech_power == 0:
        raise AudioError(f"{name}: the speech is silent, it has no level to put a noise floor under")
    wet = reverberate(samples, simulated_response(FAR_FIELD_RT60, distance, int(generator.integers(ROOMS)), seed))
    noise = coloured("pink", len(samples), generator)
    floor = noise * np.sqrt(speech_power * 10 ** (FAR_FIELD_FLOOR / 10) / power(noise))
    mixture, factor = limit(wet + floor.astype(np.float32))
    return mixture, 10 * float(np.log10(active_power(wet) / power(floor))), factor


def shifted(samples: Samples, milliseconds: float) -> Samples:
    """Later by a time, as long as it was: silence comes first, and as much falls off at the end."""
    late = min(round(milliseconds * RATE / 1000), len(samples))
    return np.concatenate([np.zeros(late, np.float32), samples[: len(samples) - late]])


def speed(samples: Samples, factor: float, name: str) -> Samples:
    """Played faster by a factor, which raises the pitch with it; the length falls by the factor."""
    import soxr

    changed = np.asarray(soxr.resample(samples, RATE * factor, RATE, quality="HQ"), np.float32)
    if not len(changed):
        raise AudioError(f"{name}: too short to be played {factor:g} times as fast")
    return changed


def _babble(
    step: Step, length: int, talkers: Callable[[], Sequence[Talker]], generator: np.random.Generator
) -> Samples:
    if step.recordings is None:
        return babble(talkers(), length, generator)
    if step.recordings.path.is_file():
        return recorded(step.recordings, length, generator)
    return babble(talkers_of(step.recordings), length, generator)


def _noise(step: Step, length: int, generator: np.random.Generator) -> Samples:
    if step.recordings is None:
        return coloured(step.kind or "", length, generator)
    return recorded(step.recordings, length, generator)
