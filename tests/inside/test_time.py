"""Sound at audio positions: where an adapter says that they lie in time, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cascade_equivalence.audio.clip import RATE, Clip
from cascade_equivalence.errors import ModelError
from cascade_equivalence.inside.concepts import acoustic, sound_of
from cascade_equivalence.mechanism.targets import energy
from cascade_equivalence.systems.speech.adapter import POCKET

WINDOW, WORDS = replace(POCKET, positions="window"), replace(POCKET, positions="words")


@pytest.fixture
def clip() -> Clip:
    """Two seconds, the second twice as loud."""
    times = np.arange(2 * RATE) / RATE
    return Clip((np.sin(2 * np.pi * 150 * times) * np.where(times < 1, 0.1, 0.2)).astype(np.float32))


def test_a_window_that_ends_behind_the_clip_is_cut_to_it(clip: Clip) -> None:
    whole, there = 50, 25
    loud, high = (values.numpy() for values in sound_of(WINDOW, {}, [clip], [whole]))
    assert np.isfinite(loud[:there]).all() and np.isnan(loud[there:]).all() and np.isnan(high[there:]).all()
    assert loud[:there] == pytest.approx(energy(clip.samples, RATE, there, 0.08))
    # Spread over the whole window, the louder second would begin at its half.
    assert loud[20] - loud[5] == pytest.approx(np.log(2), abs=0.01)
    assert high[5] == pytest.approx(np.log2(150), abs=0.05)


def test_the_acoustic_concept_takes_what_is_behind_the_clip_for_silence(clip: Clip) -> None:
    made = acoustic(WINDOW, {}, [clip], [50]).numpy()
    assert made.shape == (50, 3) and np.isfinite(made).all()
    assert (made[25:, 0] == made[:25, 0].min()).all() and not made[25:, 1].any()


def test_what_would_have_to_be_guessed_is_an_error(clip: Clip) -> None:
    with pytest.raises(ModelError, match="stand for words"):
        sound_of(WORDS, {}, [clip], [7])
    with pytest.raises(ModelError, match="would have to be guessed"):
        sound_of(POCKET, {}, [clip], [7])
    with pytest.raises(ModelError, match="would have to be guessed"):
        sound_of(POCKET, {}, [clip], [50])
