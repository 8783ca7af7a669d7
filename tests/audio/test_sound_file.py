"""Sound files are whole, audible and of this world, or an error names file and item."""

from __future__ import annotations

import io
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from cascade_equivalence.audio.clip import RATE, read_clip, stored
from cascade_equivalence.audio.condition import parse_condition
from cascade_equivalence.audio.degrade import degrade
from cascade_equivalence.audio.mp3 import tagged
from cascade_equivalence.errors import AudioError

from ..shared_data import SHARED
from .signals import voice


def encoded(samples: np.ndarray, container: str = "WAV", subtype: str = "PCM_16", rate: int = RATE) -> bytes:
    made = io.BytesIO()
    with soundfile.SoundFile(
        made, "w", rate, 1 if samples.ndim == 1 else samples.shape[1], subtype, format=container
    ) as f:
        for at in range(0, len(samples), 16_000):
            f.write(samples[at : at + 16_000])
    return made.getvalue()


def read(tmp_path: Path, data: bytes, name: str = "a.wav"):
    (tmp_path / name).write_bytes(data)
    return read_clip(tmp_path / name, "q7")


NOISE = np.random.default_rng(0).normal(0, 0.1, 6 * RATE).astype(np.float32)
CONTAINERS = [
    ("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAVEX", "PCM_24"), ("RF64", "PCM_16"), ("W64", "PCM_16"), ("AIFF", "PCM_16"),
    ("AU", "PCM_16"), ("CAF", "PCM_16"), ("NIST", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
]  # fmt: skip


@pytest.mark.parametrize(("container", "subtype"), CONTAINERS)
def test_whole_files_are_read_and_cut_ones_are_not(tmp_path: Path, container: str, subtype: str) -> None:
    whole = encoded(NOISE, container, subtype)
    assert abs(read(tmp_path, whole).seconds - 6) < 0.2
    for share in (0.97, 0.7, 0.5, 0.1):
        with pytest.raises(AudioError, match=r"item 'q7': .*a\.wav"):
            read(tmp_path, whole[: int(share * len(whole))])


def test_a_wave_written_to_a_pipe_has_no_length(tmp_path: Path) -> None:
    data = bytearray(encoded(NOISE))
    at = data.find(b"data")
    data[at + 4 : at + 8] = data[4:8] = b"\xff\xff\xff\xff"
    assert read(tmp_path, bytes(data)).seconds == 6


def test_what_comes_after_the_sound_is_no_matter(tmp_path: Path) -> None:
    assert read(tmp_path, encoded(NOISE) + b"LIST\x04\x00\x00\x00abcd" + bytes(500)).seconds == 6


@pytest.mark.parametrize("rate", [16_000, 44_100])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("damage", ["none", "less", "more", "removed", "tags"])
def test_the_frames_of_an_mp3_are_counted(tmp_path: Path, rate: int, channels: int, damage: str) -> None:
    wave = np.random.default_rng(1).normal(0, 0.1, (5 * rate, channels)).astype(np.float32)
    wave[: 2 * rate] *= 0.001  # quiet at first: a variable bit rate starts low, and an estimate from it is wrong
    made = io.BytesIO()
    soundfile.write(made, wave, rate, format="MP3", subtype="MPEG_LAYER_III", bitrate_mode="VARIABLE")
    data = bytearray(made.getvalue())
    at = max(data.find(b"Xing"), data.find(b"Info"))
    assert at > 0
    count = int.from_bytes(data[at + 8 : at + 12], "big")
    if damage in ("less", "more"):
        data[at + 8 : at + 12] = (count // 4 if damage == "less" else count * 4).to_bytes(4, "big")
    elif damage == "removed":
        second = data.find(b"\xff", at + 100)
        while data[second + 1] & 0xE0 != 0xE0:
            second = data.find(b"\xff", second + 1)
        del data[:second]
    elif damage == "tags":
        picture = b"\xff\xfb\x90\x00" * 300
        size = len(picture)
        head = b"ID3\x04\x00\x00" + bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))
        data = bytearray(head + picture) + data + b"TAG" + bytes(125)
    clip = read(tmp_path, bytes(data), "a.mp3")
    assert abs(clip.seconds - 5) < 0.12
    if damage == "none":
        assert tagged(io.BytesIO(data)) is None


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros(RATE, np.float32), "is silent"),
        (np.full(RATE, 0.25, np.float32), "silent but for a constant offset of 0.25"),
        (np.full(RATE, 1e-5, np.float32), "is silent"),
        (0.5 + 1e-2 * NOISE[:RATE], "constant offset of 0.5 and hardly any sound"),
        (np.stack([NOISE, -NOISE], axis=1), "channels cancel each other"),
        (np.stack([NOISE, -0.99 * NOISE, 0.01 * NOISE], axis=1), "channels cancel each other"),
        (20_000 * NOISE, "far beyond full scale"),
        (np.array([0.5], np.float32), "silent"),
        (NOISE[:100], "6.2 ms of sound"),
    ],
)
def test_what_nobody_could_hear(tmp_path: Path, samples: np.ndarray, words: str) -> None:
    with pytest.raises(AudioError, match=f"item 'q7': .*{words}"):
        read(tmp_path, encoded(samples, "WAV", "FLOAT"))


def test_a_little_beyond_full_scale_is_scaled_not_clipped(tmp_path: Path) -> None:
    loud = (1.5 * NOISE / np.abs(NOISE).max()).astype(np.float32)
    got = read(tmp_path, encoded(loud, "WAV", "FLOAT")).samples
    np.testing.assert_allclose(got, loud / 1.5, atol=1e-4)
    stereo = read(tmp_path, encoded(np.stack([NOISE, 0 * NOISE], axis=1), "WAV", "FLOAT")).samples
    np.testing.assert_allclose(stereo, NOISE / 2, atol=1e-4)


@pytest.mark.parametrize("rate", [1, 500, 1_000_000])
def test_absurd_rates(tmp_path: Path, rate: int) -> None:
    with pytest.raises(AudioError, match=f"item 'q7': .* rate of {rate} Hz"):
        read(tmp_path, encoded(NOISE, rate=rate))


def test_absurd_lengths_and_channels(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="over 3600 s"):
        read(tmp_path, encoded(np.resize(NOISE, 3_700_000), "WAV", "PCM_U8", rate=1000))
    with pytest.raises(AudioError, match="70 channels"):
        read(tmp_path, encoded(np.zeros((100, 70), np.float32)))


def test_a_flac_that_does_not_say_its_length(tmp_path: Path) -> None:
    data = bytearray(encoded(NOISE, "FLAC"))
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    with pytest.raises(AudioError, match=r"item 'q7': .*does not say its length"):
        read(tmp_path, bytes(data), "a.flac")


@pytest.mark.parametrize("name", ["a.raw", "a.RAW", "a.mp3", "a"])
def test_the_name_says_nothing(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, encoded(NOISE), name).seconds == 6
    with pytest.raises(AudioError, match=r"item 'q7'.*cannot be read as audio"):
        read(tmp_path, b"<html>not found</html>" * 9, name)


def test_names_in_another_unicode_form_or_case(tmp_path: Path) -> None:
    (tmp_path / unicodedata.normalize("NFD", "naïve.wav")).write_bytes(encoded(NOISE))
    assert read_clip(tmp_path / unicodedata.normalize("NFC", "naïve.wav")).seconds == 6
    (tmp_path / "Loud.WAV").write_bytes(encoded(NOISE))
    with pytest.raises(AudioError, match=r"item 'x': audio file .*loud\.wav is missing; there is Loud\.WAV"):
        read_clip(tmp_path / "loud.wav", "x")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.wav").write_bytes(encoded(NOISE))
    with pytest.raises(AudioError, match="with / instead of"):
        read_clip(tmp_path / "sub\\b.wav")
    for bad in ("a\0b", "x" * 5000, "."):
        with pytest.raises(AudioError, match=r"missing|no file but a folder"):
            read_clip(tmp_path / bad)


@pytest.mark.parametrize("offset", [0.0, 0.02, 0.1, 0.3])
@pytest.mark.parametrize("condition", ["noise:white@5dB", "noise:pink@-5dB"])
def test_an_offset_is_no_speech(offset: float, condition: str) -> None:
    clean = voice()
    clip = stored((0.1 * clean / np.abs(clean).max() + offset).astype(np.float32))
    made = degrade(clip, parse_condition(condition, Path()), list, 0, "q")
    without = degrade(stored(clip.samples - np.float32(offset)), parse_condition(condition, Path()), list, 0, "q")
    noise = made.clip.samples / made.scale - clip.samples
    assert made.snr_db == pytest.approx(float(condition.split("@")[1][:-2]), abs=0.01)
    noise_alone = without.clip.samples / without.scale - (clip.samples - np.float32(offset))
    assert np.std(noise) == pytest.approx(np.std(noise_alone), rel=0.02)


WHOLE = [encoded(NOISE[:4000], *kind) for kind in CONTAINERS]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(WHOLE), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6), st.floats(0, 1))
def test_any_damage_is_read_or_a_clear_error(tmp_path_factory, whole: bytes, changes: list, end: float) -> None:
    data = bytearray(whole)
    for place, value in changes:
        # Half of them in the header, where it hurts.
        data[int(place * (len(data) - 1)) if value % 2 else int(place * min(100, len(data) - 1))] = value
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(bytes(data[: int(end * 2 * len(data))]))
    try:
        clip = read_clip(path, "q7")
    except AudioError as error:
        assert "item 'q7'" in str(error)
    else:
        assert np.isfinite(clip.samples).all()
        assert clip.seconds <= 3600


@pytest.mark.parametrize(
    ("container", "subtype"), [one for one in CONTAINERS if one[0] not in ("WAV", "WAVEX", "AIFF", "NIST", "MP3")]
)
def test_two_files_in_one_are_refused(tmp_path: Path, container: str, subtype: str) -> None:
    """`cat a b`: a decoder reads the first and says nothing of the second."""
    whole, other = encoded(NOISE, container, subtype), encoded(NOISE[::-1].copy(), container, subtype)
    for both in (whole + whole, whole + other):
        with pytest.raises(AudioError, match=rf"item 'q7': .* a second one begins at byte {len(whole)}"):
            read(tmp_path, both)


def test_very_many_samples_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence packs to nothing: an hour at the highest rate, of many channels, or more than the header says."""
    hour = bytearray(encoded(np.zeros((4096, 8)), "FLAC", rate=192_000))
    hour[18:26] = (192_000 << 44 | 7 << 41 | 15 << 36 | 3600 * 192_000).to_bytes(8, "big")
    with pytest.raises(AudioError, match=r"item 'q7': .* over 60 million samples"):
        read(tmp_path, bytes(hour))
    monkeypatch.setattr("cascade_equivalence.audio.sound_file.MOST_FRAMES", 5 * RATE)
    with pytest.raises(AudioError, match="million samples"):
        read(tmp_path, encoded(NOISE))
    assert read(tmp_path, encoded(NOISE[: 4 * RATE])).seconds == 4
    monkeypatch.setattr("cascade_equivalence.audio.sound_file.MOST_SAMPLES", 6 * RATE)
    with pytest.raises(AudioError, match="million in all channels"):
        read(tmp_path, encoded(np.stack([NOISE[: 4 * RATE]] * 2, 1)))


def test_an_ogg_file_with_a_hole_in_it(tmp_path: Path) -> None:
    whole = encoded(np.tile(NOISE, 3), "OGG", "VORBIS")
    middle, tenth = len(whole) // 2, len(whole) // 10
    holes = [
        whole[:middle] + bytes(tenth) + whole[middle + tenth :],
        whole[:middle] + whole[middle + tenth :],
        whole[:middle] + b"\xff" + whole[middle + 1 :],
    ]
    for data in holes:
        with pytest.raises(AudioError, match=r"item 'q7': .* pages in the middle of it are missing or broken"):
            read(tmp_path, data)


def test_a_header_that_says_less_than_there_is(tmp_path: Path) -> None:
    """An interrupted recorder's: half of the sound would be left out without a word."""
    data = bytearray(encoded(NOISE))
    at = data.find(b"data") + 4
    data[at : at + 4] = (len(NOISE)).to_bytes(4, "little")
    with pytest.raises(
        AudioError, match=r"its header says 3\.00 s, and \d+ bytes that are no part of it follow \(3\.00 s"
    ):
        read(tmp_path, bytes(data))


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_channels_that_cancel_each_other_for_a_while(tmp_path: Path, share: float) -> None:
    turned = NOISE.copy()
    turned[: int(share * len(turned))] *= -1
    with pytest.raises(
        AudioError, match=rf"for (?:{100 * share:.0f}|{100 * share + 1:.0f}) % of its sound its channels"
    ):
        read(tmp_path, encoded(np.stack([NOISE, turned], 1)))
    few = NOISE.copy()
    few[: len(few) // 10] *= -1
    assert read(tmp_path, encoded(np.stack([NOISE, few], 1))).seconds == 6


@pytest.mark.parametrize("channels", [[1, -0.5, -0.5], [1, -1, 0], [1, -0.9], [1, -1, 1, -1]])
def test_channels_that_cancel_each_other(tmp_path: Path, channels: list[float]) -> None:
    with pytest.raises(AudioError, match="its channels cancel each other"):
        read(tmp_path, encoded(np.stack([gain * NOISE for gain in channels], 1)))


def test_a_pointer_of_git_lfs(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"item 'q7': .* is a pointer of Git LFS, not the sound; `git lfs pull`"):
        read(tmp_path, b"version https://git-lfs.github.com/spec/v1\noid sha256:be29\nsize 514557\n")


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(AudioError, match=r"item 'q7': audio file .*folder\.wav is no file but a folder"):
        read_clip(tmp_path / "folder.wav", "q7")
    with pytest.raises(AudioError, match="is no file but a device or a pipe"):
        read_clip(Path("/dev/null"), "q7")


@pytest.mark.skipif(not (SHARED / "data" / "faults").exists(), reason="the reported files are not here")
@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("wav_truncated/truncated_half.wav", "promises 1.00 s and holds 0.50 s"), ("wav_antiphase/antiphase.wav", "cancel"),  # noqa: E501
        ("flac_unknown_length/flac_unknown_length.flac", "does not say its length"), ("mp3_no_xing/vbr_no_xing.mp3", 8.0),  # noqa: E501
        ("mp3_no_xing/xing_quarter.mp3", 8.0), ("wav_dc_offset/dc.wav", 1.0), ("../redteam/audio-rate1/x.wav", "rate of 1 Hz"),  # noqa: E501
        ("../redteam/audio-raw/x.raw", 0.5),
    ],
)  # fmt: skip
def test_reported_files(name: str, right: str | float) -> None:
    path = SHARED / "data" / "faults" / name
    if isinstance(right, float):
        assert read_clip(path, "a").seconds == pytest.approx(right, abs=0.1)
        return
    with pytest.raises(AudioError, match=f"item 'a'.*{right}"):
        read_clip(path, "a")
