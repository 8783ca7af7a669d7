"""Training speech: flite and espeak-ng for breadth, Kokoro's training voices for naturalness, some of it in babble."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import soxr

from cascade_equivalence.audio.clip import RATE, Clip, Samples, stored
from cascade_equivalence.audio.level import active_power
from cascade_equivalence.audio.synthesis import KokoroSynthesizer
from cascade_equivalence.errors import ModelError
from cascade_equivalence.tasks.task import corpus_dir
from training.sentences import Sentences

FLITE = ("slt", "rms", "awb", "kal16")
ESPEAK = ("en-us", "en-us+f2", "en-us+m3", "en-gb", "en-gb+f4", "en-gb-scotland+m5")
MARGIN_S = 0.15


@dataclass(frozen=True, slots=True)
class Utterance:
    """One clip to be made. pitch: factor by resampling; rate: speaking rate as a factor; level: dBFS, active speech.

    babble: texts of other utterances (same engine) mixed in at `snr_db`, none for clean speech.
    """

    text: str
    engine: str
    voice: str
    rate: float
    pitch: float
    level: float
    babble: tuple[str, ...]
    snr_db: float


NATURAL = 900
"""Of our own first sentences, so many are meant for natural voices too."""


def plan_speech(sentences: Sentences, seed: int) -> dict[str, list[Utterance]]:
    """Who speaks what, in groups.

    kokoro: `NATURAL` of `own`, in natural voices. espeak-flite: `own` and `other`; more; second: quick voices.
    """
    rng = random.Random(f"speech {seed}")
    kokoro = tuple(json.loads((corpus_dir() / "voices.json").read_text(encoding="utf-8"))["roles"]["training"])
    own, pool = sentences.own, [*sentences.own, *sentences.other]

    def quick(text: str) -> Utterance:
        engine = rng.choice(("flite", "flite", "espeak"))
        return _utterance(text, engine, FLITE if engine == "flite" else ESPEAK, pool, rng)

    groups = {
        "kokoro": [_utterance(text, "kokoro", kokoro, own, rng) for text in own[:NATURAL]],
        "espeak-flite": [quick(text) for text in pool],
        "more": [quick(text) for text in sentences.more],
    }
    # Drawn anew, so that they are spoken alike however many sentences there are in `more`.
    rng = random.Random(f"speech {seed} second")
    return groups | {"second": [quick(text) for text in sentences.second]}


def _utterance(text: str, engine: str, voices: Sequence[str], pool: Sequence[str], rng: random.Random) -> Utterance:
    noisy = rng.random() < 0.15 and engine != "kokoro"
    return Utterance(
        text=text,
        engine=engine,
        voice=rng.choice(voices),
        rate=1.0 if engine == "kokoro" else round(rng.uniform(0.85, 1.15), 3),
        pitch=round(rng.uniform(0.92, 1.09), 3),
        level=round(rng.uniform(-32.0, -16.0), 1),
        babble=tuple(rng.sample(pool, 3)) if noisy else (),
        snr_db=round(rng.uniform(3.0, 18.0), 1),
    )


def make_clip(utterance: Utterance) -> Clip:
    """Speak, colour, mix and level, at 16 kHz. Raises `ModelError` if an engine is missing."""
    speech = _speak(utterance, utterance.text)
    if utterance.babble:
        noise = np.zeros_like(speech)
        for text in utterance.babble:
            other = _speak(utterance, text)
            noise += np.resize(other / np.sqrt(active_power(other) + 1e-12), len(noise)).astype(np.float32)
        wanted = active_power(speech) / (10 ** (utterance.snr_db / 10))
        speech = speech + noise * np.float32(np.sqrt(wanted / max(float(np.mean(noise**2)), 1e-12)))
    gain = 10 ** (utterance.level / 20) / np.sqrt(active_power(speech) + 1e-12)
    return stored((speech * min(gain, 0.97 / float(np.abs(speech).max()))).astype(np.float32))


def _speak(utterance: Utterance, text: str) -> Samples:
    if utterance.engine == "kokoro":
        wave, rate = _kokoro().speak(text, utterance.voice)
    else:
        wave, rate = _external(utterance, text)
    # Read as if sampled faster: pitch and formants up, duration down.
    sound = np.asarray(soxr.resample(wave, rate * utterance.pitch, RATE), np.float32)
    loud = np.flatnonzero(np.abs(sound) > 0.01 * np.abs(sound).max())
    margin = int(MARGIN_S * RATE)
    return np.pad(sound[loud[0] : loud[-1] + 1], margin)


def _external(utterance: Utterance, text: str) -> tuple[Samples, int]:
    program = {"flite": "flite", "espeak": "espeak-ng"}[utterance.engine]
    if shutil.which(program) is None:
        raise ModelError(f"training speech needs {program}: install the Debian package of that name")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        if utterance.engine == "flite":
            stretch = f"duration_stretch={1 / utterance.rate:.3f}"
            command = [program, "-voice", utterance.voice, "--setf", stretch, "-t", text, "-o", str(path)]
        else:
            speed = str(round(165 * utterance.rate))
            command = [program, "-v", utterance.voice, "-s", speed, "-w", str(path), text]
        subprocess.run(command, check=True, capture_output=True)
        wave, rate = soundfile.read(path, dtype="float32")
    return wave, rate


@cache
def _kokoro() -> KokoroSynthesizer:
    return KokoroSynthesizer()
