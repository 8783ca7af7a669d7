"""Reading audio of every kind, and storing it so that it reads back as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from cascade_equivalence.audio.clip import RATE, Clip, read_clip, read_flac, stored, write_flac
from cascade_equivalence.audio.store import ClipStore
from cascade_equivalence.errors import AudioError


def tone(rate: int, seconds: float = 0.5, frequency: float = 440.0, channels: int = 1) -> np.ndarray:
    wave = 0.3 * np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)
    return np.repeat(wave[:, None], channels, axis=1).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_any_rate_and_channel_count_becomes_16k_mono(tmp_path: Path, rate: int, channels: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(rate, channels=channels), rate)
    clip = read_clip(path)
    assert clip.rate == RATE
    assert clip.samples.dtype == np.float32
    assert abs(len(clip.samples) - RATE // 2) <= 1
    spectrum = np.abs(np.fft.rfft(clip.samples * np.hanning(len(clip.samples))))
    peak = spectrum.argmax() * RATE / len(clip.samples)
    assert abs(peak - 440) < 4
    assert abs(np.sqrt(np.mean(clip.samples[2000:-2000] ** 2)) - 0.3 / np.sqrt(2)) < 0.005


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".wav", {}), (".flac", {}), (".mp3", {}), (".ogg", {"subtype": "VORBIS"}),
        (".opus", {"format": "OGG", "subtype": "OPUS"}),
    ],
)  # fmt: skip
def test_every_format(tmp_path: Path, suffix: str, options: dict[str, str]) -> None:
    path = tmp_path / f"a{suffix}"
    soundfile.write(path, tone(48000), 48000, **options)
    clip = read_clip(path)
    assert 0.4 < clip.seconds < 0.7
    assert np.isfinite(clip.samples).all()


def test_bad_files_name_file_and_item(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"item 'q7'.*missing\.wav is missing"):
        read_clip(tmp_path / "missing.wav", "q7")
    text = tmp_path / "text.wav"
    text.write_text("this is not a sound")
    with pytest.raises(AudioError, match=r"text\.wav cannot be read as audio"):
        read_clip(text)
    empty = tmp_path / "empty.wav"
    soundfile.write(empty, np.zeros((0, 1), np.float32), RATE)
    with pytest.raises(AudioError, match=r"empty\.wav has no samples"):
        read_clip(empty)
    nan = tmp_path / "nan.wav"
    soundfile.write(nan, np.array([0.0, np.nan, np.inf], np.float32), RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"nan\.wav has 2 samples that are NaN or infinite"):
        read_clip(nan)
    (tmp_path / "zero.wav").touch()
    with pytest.raises(AudioError, match=r"zero\.wav cannot be read as audio"):
        read_clip(tmp_path / "zero.wav")


@given(st.lists(st.floats(-1.5, 1.5, width=32), min_size=1, max_size=200))
def test_a_stored_clip_is_a_fixed_point(values: list[float]) -> None:
    clip = stored(np.array(values, np.float32))
    assert stored(clip.samples).sha256 == clip.sha256
    assert np.array_equal(stored(clip.samples).samples, clip.samples)


def test_flac_round_trip_is_exact(tmp_path: Path) -> None:
    clip = stored(np.random.default_rng(0).uniform(-1, 1, 5000).astype(np.float32))
    write_flac(clip, tmp_path / "c.flac")
    back = read_flac(tmp_path / "c.flac")
    assert np.array_equal(back.samples, clip.samples)
    assert back.sha256 == clip.sha256
    assert [p.name for p in tmp_path.iterdir()] == ["c.flac"]


def test_store_notices_a_changed_clip(tmp_path: Path) -> None:
    store = ClipStore(tmp_path)
    clip = stored(np.random.default_rng(0).uniform(-1, 1, 5000).astype(np.float32))
    path = store.put(clip)
    assert np.array_equal(store.get(clip.sha256).samples, clip.samples)
    write_flac(Clip(clip.samples[::-1].copy()), path)
    with pytest.raises(AudioError, match="was changed"):
        store.get(clip.sha256)
    path.unlink()
    with pytest.raises(AudioError, match="is missing"):
        store.get(clip.sha256)
