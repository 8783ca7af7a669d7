"""Each step does to a clip what its name says, measured by other means than its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cascade_equivalence.audio.babble import read_talkers, talkers_of
from cascade_equivalence.audio.clip import RATE, Clip, read_clip, stored
from cascade_equivalence.audio.condition import FORMS, parse_condition
from cascade_equivalence.audio.degrade import Degraded, degrade
from cascade_equivalence.audio.recordings import find_recordings
from cascade_equivalence.audio.store import ClipStore
from cascade_equivalence.errors import AudioError, UsageError
from cascade_equivalence.tasks.task import corpus_dir
from tests.audio.signals import active_level_db, band_db, level_db, speech, voice

REAL = os.environ.get("CEQ_NOISE")


def shipped():
    return read_talkers(corpus_dir() / "babble.jsonl")


def under(condition: str, clip: Clip, base: Path | None = None, seed: int = 0) -> Degraded:
    return degrade(clip, parse_condition(condition, base), shipped, seed, "item 'q'")


@pytest.fixture(scope="module")
def sounds(tmp_path_factory) -> Path:
    """Noise shorter and longer than speech at other rates, a room's response, and a folder of talkers."""
    folder = tmp_path_factory.mktemp("sounds")
    generator = np.random.default_rng(7)
    (folder / "kitchen").mkdir()
    for index, (rate, seconds) in enumerate([(RATE, 0.3), (44_100, 1.0), (8000, 9.0)]):
        soundfile.write(folder / "kitchen" / f"{index}.wav", 0.05 * generator.normal(size=int(rate * seconds)), rate)
    hum = 1e-3 * generator.normal(size=3 * RATE)
    for index in range(4):
        (folder / "people" / f"p{index}").mkdir(parents=True)
        soundfile.write(folder / "people" / f"p{index}" / "a.flac", speech(3.0, index) + hum, RATE)
    decay = np.exp(-np.arange(RATE // 2) / (0.05 * RATE)) * generator.normal(size=RATE // 2) * 0.1
    decay[:100] = 0
    decay[100] = 1
    soundfile.write(folder / "hall.wav", decay * 0.5, RATE, subtype="FLOAT")
    return folder


def random_clips(count: int) -> list[Clip]:
    """Speech-like clips of random length, pauses and level, -45 to -15 dBFS."""
    generator = np.random.default_rng(11)
    clips = []
    for index in range(count):
        made = speech(generator.uniform(0.8, 4.0), index) if index % 2 else voice(generator.uniform(0.8, 4.0), index)
        made = np.roll(made, int(generator.integers(len(made))))
        clips.append(stored(made / np.abs(made).max() * np.float32(10 ** (generator.uniform(-30, -3) / 20))))
    return clips


@pytest.mark.parametrize("kind", ["babble", "noise:white", "noise:pink", "noise:brown", "noise:kitchen"])
def test_snr_of_the_stored_file_minus_the_clean_clip(kind: str, sounds: Path, tmp_path: Path) -> None:
    store = ClipStore(tmp_path)
    rescaled = 0
    for index, clean in enumerate(random_clips(24)):
        snr = [25, 20, 15, 10, 5, 0, -5][index % 7]
        made = under(f"{kind}@{snr}dB", clean, sounds)
        samples, _ = soundfile.read(store.put(made.clip), dtype="float64")
        # The file's own integers: an error in how clips are rounded would show here too.
        noise = samples * 32768 / 32767 / made.scale - clean.samples
        measured = active_level_db(clean.samples) - level_db(noise)
        assert measured == pytest.approx(snr, abs=0.1), (index, made.scale)
        assert made.snr_db == pytest.approx(snr, abs=0.01)
        assert np.abs(samples).max() <= 0.9901
        rescaled += made.scale < 1
    assert rescaled < 24


def test_speech_is_scaled_together_with_noise() -> None:
    loud = stored(voice() / np.abs(voice()).max() * 0.95)
    made = under("noise:white@0dB", loud)
    assert made.scale < 1
    # Least squares finds the factor of the speech in the mixture.
    factor = np.dot(made.clip.samples, loud.samples) / np.dot(loud.samples, loud.samples)
    assert factor == pytest.approx(made.scale, rel=0.02)


@pytest.mark.parametrize(("colour", "slope"), [("white", 0), ("pink", -3.01), ("brown", -6.02)])
def test_colours_fall_by_the_octave(colour: str, slope: float) -> None:
    clean = stored(speech(20.0))
    made = under(f"noise:{colour}@0dB", clean)
    noise = made.clip.samples / made.scale - clean.samples
    octaves = [250, 500, 1000, 2000, 4000]
    density = [band_db(noise, f, 2 * f) - 10 * np.log10(f) for f in octaves]
    assert np.polyfit(range(5), density, 1)[0] == pytest.approx(slope, abs=0.4)


CHAINS = [
    "babble@5dB",
    "babble:people@5dB",
    "noise:pink@0dB",
    "noise:kitchen@10dB",
    "reverb:hall.wav",
    "codec:opus@16k",
    "codec:mp3@32k",
    "codec:ulaw",
    "codec:gsm",
    "narrowband",
    "packet_loss@10%",
    "packet_loss:concealed@20%",
    "clip@12dB",
    "gain@-20dB",
    "speed@1.1",
    "silence",
    "reverb@0.3s+noise:brown@5dB+codec:gsm+packet_loss:concealed@5%",
    "far_field@2m",
]


def test_same_seed_same_clips_in_another_process(sounds: Path) -> None:
    pytest.importorskip("pyroomacoustics")
    code = (
        "import sys; from pathlib import Path; from tests.audio.test_degrade import *;"
        "[print(under(c, stored(voice()), Path(sys.argv[1]), 3).clip.sha256) for c in CHAINS]"
    )
    seen = subprocess.run(
        [sys.executable, "-c", code, str(sounds)],
        capture_output=True, text=True, check=True, env=os.environ | {"PYTHONHASHSEED": "77"},
    ).stdout.split()  # fmt: skip
    assert seen == [under(c, stored(voice()), sounds, 3).clip.sha256 for c in CHAINS]
    assert len(set(seen)) == len(CHAINS)


@pytest.mark.parametrize("condition", [c for c in CHAINS if c.split("@")[0] in ("babble", "noise:pink", "packet_loss")])
def test_random_choices_follow_clip_and_seed(condition: str) -> None:
    one, other = stored(voice(seed=1)), stored(voice(seed=2))
    assert under(condition, one, seed=1).clip.sha256 != under(condition, one, seed=0).clip.sha256

    def change(clip: Clip) -> np.ndarray:
        return under(condition, clip).clip.samples != clip.samples

    assert (change(one) != change(other)).any()


def test_the_same_step_twice_draws_twice() -> None:
    clean = stored(0.1 * voice())
    once, twice = under("noise:white@10dB", clean), under("noise:white@10dB+noise:white@10dB", clean)
    first, both = once.clip.samples - clean.samples, twice.clip.samples - clean.samples
    assert abs(np.corrcoef(first, both - first)[0, 1]) < 0.05


def test_where_recordings_lie_does_not_matter(sounds: Path, tmp_path: Path) -> None:
    (tmp_path / "moved").mkdir()
    for file in (sounds / "kitchen").iterdir():
        (tmp_path / "moved" / file.name).write_bytes(file.read_bytes())
    clean = stored(voice())
    there, here = under("noise:kitchen@5dB", clean, sounds), under("noise:moved@5dB", clean, tmp_path)
    assert there.clip.sha256 == here.clip.sha256


def test_noise_shorter_than_the_speech_is_repeated(sounds: Path) -> None:
    clean = stored(0.1 * voice(2.0))
    made = under("noise:kitchen/0.wav@0dB", clean, sounds)
    noise = made.clip.samples - clean.samples
    period = int(0.3 * RATE)
    np.testing.assert_allclose(noise[period:], noise[:-period], atol=2 / 32767)


def test_a_ready_track_is_taken_as_it_is(sounds: Path) -> None:
    clean = stored(voice())
    ready = sounds / "people" / "p0" / "a.flac"
    made = under(f"babble:{ready.relative_to(sounds)}@5dB", clean, sounds)
    noise = made.clip.samples / made.scale - clean.samples
    track = np.tile(read_clip(ready).samples, 2).astype(np.float64)
    spectrum = np.fft.rfft(track) * np.conj(np.fft.rfft(noise, len(track)))
    place = int(np.fft.irfft(spectrum, len(track)).argmax())
    assert np.corrcoef(np.roll(track, -place)[: len(noise)], noise)[0, 1] > 0.999


def test_folders_of_talkers(sounds: Path, tmp_path: Path) -> None:
    assert [t.name for t in talkers_of(find_recordings(sounds / "people"))] == ["p0", "p1", "p2", "p3"]
    for index in range(2):
        soundfile.write(tmp_path / f"{index}.wav", speech(1.0, index), RATE)
    with pytest.raises(UsageError, match="at least 3 talkers, there are 2"):
        under(f"babble:{tmp_path.name}@5dB", stored(voice()), tmp_path.parent)


def test_clip_gain_speed_silence() -> None:
    clean = stored(voice())
    peak = np.abs(clean.samples).max()
    clipped = under("clip@12dB", clean).clip.samples
    limit = peak * 10 ** (-12 / 20)
    below = np.abs(clean.samples) < limit - 1e-4
    assert np.abs(clipped).max() == pytest.approx(limit, abs=1e-4)
    np.testing.assert_array_equal(clipped[below], clean.samples[below])
    quiet = under("gain@-20dB", clean).clip.samples
    assert level_db(clean.samples) - level_db(quiet) == pytest.approx(20, abs=0.05)
    over = under("gain@40dB", clean)
    assert np.abs(over.clip.samples).max() == 1 and over.scale == 1
    assert not under("silence", clean).clip.samples.any()
    tone = stored((0.3 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32))
    for factor in (0.5, 0.9, 1.1, 2):
        fast = under(f"speed@{factor}", tone).clip.samples
        assert len(fast) == pytest.approx(RATE / factor, abs=1)
        spectrum = np.abs(np.fft.rfft(fast * np.hanning(len(fast)), 8 * RATE))
        assert spectrum.argmax() / 8 == pytest.approx(440 * factor, abs=1)


def test_steps_are_applied_in_order() -> None:
    clean = stored(voice())
    limit = np.abs(clean.samples).max() * 10 ** (-12 / 20)
    clipped, noise = (under(c, clean).clip.samples for c in ("clip@12dB", "noise:white@5dB"))
    clipped_last = under("noise:white@5dB+clip@12dB", clean).clip.samples
    noise_last = under("clip@12dB+noise:white@5dB", clean).clip.samples
    ceiling = np.abs(noise).max() * 10 ** (-12 / 20)
    np.testing.assert_allclose(clipped_last, np.clip(noise, -ceiling, ceiling), atol=2e-4)
    assert np.abs(noise_last).max() > limit
    assert active_level_db(clipped) - level_db(noise_last - clipped) == pytest.approx(5, abs=0.1)
    assert under("clean+silence", clean).clip.sha256 == under("silence", clean).clip.sha256
    assert under("clean", clean).clip is clean


SOUNDLESS = ["babble@5dB", "noise:white@5dB", "far_field@1m"]


@pytest.mark.parametrize("condition", SOUNDLESS)
def test_silent_speech_has_no_snr(condition: str) -> None:
    with pytest.raises(AudioError, match="item 'q': the speech is silent"):
        under(condition, stored(np.zeros(RATE, np.float32)))


@pytest.mark.parametrize("condition", [c for c in CHAINS if "noise" not in c and "babble" not in c and "far" not in c])
def test_silent_speech_stays_silent_without_noise(condition: str, sounds: Path) -> None:
    made = under(condition, stored(np.zeros(RATE, np.float32)), sounds)
    assert np.abs(made.clip.samples).max() < 1e-3


@pytest.mark.parametrize("condition", CHAINS)
@pytest.mark.parametrize("length", [2, 10, 333])
def test_very_short_clips(condition: str, length: int, sounds: Path) -> None:
    made = under(condition, stored(np.resize([0.1, -0.1], length).astype(np.float32)), sounds)
    expected = length if "speed" not in condition else round(length / 1.1)
    assert abs(len(made.clip.samples) - expected) <= (1 if "speed" in condition else 0)
    assert np.isfinite(made.clip.samples).all()


def test_bad_recordings(tmp_path: Path) -> None:
    clean = stored(voice())
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    with pytest.raises(AudioError, match=r"silent\.wav is silent"):
        under("noise:silent.wav@5dB", clean, tmp_path)
    with pytest.raises(AudioError, match=r"silent\.wav is silent"):
        under("reverb:silent.wav", clean, tmp_path)
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(AudioError, match=r"text\.wav cannot be read as audio"):
        under("noise:text.wav@5dB", clean, tmp_path)
    click = np.zeros(600 * RATE, np.float32)
    click[5] = 0.5
    soundfile.write(tmp_path / "click.flac", click, RATE)
    with pytest.raises(AudioError, match=r"click\.flac is silent nearly everywhere"):
        under("noise:click.flac@5dB", stored(voice(0.5)), tmp_path)


def test_gaps_in_a_recording_are_not_amplified(tmp_path: Path) -> None:
    bark = np.zeros(5 * RATE)
    bark[:RATE] = 0.2 * np.random.default_rng(0).normal(size=RATE)
    soundfile.write(tmp_path / "bark.wav", bark, RATE)
    for seed in range(20):
        clean = stored(0.1 * voice(0.5, seed))
        made = under("noise:bark.wav@5dB", clean, tmp_path, seed)
        assert active_level_db(clean.samples) - level_db(made.clip.samples / made.scale - clean.samples) == (
            pytest.approx(5, abs=0.1)
        )


def test_wrong_rate_and_no_audio() -> None:
    with pytest.raises(AudioError, match=r"item 'q': a clip at 8000 Hz; conditions need 16000 Hz"):
        under("gain@-3dB", Clip(voice(), 8000))
    with pytest.raises(AudioError, match="no clip to make"):
        under("no-audio", stored(voice()))


def test_every_form_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "conditions.md").read_text(encoding="utf-8")
    assert not [str(form) for form in FORMS if f"`{form}`" not in page]


@pytest.mark.skipif(not REAL, reason="CEQ_NOISE names no folder of recorded noise and impulse responses")
def test_real_recordings() -> None:
    folder = Path(REAL or "")
    noises = [f for f in find_recordings(folder).files if "rir" not in f.name]
    responses = [f for f in find_recordings(folder).files if "rir" in f.name]
    assert noises and responses
    for index, clean in enumerate(random_clips(3 * len(noises))):
        file = noises[index % len(noises)]
        made = under(f"noise:{file.name}@{index % 4 * 5}dB", clean, folder)
        noise = made.clip.samples / made.scale - clean.samples
        assert active_level_db(clean.samples) - level_db(noise) == pytest.approx(index % 4 * 5, abs=0.1), file
    for file in responses:
        clean = stored(speech())
        made = under(f"reverb:{file.name}", clean, folder)
        assert active_level_db(made.clip.samples / made.scale) == pytest.approx(active_level_db(clean.samples), abs=0.1)
        # A microphone may turn the polarity over.
        assert 0.1 < abs(np.corrcoef(made.clip.samples, clean.samples)[0, 1]) < 0.999


def test_a_folder_like_musans_speech_has_a_talker_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two folders of many recordings; read when drawn, they sound as when they are kept."""
    from cascade_equivalence.audio import babble as module

    rng = np.random.default_rng(0)
    for at in range(6):
        folder = tmp_path / ("librivox" if at % 2 else "us-gov")
        folder.mkdir(exist_ok=True)
        soundfile.write(folder / f"speech-{at}.wav", rng.normal(0, 0.1, 16000), 16000)
    kept = talkers_of(find_recordings(tmp_path))
    assert len(kept) == 6
    monkeypatch.setattr(module, "_KEPT_WHOLE", 2)
    talkers_of.cache_clear()
    later = talkers_of(find_recordings(tmp_path))
    talkers_of.cache_clear()
    assert all(callable(talker.speech) for talker in later)
    sounds = [module.babble(talkers, 4000, np.random.default_rng(1)) for talkers in (kept, later)]
    assert np.array_equal(*sounds)
