import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from cascade_equivalence.agreement import within_transcript
from cascade_equivalence.agreement.dependence import _information


def corpus(speakers=12, sentences=2, emotions=8, takes=2):
    """Like acted emotional speech: every speaker says every sentence in every emotion, several times."""
    grid = np.indices((speakers, sentences, emotions, takes)).reshape(4, -1)
    return grid[0], grid[1], grid[2]


def test_a_cascade_cannot_follow_the_sound():
    who, words, sound = corpus()
    found = within_transcript(words * 3, sound, words, who, permutations=200)
    assert (found.bits, found.excess, found.varying) == (0.0, 0.0, 0.0)
    assert found.p == 1.0
    assert found.items == len(who)
    assert found.blocks == 24


def test_an_arm_that_hears_the_emotion_is_found():
    who, words, sound = corpus()
    rng = np.random.default_rng(0)
    answer = np.where(rng.random(len(sound)) < 0.5, sound, rng.integers(8, size=len(sound)))
    found = within_transcript(answer, sound, words, who, permutations=400)
    assert found.p < 0.01
    assert found.excess > 0.3
    perfect = within_transcript(sound, sound, words, who, permutations=200)
    assert perfect.bits == pytest.approx(3.0)
    assert perfect.share > 0.9


def test_transcription_noise_unrelated_to_the_sound_is_not_dependence():
    """The p-values of answers that vary at random are uniform."""
    who, words, sound = corpus(speakers=6)
    small = 0
    for seed in range(120):
        answer = np.random.default_rng(seed).integers(4, size=len(sound))
        small += within_transcript(answer, sound, words, who, permutations=99, seed=seed).p <= 0.1
    assert small / 120 < 0.2


def test_a_speaker_dependent_answer_is_no_evidence():
    """Voices differ in pitch; answers that follow the voice alone are held constant within speaker."""
    who, words, sound = corpus()
    assert within_transcript(who, sound, words, who, permutations=200).excess == pytest.approx(0.0, abs=1e-9)


def test_blocks_with_one_sound_do_not_count():
    found = within_transcript([0, 1, 0, 1], ["a", "b", "a", "a"], ["x", "x", "y", "y"], permutations=50)
    assert found.items == 2
    assert found.blocks == 1
    with pytest.raises(ValueError, match="nothing to compare"):
        within_transcript([0, 1], ["a", "b"], ["x", "y"])


def test_information_matches_scikit_learn_given_one_text():
    rng = np.random.default_rng(0)
    a, b = rng.integers(4, size=300), rng.integers(3, size=300)
    b = np.where(rng.random(300) < 0.5, a % 3, b)
    expected = mutual_info_score(a, b) / np.log(2)
    assert _information(a, b, np.zeros(300, dtype=int)) == pytest.approx(expected, abs=1e-12)
