"""One door from the journal to records: a run of an earlier state of the code, superseded rows, and damage."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from cascade_equivalence import cli
from cascade_equivalence.errors import RunError
from cascade_equivalence.run.journal import Journal
from cascade_equivalence.run.layout import JOURNAL
from cascade_equivalence.study.load import load
from cascade_equivalence.study.results import analyse
from tests.shared_data import SHARED
from tests.study.figures import figures
from tests.study.planted import build, task

EARLIER = SHARED / "data/journal-0e4c615.sqlite"
LABELS = ["a", "b", "c", "d"]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    build(tmp_path, [task("t", LABELS, 40)], lambda arm, name, condition, i: LABELS[i % 4])
    return tmp_path


@pytest.mark.skipif(not EARLIER.is_file(), reason="the shared data are not here")
def test_a_run_of_an_earlier_state_gives_the_same_figures(tmp_path: Path) -> None:
    """The expected figures were written by the code that made the run, before there were records."""
    shutil.copyfile(EARLIER, tmp_path / JOURNAL)
    expected = json.loads((Path(__file__).parent / "data/figures-0e4c615.json").read_text(encoding="utf-8"))
    assert json.loads(json.dumps(figures(analyse(tmp_path)))) == expected


def test_answers_of_an_earlier_version_of_the_study_are_left_out(directory: Path) -> None:
    journal = Journal(directory / JOURNAL)
    wanted = journal.fact("wanted")
    journal.put_fact("wanted", {arm: {t: keys[:12] for t, keys in per.items()} for arm, per in wanted.items()})
    for name, key, seconds in (("old", "z", 9.0), ("new", wanted["s"]["t"][0], 1.0), ("older", "a", 5.0)):
        stages = [{"audio": 2.0, "asr": seconds, "llm": 0.1}]
        journal.put_fact(f"latency:{key}", {"arm": "s", "task": name, "stages": stages})
    journal.close()
    run = load(directory)
    assert {len(answers) for per in run.given.values() for answers in per.values()} == {12}
    assert next(arm for arm in run.arms if arm.name == "s").latency[0]["asr"] == 1.0


def test_the_times_of_a_system_are_not_those_of_one_that_had_its_name(directory: Path) -> None:
    """A study that took another's place may call another system the same."""
    journal = Journal(directory / JOURNAL)
    journal.put_fact(
        "latency:of another", {"arm": "s", "task": "t", "stages": [{"audio": 2.0, "asr": 9.0, "llm": 0.1}]}
    )
    arms = journal.fact("arms")
    journal.put_fact("arms", arms | {"s": arms["s"] | {"latency": "latency:its own"}})
    journal.close()
    assert next(arm for arm in load(directory).arms if arm.name == "s").latency == ()


Damage = Callable[[sqlite3.Connection], object]


def fact(key: str, change: Callable[[object], object]) -> Damage:
    """The fact as another value."""

    def damage(db: sqlite3.Connection) -> None:
        (value,) = db.execute("SELECT value FROM facts WHERE key = ?", (key,)).fetchone()
        db.execute("UPDATE facts SET value = ? WHERE key = ?", (json.dumps(change(json.loads(value))), key))
        db.execute("DELETE FROM facts WHERE key = ?", (f"digest:{key}",))  # as in journals from before digests

    return damage


def sql(statement: str) -> Damage:
    return lambda db: db.execute(statement)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (sql("UPDATE facts SET value = '{' WHERE key = 'tasks'"), "fact 'tasks' is no JSON"),
        (
            sql("UPDATE facts SET value = replace(value, 't3', 't4') WHERE key = 'tasks'"),
            "fact 'tasks' is not what was",
        ),
        (sql("DELETE FROM facts WHERE key = 'wanted'"), "fact 'wanted' is not there"),
        (sql("DELETE FROM facts WHERE key = 'identities'"), "fact 'identities' is not there"),
        (sql("DELETE FROM replies WHERE key = 'rs/t/clean/3'"), "the reply of arm 's' on t, t3, clean is not there"),
        (sql("DELETE FROM transcripts WHERE key = 'ts/t/clean/3'"), "the transcript of arm 's' on t, t3, clean"),
        (sql("UPDATE answers SET label = 'q' WHERE key = 's/t/clean/3'"), "a row of answers is not what was"),
        (sql("UPDATE answers SET label = x'ff00' WHERE key = 's/t/clean/3'"), "a row of answers is not what was"),
        (sql("UPDATE replies SET compute_s = 'soon' WHERE key = 'rs/t/clean/3'"), "a row of replies is not what was"),
        (sql("UPDATE transcripts SET text = x'ff' WHERE key = 'ts/t/clean/3'"), "a row of transcripts is not what was"),
        (fact("study", lambda v: {k: x for k, x in v.items() if k != "margin"}), "fact 'study': margin"),  # type: ignore[attr-defined]
        (fact("study", lambda v: [v]), "fact 'study'"),
        (fact("tasks", lambda v: [{**v[0], "items": [*v[0]["items"][:3], {"id": 7}]}]), "0.items.3.id"),  # type: ignore[index]
        (fact("tasks", lambda v: [{**v[0], "kind": "labelz"}]), "0.kind"),  # type: ignore[index]
        (fact("tasks", lambda v: [*v, {**v[0], "name": "u"}]), "no answers of arm 'gold' on 'u'"),  # type: ignore[index, misc]
        (fact("tasks", lambda v: [{**v[0], "items": v[0]["items"][9:]}]), "trials of a hearing check"),  # type: ignore[index]
        (fact("wanted", lambda v: {k: x for k, x in v.items() if k != "w"}), "no answers of arm 'w'"),  # type: ignore[attr-defined]
        (fact("identities", lambda v: {k: x for k, x in v.items() if k != "llm"}), "no 'llm'"),  # type: ignore[attr-defined]
        (fact("arms", lambda v: {**v, "s": {**v["s"], "kind": "both"}}), "fact 'arms': s.kind"),  # type: ignore[dict-item, index]
        (fact("hearing", lambda v: {**v, "moved": {"again": [0.0]}}), "trials of a hearing check"),  # type: ignore[dict-item]
    ],
)
def test_damage_is_one_clear_error(
    directory: Path, damage: Damage, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(directory / JOURNAL) as db:
        damage(db)
    db.close()
    with pytest.raises(RunError) as error:
        analyse(directory)
    assert said in str(error.value)
    assert "into a new directory" in str(error.value)
    assert cli.main(["report", str(directory)]) == 1
    assert "into a new directory" in " ".join(capsys.readouterr().err.split())


def test_flipped_bits_and_lost_pages_end_in_results_or_in_one_error(directory: Path) -> None:
    whole = (directory / JOURNAL).read_bytes()
    refused = 0
    for seed in range(60):
        rng, damaged = random.Random(seed), bytearray(whole)
        if seed % 4:
            for _ in range(1 + 30 * (seed % 4 == 1)):
                damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        else:
            start = 4096 * rng.randrange(len(damaged) // 4096)
            damaged[start : start + 4096] = rng.randbytes(4096)
        (directory / JOURNAL).write_bytes(damaged)
        try:
            analyse(directory)
        except RunError as error:
            refused += 1
            assert len(str(error)) < 1000
    assert refused
