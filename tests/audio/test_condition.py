"""Conditions: the grammar, and noise that is what its name says, always the same."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import soundfile

from cascade_equivalence.audio.babble import TALKERS, Talker, babble, read_talkers
from cascade_equivalence.audio.clip import RATE, stored
from cascade_equivalence.audio.condition import FORMS, parse_condition
from cascade_equivalence.audio.degrade import degrade
from cascade_equivalence.audio.level import active_power
from cascade_equivalence.audio.noise import mix
from cascade_equivalence.errors import AudioError, UsageError
from cascade_equivalence.seeds import rng
from cascade_equivalence.tasks.task import corpus_dir
from tests.audio.signals import speech


def talkers(count: int = 8) -> list[Talker]:
    return [Talker(f"v{i}", speech(5.0, i) / np.float32(np.sqrt(active_power(speech(5.0, i))))) for i in range(count)]


def test_grammar() -> None:
    assert parse_condition("clean").steps == ()
    (step,) = parse_condition("babble@-2.5dB").steps
    assert (step.name, step.value) == ("babble", -2.5)
    assert len(parse_condition("babble@5dB+babble@0dB").steps) == 2
    room, noise, call = parse_condition("reverb@0.6s,2m + noise:pink@10dB+codec:opus@16k").steps
    assert (room.name, room.kind, room.values) == ("reverb", None, (0.6, 2.0))
    assert (noise.kind, noise.value) == ("pink", 10.0)
    assert call.recipe == ("codec", "opus", "16.0")


@pytest.mark.parametrize("form", [form for form in FORMS if form.kind != "path"], ids=str)
@pytest.mark.parametrize("end", ["low", "high"])
def test_every_form_can_be_written_at_both_ends_of_its_range(form, end) -> None:
    numbers = [value.among[0 if end == "low" else -1] if value.among else getattr(value, end) for value in form.values]
    values = ",".join(f"{number:g}{value.unit}" for number, value in zip(numbers, form.values, strict=True))
    text = form.name + (f":{form.kind}" if form.kind else "") + (f"@{values}" if values else "")
    steps = parse_condition(text).steps
    assert [(step.name, step.kind, step.values) for step in steps] == [
        (form.name, form.kind, tuple(numbers)) for _ in range(form.name != "clean")
    ]
    for index, value in enumerate(form.values):
        outside = [*numbers[:index], (value.low - 0.5 if end == "low" else value.high + 0.5), *numbers[index + 1 :]]
        values = ",".join(f"{number:g}{value.unit}" for number, value in zip(outside, form.values, strict=True))
        with pytest.raises(UsageError, match="out of range"):
            parse_condition(f"{text.partition('@')[0]}@{values}")


def test_recordings_are_known_by_content(tmp_path) -> None:
    for folder, value in (("one", 0.1), ("same", 0.1), ("other", 0.2)):
        (tmp_path / folder).mkdir()
        soundfile.write(tmp_path / folder / "a.wav", np.full(1000, value, np.float32), RATE)
    one, same, other = (parse_condition(f"noise:{f}@5dB", tmp_path).recipe for f in ("one", "same", "other"))
    assert one == same != other


@pytest.mark.parametrize(
    "text", ["bable@5dB", "", "Clean", "babble @5dB", "babble@5dB++clean", "babble@+5dB", "@5dB", "a@5dB@6dB"]
)
def test_wrong_names_list_the_valid_ones(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_condition(text)
    assert all(str(form) in str(caught.value) for form in FORMS) or "babble@<" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("babble", "babble@<-40..60>dB"),
        ("babble@5", "babble@<-40..60>dB"),
        ("babble@5%", "babble@<-40..60>dB"),
        ("babble@dB", "babble@<-40..60>dB"),
        ("babble@5dB,3dB", "babble@<-40..60>dB"),
        ("clean@3dB", "write clean"),
        ("noise@5dB", "noise:white@"),
        ("noise:purple@5dB", "no file or folder .*purple; write noise:white"),
        ("noise:path@5dB", "no file or folder"),
        ("reverb@0.6s,2s", r"reverb@<0.2..1.2>s\[,<0.3..4>m\]"),
        ("codec", "codec:opus@<6..128>k"),
        ("codec:flac", "codec:opus@<6..128>k"),
        ("codec:mp3@33k", "33k is out of range; write codec:mp3@<16|24"),
        ("codec:gsm@13k", "write codec:gsm"),
        ("packet_loss:hidden@10%", "packet_loss:concealed@"),
        ("packet_loss@101%", "101% is out of range"),
        ("speed@1.1x", "write speed@<0.5..2>"),
        ("speed@0", "0 is out of range"),
        ("no-audio+babble@5dB", "stands alone"),
        ("babble@5dB+swap", "'swap' comes first"),
        ("silence+babble@5dB", "after 'silence' there is no speech that 'babble'"),
        ("silence+gain@3dB+far_field@1m", "after 'silence' there is no speech that 'far_field'"),
    ],
)
def test_wrong_kinds_values_and_units_say_how_to_write_it(text: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint.replace("|", r"\|") if "mp3" in text else hint):
        parse_condition(text)


def test_a_folder_without_recordings(tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"empty has no recordings \(\.wav"):
        parse_condition("noise:empty@5dB", tmp_path)


@pytest.mark.parametrize("snr", [-5, 0, 5, 20])
def test_snr_measured_by_other_means(snr: float) -> None:
    clean = stored(speech())
    degraded = degrade(clean, parse_condition(f"babble@{snr}dB"), talkers, 0, "x")
    noise = degraded.clip.samples / degraded.scale - clean.samples
    active = clean.samples[np.abs(clean.samples) > 0]
    frames = active[: len(active) // 320 * 320].reshape(-1, 320)
    measured = 10 * np.log10(np.mean(frames**2) / np.mean(noise**2))
    assert measured == pytest.approx(snr, abs=0.15)
    assert degraded.snr_db == pytest.approx(snr, abs=1e-3)


def test_speech_and_noise_are_scaled_together_where_they_would_clip() -> None:
    loud = stored(speech() * 3)
    degraded = degrade(loud, parse_condition("babble@-5dB"), talkers, 0, "x")
    assert degraded.scale < 1
    assert np.abs(degraded.clip.samples).max() <= 0.991
    noise = degraded.clip.samples / degraded.scale - loud.samples
    assert 10 * np.log10(active_power(loud.samples) / np.mean(noise**2)) == pytest.approx(-5, abs=0.1)


def test_depends_on_clip_condition_and_seed_alone() -> None:
    one, other = stored(speech(seed=1)), stored(speech(seed=2))
    five = parse_condition("babble@5dB")
    again = degrade(one, five, talkers, 0, "x").clip
    assert degrade(one, five, talkers, 0, "y").clip.sha256 == again.sha256
    assert degrade(one, five, talkers, 1, "x").clip.sha256 != again.sha256
    assert not np.allclose(
        degrade(other, five, talkers, 0, "x").clip.samples - other.samples, again.samples - one.samples
    )


def test_same_clip_in_another_process() -> None:
    code = (
        "from tests.audio.test_condition import *;"
        "print(degrade(stored(speech()), parse_condition('babble@0dB'), talkers, 3, 'x').clip.sha256)"
    )
    seen = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        for _ in range(2)
    }
    assert seen == {degrade(stored(speech()), parse_condition("babble@0dB"), talkers, 3, "x").clip.sha256}


def test_babble_has_three_to_seven_talkers_at_equal_level() -> None:
    ones = [Talker(str(i), np.ones(10, np.float32)) for i in range(8)]
    counts = {float(babble(ones, 4, rng("t", str(i)))[0]) for i in range(200)}
    assert counts == {float(n) for n in range(TALKERS[0], TALKERS[1] + 1)}


def test_short_talkers_are_repeated() -> None:
    ramp = [Talker(str(i), np.arange(1, 8, dtype=np.float32)) for i in range(3)]
    assert (babble(ramp, 100, rng("x")) > 0).all()


def test_silence_has_no_snr() -> None:
    silent = np.zeros(RATE, np.float32)
    with pytest.raises(AudioError, match="item 'q': the speech is silent"):
        mix(silent, speech(1.0), 5, "item 'q'")
    with pytest.raises(AudioError, match="the noise is silent"):
        mix(speech(1.0), silent, 5, "item 'q'")


def test_pauses_do_not_lower_the_level() -> None:
    burst = np.random.default_rng(0).normal(size=RATE).astype(np.float32)
    padded = np.concatenate([burst, np.zeros(3 * RATE, np.float32)])
    assert active_power(padded) == pytest.approx(active_power(burst), rel=1e-4)
    assert active_power(np.zeros(100, np.float32)) == 0


def test_shipped_talkers() -> None:
    voices = read_talkers(corpus_dir() / "babble.jsonl")
    assert len(voices) >= TALKERS[1]
    for voice in voices:
        assert active_power(voice.samples) == pytest.approx(1.0, rel=0.2)
