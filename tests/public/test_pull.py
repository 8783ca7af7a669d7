"""Each data set by name: files of the published layout, made of real items, through `ceq tasks pull` to a task."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from cascade_equivalence.audio.clip import read_clip
from cascade_equivalence.cli import main
from cascade_equivalence.errors import UsageError
from cascade_equivalence.pocket.fetch import cache_dir
from cascade_equivalence.public import speech
from cascade_equivalence.public.sets import SETS
from cascade_equivalence.study.build import build_tasks
from cascade_equivalence.study.results import analyse
from cascade_equivalence.study.spec import Study, load_study
from cascade_equivalence.tasks.parsing import matches_alias
from tests.public import published

COUNTS = {"ag_news": 80, "sst2": 80, "commonsenseqa": 60, "triviaqa": 60, "meld": 60, "mustard": 60}
RECORDED = ("meld", "mustard")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own that has the embedded models."""
    models = cache_dir() / "models"
    own = tmp_path / "cache"
    own.mkdir()
    if models.is_dir():
        (own / "models").symlink_to(models)
    monkeypatch.setenv("CEQ_CACHE", str(own))
    return own


@pytest.fixture
def clips(shared_data: Path) -> Iterator[bytes]:
    return published.recordings(sorted((shared_data / "speech" / "ravdess").rglob("*.flac"))[:20])


def real_rows(shared_data: Path, name: str, clips: Iterator[bytes]) -> list[dict[str, Any]]:
    real = published.items(shared_data, name)[: COUNTS[name]]
    return published.rows(name, real, clips if name in RECORDED else None)


def study_of(name: str, folder: Path, **keys: Any) -> tuple[Study, Path]:
    study, base = load_study("pocket")
    tasks = [{"dataset": name, "path": str(folder), **keys}]
    raw = study.model_dump() | {"tasks": tasks, "mechanism": {}, "analyses": ["agreement"]}
    return Study.model_validate(raw), base


@pytest.mark.parametrize("name", COUNTS)
def test_published_files_become_a_task(
    shared_data: Path,
    tmp_path: Path,
    cache: Path,
    clips: Iterator[bytes],
    name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    real = published.items(shared_data, name)[: COUNTS[name]]
    made = published.rows(name, real, clips if name in RECORDED else None)
    folder = published.write(name, made, tmp_path / name, parts=2 if name == "meld" else 1)
    count = str(len(made))
    assert main(["tasks", "pull", name, "--path", str(folder), "--rows", count, "--limit", "1"]) == 0
    assert f"{name}: {count} items" in capsys.readouterr().out
    study, base = study_of(name, folder, rows=len(made), limit=1)
    (task,) = build_tasks(study, base)
    (item,) = task.items
    assert item.audio is not None and read_clip(item.audio).seconds > 0.3
    assert task.name == name and task.form.sufficient is (name not in RECORDED)
    assert (task.form.kind == "open") is (name == "triviaqa")
    assert len(task.dev) >= 40, "the form's shipped development items give shots and calibration"
    (manifest,) = (cache / "tasks").glob(f"{name}-*/items.jsonl")
    rows = {row["meta"]["row"]: row for row in map(json.loads, manifest.read_text().splitlines())}
    assert sorted(rows) == list(range(len(made)))
    for at, (before, source) in enumerate(zip(real, made, strict=True)):
        row = rows[at]
        assert row["meta"]["original"] in source.values(), "the original is kept"
        if name == "triviaqa":
            assert all(matches_alias(alias, row["label"]) for alias in before["label"])
        else:
            assert row["label"] == before["label"]
        if name == "commonsenseqa":
            assert (row["choices"], row["id"]) == (before["choices"], before["id"])
        if name == "meld":
            assert (row["group"], row["id"]) == (f"dia{before['meta']['dialogue_id']}", before["id"])
        if name == "mustard":
            assert (row["stratum"], row["id"]) == (before["meta"]["show"], before["id"]) and "group" not in row


@pytest.mark.parametrize("name", COUNTS)
def test_the_makers_own_files_do_as_well(
    shared_data: Path, tmp_path: Path, cache: Path, clips: Iterator[bytes], name: str
) -> None:
    """A folder as its makers publish it gives the same items as the hub's Parquet."""
    real = published.items(shared_data, name)[:25]
    sounds = [next(clips) for _ in real]
    hubs = published.write(name, published.rows(name, real, iter(sounds)), tmp_path / "hub")
    own = published.write_own(name, real, tmp_path / "own", iter(sounds))
    found = []
    for folder in (hubs, own):
        study, base = study_of(name, folder, rows=25)
        study = study.model_copy(update={"arms": {"gold": study.arms["gold"]}})
        (task,) = build_tasks(study, base)
        found.append([(i.id, i.text, i.choices, i.accepted, i.group) for i in task.items])
        if name in RECORDED:
            assert all(i.audio and i.audio.is_file() for i in task.items)
    assert found[0] == found[1]


def test_a_clip_that_no_arm_can_be_asked_about_is_excluded_for_all(
    shared_data: Path, tmp_path: Path, cache: Path, clips: Iterator[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    made = real_rows(shared_data, "meld", clips)[:6]
    rng = np.random.default_rng(0)
    bad = {
        0: published.wav(rng.normal(0, 0.1, 41 * 16000).astype(np.float32), 16000),
        1: published.wav(np.zeros(16000, np.float32), 16000),
        2: b"RIFF of something else",
        3: None,
    }
    for at, sound in bad.items():
        made[at]["audio"]["bytes"] = sound
    folder = published.write("meld", made, tmp_path / "meld")
    assert main(["tasks", "pull", "meld", "--path", str(folder), "--rows", "6"]) == 0
    assert "meld: 2 items; 4 clips excluded for every arm:" in capsys.readouterr().out
    (source,) = (cache / "tasks").glob("meld-*/source.json")
    excluded = {one["id"]: one["reason"] for one in json.loads(source.read_text())["excluded"]}
    reasons = ["41 s long, wrongly cut", "silent (under -60 dBFS)", "cannot be decoded", "there is no sound"]
    for at, reason in enumerate(reasons):
        assert reason in excluded[f"dia{made[at]['Dialogue_ID']}_utt{made[at]['Utterance_ID']}"]


def test_trivia_asks_each_question_once(shared_data: Path, tmp_path: Path, cache: Path, clips: Iterator[bytes]) -> None:
    made = real_rows(shared_data, "triviaqa", clips)[:10]
    again = [made[0], made[3] | {"question_id": "other", "question": made[3]["question"].upper() + " "}]
    folder = published.write("triviaqa", [*made, *again], tmp_path / "triviaqa")
    assert main(["tasks", "pull", "triviaqa", "--path", str(folder), "--rows", "12", "--limit", "1"]) == 0
    (manifest,) = (cache / "tasks").glob("triviaqa-*/items.jsonl")
    assert len(manifest.read_text().splitlines()) == 10


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("missing row", "sst2: 79 rows in "),
        ("renamed column", "sst2: no column 'sentence' in validation-00000-of-00001.parquet: the data set was changed"),
        ("other kind", "sst2: column 'label' of validation-00000-of-00001.parquet is string, not integer"),
        ("hidden labels", "sst2, row 0: label -1 is not one of 0 to 1 (negative, positive)"),
        ("empty cell", "sst2, row 2: column 'sentence' is empty"),
        ("other labels", "sst2: its labels are bad, good, not negative, positive"),
        ("no folder", "is not a folder"),
        ("empty folder", "there is neither Parquet nor dev.tsv"),
    ],
)
def test_what_is_not_the_data_set_is_one_error(
    shared_data: Path, tmp_path: Path, cache: Path, clips: Iterator[bytes], damage: str, message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    made = real_rows(shared_data, "sst2", clips)
    folder = tmp_path / "sst2"
    if damage == "missing row":
        made = made[:-1]
    if damage == "renamed column":
        made = [{"text" if key == "sentence" else key: value for key, value in row.items()} for row in made]
    if damage == "other kind":
        made = [row | {"label": str(row["label"])} for row in made]
    if damage == "hidden labels":
        made = [row | {"label": -1} for row in made]
    if damage == "empty cell":
        made[2]["sentence"] = None
    if damage == "empty folder":
        folder.mkdir()
    elif damage != "no folder":
        published.write("sst2", made, folder)
    if damage == "other labels":
        (path,) = folder.rglob("*.parquet")
        table = pq.read_table(path)
        features = {"info": {"features": {"label": {"names": ["bad", "good"]}}}}
        pq.write_table(table.replace_schema_metadata({b"huggingface": json.dumps(features)}), path)
    assert main(["tasks", "pull", "sst2", "--path", str(folder), "--rows", "80", "--limit", "1"]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1
    assert not list((cache / "tasks").glob(".sst2*")), "nothing half made is left"


def test_any_other_set_by_its_columns(shared_data: Path, tmp_path: Path, cache: Path, clips: Iterator[bytes]) -> None:
    made = real_rows(shared_data, "sst2", clips)[:12]
    folder = published.write("sst2", made, tmp_path / "mine")
    columns = {"text": "sentence", "label": "label", "id": "idx"}
    other = {"hub": "me/mine", "split": "validation", "columns": columns}
    study, base = study_of("sst2", folder)
    raw = study.model_dump() | {"tasks": [{"dataset": other, "path": str(folder), "form": "sentiment"}]}
    raw["arms"] = {"gold": raw["arms"]["gold"]}
    (task,) = build_tasks(Study.model_validate(raw), base)
    assert task.name == "mine" and task.labels == ("negative", "positive")
    labels = {item.id: item.label for item in task.items}
    assert labels == {str(row["idx"]): ["negative", "positive"][row["label"]] for row in made}


def test_texts_are_spoken_once_and_a_killed_pull_goes_on(
    shared_data: Path, tmp_path: Path, cache: Path, clips: Iterator[bytes]
) -> None:
    class Stops:
        """Speaks two texts and is then interrupted."""

        spoken = 0

        def speak(self, text: str, voice: str, *, rate: float = 1.0) -> tuple[Any, int]:
            if self.spoken == 2:
                raise KeyboardInterrupt
            self.spoken += 1
            return np.full(2400, 0.1, np.float32), 24000

    folder = published.write("sst2", real_rows(shared_data, "sst2", clips)[:6], tmp_path / "sst2")
    study, base = study_of("sst2", folder, rows=6)
    gold = study.model_copy(update={"arms": {"gold": study.arms["gold"]}})
    (task,) = build_tasks(gold, base)
    assert len(speech.unspoken(task.items)) == 6, "the gold arm needs no sound"
    with pytest.raises(KeyboardInterrupt):
        speech.speak(task.items, "sst2", lambda _: None, Stops)
    assert len(speech.unspoken(task.items)) == 4
    stale = speech.speech_dir() / "ab" / ".left.flac.part"
    stale.parent.mkdir(exist_ok=True)
    stale.write_bytes(b"half a file")
    assert speech.speak(task.items, "sst2", lambda _: None, _Quick) == 4
    assert not stale.exists() and not speech.unspoken(task.items)
    assert speech.speak(task.items, "sst2", lambda _: None, Stops) == 0


class _Quick:
    def speak(self, text: str, voice: str, *, rate: float = 1.0) -> tuple[Any, int]:
        return np.full(2400, 0.1, np.float32), 24000


def test_every_pinned_set_says_so() -> None:
    """A set without a commit is known by its columns and number of rows alone, and tells it."""
    for chosen in SETS.values():
        assert chosen.columns and chosen.rows
        assert chosen.hub.revision is None or len(chosen.hub.revision) == 40


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"dataset": "sst3"}, "no data set 'sst3'; by name there are: ag_news, sst2,"),
        ({"dataset": "sst2", "task": "topic"}, "exactly one of task:"),
        ({"task": "topic", "path": "x"}, "path: and rows: are for a data set"),
        ({"dataset": "meld", "voice": "af_heart"}, "meld brings its own sound"),
        ({"dataset": {"hub": "a/b", "columns": {"label": "x"}}}, "columns needs text: <column>, audio: <column>"),
        ({"dataset": {"hub": "a/b"}}, "columns: Field required"),
        ({"dataset": "sst2", "form": "mood", "path": "."}, "no form 'mood'; there are: topic,"),
    ],
)  # fmt: skip
def test_wrong_entries_name_the_cure(tmp_path: Path, task: dict[str, Any], message: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(json.dumps({"extends": "pocket", "tasks": [task]}))
    with pytest.raises(UsageError) as error:
        build_tasks(*load_study(path))
    assert message in str(error.value)


@pytest.mark.slow
def test_a_run_on_real_items_by_name(
    shared_data: Path, tmp_path: Path, cache: Path, clips: Iterator[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    """SST-2 and MUStARD from their published files through a whole run of the embedded models."""
    tasks = []
    for name in ("sst2", "mustard"):
        made = real_rows(shared_data, name, clips)[:30]
        folder = published.write(name, made, tmp_path / name)
        tasks.append({"dataset": name, "path": str(folder), "rows": len(made), "limit": 6})
    study = {"extends": "pocket", "tasks": tasks, "conditions": ["clean"], "analyses": ["agreement"]}
    path = tmp_path / "study.yaml"
    path.write_text(json.dumps(study))
    # Six items show nothing about hearing: the gate may fail an arm, and says so.
    assert main(["run", str(path), "--out", str(tmp_path / "run"), "--arms", "gold,cascade-w"]) in (0, 1)
    results = analyse(tmp_path / "run")
    assert {task.name: len(task.items) for task in results.tasks} == {"sst2": 6, "mustard": 6}
    for task in results.tasks:
        for arm in ("gold", "cascade-w"):
            cell = results.cell(task.name, "clean", arm)
            assert cell is not None and cell.n == 6
