"""A planted study that can be listened to: two tasks, a noise sweep, a speech LLM beside two cascades."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cascade_equivalence.audio.clip import RATE, Clip
from cascade_equivalence.audio.store import ClipStore
from cascade_equivalence.run.layout import CLIPS
from cascade_equivalence.study.results import Results
from tests.study.planted import build, task

LABELS = ["World", "Sports", "Business", "Science"]
CONDITIONS = ["clean", "babble@10dB", "babble@0dB"]
ERRORS = {"gold": 2, "s": 4, "w": 5, "speech": 7}
"""Of 30 items on clean speech; each step of noise costs twice as many again."""


def said(arm: str, name: str, condition: str, i: int) -> str:
    labels = LABELS if name == "topic" else LABELS[:2]
    steps = 0 if arm == "gold" else CONDITIONS.index(condition)
    wrong = (7 * i + len(arm)) % 30 < ERRORS[arm] * (1 + 2 * steps)
    return labels[(i + wrong) % len(labels)]


def speaking(directory: Path, n: int = 30, seconds: float = 1.0) -> Results:
    """Build the run with a clip for each trial."""
    store = ClipStore(directory / CLIPS)

    def sound(name: str, condition: str, i: int) -> str:
        rng = np.random.default_rng([len(name), CONDITIONS.index(condition), i])
        times = np.arange(int(seconds * RATE)) / RATE
        clip = Clip((0.1 * np.sin(600 * times) + 0.02 * rng.normal(size=len(times))).astype(np.float32))
        store.put(clip)
        return clip.sha256

    tasks = [
        task("topic", LABELS, n, conditions=CONDITIONS),
        task("sentiment", LABELS[:2], n, conditions=CONDITIONS),
    ]
    return build(directory, tasks, said, sound, resamples=100)
