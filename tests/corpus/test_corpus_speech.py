"""The recordings: files, hashes, sizes, voices."""

from __future__ import annotations

import hashlib
import json
from collections import Counter

import numpy as np
import pytest
import soundfile

from tests.corpus.corpus_rows import CORPUS, SPOKEN, TASKS, rows

ROLES: dict[str, list[str]] = json.loads((CORPUS / "voices.json").read_text(encoding="utf-8"))["roles"]


@pytest.mark.parametrize("name", [*SPOKEN, "babble"])
def test_files_are_those_of_the_manifest(name: str) -> None:
    for row in rows(name):
        data = (CORPUS / row["audio"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == row["sha256"], row["id"]
    folder = {path.name for path in (CORPUS / "audio" / name).iterdir()}
    assert folder == {row["audio"].rsplit("/", 1)[1] for row in rows(name)}


@pytest.mark.parametrize("name", [*SPOKEN, "babble"])
def test_durations_are_those_of_speech(name: str) -> None:
    for row in rows(name):
        found = soundfile.info(CORPUS / row["audio"])
        assert (found.samplerate, found.channels, found.subtype) == (16_000, 1, "OPUS")
        rate = len(row["text"].split()) / found.duration
        assert 1.0 < rate < 5.5, (row["id"], found.duration)


@pytest.mark.parametrize("name", SPOKEN)
def test_a_sample_of_files_decodes_to_speech_at_its_level(name: str) -> None:
    for row in rows(name)[::10]:
        samples, rate = soundfile.read(CORPUS / row["audio"], dtype="float32")
        assert rate == 16_000
        assert np.isfinite(samples).all()
        assert np.abs(samples).max() <= 1.0
        frames = samples[: len(samples) // 320 * 320].reshape(-1, 320)
        levels = 10 * np.log10(np.mean(frames.astype(np.float64) ** 2, axis=1) + 1e-12)
        active = 10 * np.log10(np.mean(10 ** (levels[levels > levels.max() - 35] / 10)))
        wanted = row.get("meta", {}).get("level_dbfs", -23.0)
        assert abs(active - wanted) < 3.0, (row["id"], active)
        speech = np.flatnonzero(levels > levels.max() - 40)
        assert speech[0] * 0.02 < 0.35
        assert (len(levels) - speech[-1]) * 0.02 < 0.7


def test_sizes_on_disk() -> None:
    sizes = {
        name: sum(path.stat().st_size for path in (CORPUS / "audio" / name).iterdir()) for name in [*SPOKEN, "babble"]
    }
    assert sizes["babble"] <= 3e6
    assert sum(sizes.values()) - sizes["babble"] <= 12e6
    assert sum(sizes.values()) <= 15e6


def test_voices_have_one_role() -> None:
    everyone = [voice for voices in ROLES.values() for voice in voices]
    assert len(everyone) == len(set(everyone))
    assert len(ROLES["evaluation"]) >= 8
    for role, voices in ROLES.items():
        kinds = Counter(voice[:2] for voice in voices)
        assert set(kinds) == {"af", "am", "bf", "bm"}, role
        women = sum(voice[1] == "f" for voice in voices)
        assert abs(women - len(voices) / 2) <= 1, role
    assert {row["speaker"] for row in rows("babble")} == set(ROLES["babble"])
    for name in SPOKEN:
        assert {row["speaker"] for row in rows(name)} <= set(ROLES["evaluation"]), name


@pytest.mark.parametrize("name", [*TASKS, "rendering"])
def test_voices_are_balanced_within_labels(name: str) -> None:
    cells: Counter[tuple[str, str, str]] = Counter()
    for row in rows(name):
        label = row["label"] if isinstance(row["label"], str) else ""
        cells[row["split"], label, row["speaker"]] += 1
    for split in ("test", "dev"):
        labels = {label for where, label, _ in cells if where == split}
        for label in labels:
            counts = [cells[split, label, voice] for voice in ROLES["evaluation"]]
            slack = 2 if name == "rendering" and split == "dev" else 1
            assert max(counts) - min(counts) <= slack, (split, label, counts)


def test_retest_is_another_voice_of_the_same_item() -> None:
    topic = {row["id"]: row for row in rows("topic")}
    assert len(rows("retest")) >= 60
    for row in rows("retest"):
        first = topic[row["of"]]
        assert (row["text"], row["label"], first["split"]) == (first["text"], first["label"], "test")
        assert row["speaker"] != first["speaker"]
    assert set(Counter(row["label"] for row in rows("retest")).values()) == {15}
