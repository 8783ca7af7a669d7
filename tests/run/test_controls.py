"""Controls and recorded noise in a real run: what each arm heard, and that the journal follows the recordings."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cascade_equivalence.audio.store import ClipStore
from cascade_equivalence.run.layout import CLIPS
from tests.run.small import run

STUDY = """
extends: pocket
tasks: [topic]
limit: 4
conditions: [clean, silence, swap, swap+noise:hum.wav@10dB, no-audio]
arms: [gold, cascade-w]
analyses: [agreement]
"""


def noise(path: Path, seed: int) -> None:
    soundfile.write(path, 0.1 * np.random.default_rng(seed).normal(size=16_000), 16_000)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    (folder / "controls.yaml").write_text(STUDY)
    noise(folder / "hum.wav", 0)
    ran = run(folder / "out", "run", str(folder / "controls.yaml"))
    assert ran.returncode == 0, ran.stderr
    return folder


def answers(study: Path, condition: str) -> dict[str, tuple[str | None, str | None, str]]:
    """Item → clip, transcript and what the LLM read, of the cascade."""
    db = sqlite3.connect(study / "out" / "journal.sqlite")
    rows = db.execute(
        "SELECT a.item, a.clip, t.text, r.content FROM answers a JOIN replies r ON r.key = a.reply "
        "LEFT JOIN transcripts t ON t.key = a.transcript WHERE a.arm = 'cascade-w' AND a.condition = ?",
        (condition,),
    )
    return {item: tuple(rest) for item, *rest in rows}


def test_swap_gives_each_item_the_words_of_another_label(study: Path) -> None:
    clean, swap = answers(study, "clean"), answers(study, "swap")
    assert sorted(clip for clip, *_ in swap.values()) == sorted(clip for clip, *_ in clean.values())
    assert all(swap[item] != clean[item] for item in clean)
    assert all(content == text for _, text, content in swap.values())


def test_what_follows_swap_is_done_to_the_other_sound(study: Path) -> None:
    store = ClipStore(study / "out" / CLIPS)
    noisy = answers(study, "swap+noise:hum@10dB")
    for item, (clip, *_) in answers(study, "swap").items():
        heard, added = store.get(clip).samples, store.get(noisy[item][0]).samples
        assert np.corrcoef(heard, added)[0, 1] > 0.8


def test_silence_is_as_long_as_the_item(study: Path) -> None:
    store = ClipStore(study / "out" / CLIPS)
    clean = answers(study, "clean")
    for item, (clip, *_) in answers(study, "silence").items():
        samples = store.get(clip).samples
        assert not samples.any()
        assert len(samples) == len(store.get(clean[item][0]).samples)


def test_without_audio_there_is_neither_clip_nor_transcript(study: Path) -> None:
    found = answers(study, "no-audio")
    assert len(found) == 4
    assert set(found.values()) == {(None, None, "")}


def test_another_recording_under_the_same_name_is_another_condition(study: Path) -> None:
    before = answers(study, "swap+noise:hum@10dB")
    noise(study / "hum.wav", 1)
    ran = run(study / "out", "run", str(study / "controls.yaml"))
    assert ran.returncode == 0, ran.stderr
    db = sqlite3.connect(study / "out" / "journal.sqlite")
    count = db.execute("SELECT condition, COUNT(*) FROM answers WHERE arm = 'cascade-w' GROUP BY 1").fetchall()
    assert dict(count) == {"clean": 4, "silence": 4, "swap": 4, "no-audio": 4, "swap+noise:hum@10dB": 8}
    clips = {row[0] for row in db.execute("SELECT clip FROM answers WHERE condition LIKE 'swap+%'")}
    assert len(clips) == 8 and clips > {clip for clip, *_ in before.values()}
