"""Codecs: aligned, at the rate they say, with the band they leave."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest

from cascade_equivalence.audio.codec import CODECS, narrowband, tool_for, transcode
from cascade_equivalence.errors import AudioError
from tests.audio.signals import band_db, lag, speech, voice

SETTINGS = [
    *(("opus", rate) for rate in (6, 16, 24, 64)),
    *(("mp3", rate) for rate in (16, 32, 48, 64, 128)),
    ("ulaw", None),
    ("gsm", None),
]


def quality_db(clean: np.ndarray, coded: np.ndarray, high: float) -> float:
    """SNR of a coded signal below a frequency, the best gain being free."""
    spectrum, other = np.fft.rfft(clean), np.fft.rfft(coded)
    inside = np.fft.rfftfreq(len(clean), 1 / 16_000) < high
    a, b = spectrum[inside], other[inside]
    gain = np.vdot(a, b).real / np.vdot(a, a).real
    return float(10 * np.log10(np.sum(np.abs(gain * a) ** 2) / np.sum(np.abs(b - gain * a) ** 2)))


@pytest.mark.parametrize(("codec", "rate"), SETTINGS)
@pytest.mark.parametrize("length", [32_000, 20_011])
def test_aligned_and_of_the_same_length(codec: str, rate: float | None, length: int) -> None:
    clean = voice()[:length]
    coded = transcode(clean, codec, rate)
    assert len(coded) == length
    assert abs(lag(clean, coded)) <= 1
    assert quality_db(clean, coded, 1500) > (3 if rate in (6, 16) else 6)


@pytest.mark.parametrize("codec", ["opus", "mp3"])
def test_more_bits_are_nearer(codec: str) -> None:
    clean = voice()
    found = [quality_db(clean, transcode(clean, codec, rate), 4000) for rate in (16, 32, 128)]
    assert found == sorted(found)


def test_ulaw_is_g711() -> None:
    """Against the formula: 8 bits on a logarithmic scale keep about 38 dB whatever the level."""
    for level in (0.5, 0.05):
        tone = (level * np.sin(2 * np.pi * 700 * np.arange(16_000) / 16_000)).astype(np.float32)
        assert 34 < quality_db(tone, transcode(tone, "ulaw"), 3000) < 42


def test_telephone_codecs_leave_nothing_above_4_khz() -> None:
    clean = speech(4.0)
    for coded in (transcode(clean, "ulaw"), transcode(clean, "gsm"), narrowband(clean)):
        assert band_db(coded, 4300, 8000) < band_db(coded, 500, 3000) - 35


def test_narrowband_keeps_the_telephone_band_alone_and_in_place() -> None:
    clean = speech(4.0)
    narrow = narrowband(clean)
    assert len(narrow) == len(clean)
    assert band_db(narrow, 500, 3000) == pytest.approx(band_db(clean, 500, 3000), abs=0.3)
    assert band_db(narrow, 0, 150) < band_db(clean, 0, 150) - 20
    assert lag(clean, narrow) == 0


def test_a_codec_without_a_tool_says_what_to_install() -> None:
    opus = CODECS["opus"]
    assert tool_for(opus, {"OPUS", "VORBIS"}, None) == "libsndfile"
    assert tool_for(opus, {"VORBIS"}, "/usr/bin/ffmpeg") == "ffmpeg"
    with pytest.raises(AudioError, match=r"codec 'opus': .*without OPUS.*install ffmpeg"):
        tool_for(opus, {"VORBIS"}, None)


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="there is no ffmpeg")
@pytest.mark.parametrize(("codec", "rate"), [("opus", 16), ("mp3", 32), ("mp3", 64), ("ulaw", None), ("gsm", None)])
def test_ffmpeg_does_the_same(codec: str, rate: float | None) -> None:
    encoders = subprocess.run(["ffmpeg", "-v", "error", "-encoders"], capture_output=True, text=True, check=True).stdout
    if CODECS[codec].encoder not in encoders:
        with pytest.raises(AudioError, match=r"Unknown encoder .*does it have the codec"):
            transcode(voice(), codec, rate, "ffmpeg")
        return
    clean = voice()
    ours, theirs = transcode(clean, codec, rate, "libsndfile"), transcode(clean, codec, rate, "ffmpeg")
    assert len(theirs) == len(clean)
    assert abs(lag(clean, theirs)) <= 1
    assert quality_db(clean, theirs, 1500) == pytest.approx(quality_db(clean, ours, 1500), abs=6)


@pytest.mark.skipif(bool(shutil.which("ffmpeg")), reason="there is an ffmpeg")
def test_missing_ffmpeg() -> None:
    with pytest.raises(AudioError, match="ffmpeg is not installed"):
        transcode(voice(), "opus", 17, "ffmpeg")
