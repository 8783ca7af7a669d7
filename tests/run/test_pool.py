"""Several workers: who gets what, each once, and what happens where one is lost. The workers are real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade_equivalence.audio.store import ClipStore
from cascade_equivalence.errors import AudioError, RunError, UsageError
from cascade_equivalence.run.journal import TranscriptRow
from cascade_equivalence.run.plan import LocalModel, Plan, SpeechModel
from cascade_equivalence.run.pool import WORTH_LOADING, Pool, choose
from cascade_equivalence.run.workers import Processes, pickled, placed
from cascade_equivalence.study.build import build_plan
from cascade_equivalence.study.narrow import narrow
from cascade_equivalence.study.spec import load_study
from cascade_equivalence.systems.loading import Placement
from cascade_equivalence.systems.planted import deaf, disguised, flipped, loudness
from tests.models import whisper
from tests.run import doing

Make = Callable[..., Pool]

A, B = frozenset({"a"}), frozenset({"b"})
NONE: frozenset[str] = frozenset()


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Make]:
    made: list[Pool] = []

    def make(
        does: Any, workers: int = 2, models: tuple[str, ...] = ("a", "b"), threads: int = 1, device: str = "cpu"
    ) -> Pool:
        plan = doing.plan(*models, device=device)
        store = ClipStore(tmp_path / "clips")
        made.append(
            Pool(plan, doing.here(plan, store), Processes(plan, store, ["cpu"] * workers, threads, print, does))
        )
        return made[-1]

    yield make
    for one in made:
        one.close()


def ran(pool: Pool, work: list[Any], in_turn: bool = False) -> list[TranscriptRow]:
    return [row for rows in pool.map(work, in_turn) for row in rows if isinstance(row, TranscriptRow)]


def test_what_is_loaded_comes_first() -> None:
    assert choose(0, [A, None], {B: 9, A: 1}) == A


def test_then_what_needs_no_model_then_what_nobody_has_loaded() -> None:
    assert choose(1, [A, None], {A: 9, NONE: 1, B: 9}) == NONE
    assert choose(1, [A, None], {A: 90, B: 1}) == B


def test_a_second_worker_loads_a_model_only_where_there_is_much_to_do() -> None:
    assert choose(1, [A, None], {A: WORTH_LOADING - 1}) is None
    assert choose(1, [A, None], {A: WORTH_LOADING}) == A
    assert choose(2, [A, A, None], {A: 2 * WORTH_LOADING - 1}) is None


@given(
    st.lists(st.sampled_from([None, A, B]), min_size=1, max_size=6),
    st.dictionaries(st.sampled_from([NONE, A, B]), st.integers(0, 30)),
)
def test_work_that_is_left_is_always_taken_by_some_idle_worker(loaded: list[Any], left: dict[Any, int]) -> None:
    chosen = [choose(worker, loaded, left) for worker in range(len(loaded))]
    assert all(group is None or left[group] for group in chosen)
    assert any(left.values()) == any(group is not None for group in chosen)


def test_every_piece_is_done_once_by_processes_of_their_own(pool: Make) -> None:
    work = [doing.piece(model, str(i), 0.01) for model in "ab" for i in range(20)]
    done = ran(pool(doing.sleep), work)
    assert sorted(row.key for row in done) == sorted(key for piece in work for key in piece.keys)
    by_model = {name: {row.text for row in done if row.asr == name} for name in "ab"}
    assert str(os.getpid()) not in by_model["a"] | by_model["b"]
    assert 1 <= len(by_model["a"] | by_model["b"]) <= 2


def test_little_work_is_done_by_one_worker_whose_models_stay(pool: Make) -> None:
    here = pool(doing.sleep, workers=3)
    first = ran(here, [doing.piece("a", str(i)) for i in range(WORTH_LOADING)])
    again = ran(here, [doing.piece("a", f"more {i}") for i in range(WORTH_LOADING)])
    assert len({row.text for row in first + again}) == 1


def test_single_requests_are_done_in_turn(pool: Make) -> None:
    there = pool(doing.sleep, workers=2, device="cuda")
    work = [doing.piece("ab"[i % 2], str(i), 0.02 * (i % 3)) for i in range(8)]
    assert [row.key for row in ran(there, work, in_turn=True)] == [key for piece in work for key in piece.keys]


def test_on_processors_they_have_all_threads_of_this_process(tmp_path: Path) -> None:
    plan, store = doing.plan("a"), ClipStore(tmp_path / "clips")
    own = doing.Doing(plan, store, doing.sleep)
    pool = Pool(plan, own, Processes(plan, store, ["cpu"] * 2, 1, print, doing.sleep))
    try:
        work = [doing.piece("a", str(i)) for i in range(20)]
        assert {row.text for row in ran(pool, work, in_turn=True)} == {str(os.getpid())}
        assert str(os.getpid()) not in {row.text for row in ran(pool, work)}
    finally:
        pool.close()


def test_a_worker_has_its_device_and_its_share_of_threads(pool: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    [row] = ran(pool(doing.threads, threads=1), [doing.piece("a", "x")])
    assert row.text == "1 cpu"


def test_a_worker_that_is_killed_is_replaced_and_its_work_done_again(pool: Make) -> None:
    work = [doing.piece("a", name) for name in ("0", "1", "fatal", "2", *map(str, range(3, 30)))]
    done = ran(pool(doing.die_once), work)
    assert sorted(row.key for row in done) == sorted(key for piece in work for key in piece.keys)


def test_work_that_kills_twice_ends_the_run_and_is_named(pool: Make) -> None:
    here = pool(doing.die_once)
    with pytest.raises(RunError, match=r"twice \(killed by signal 9.*'a' of clip always"):
        ran(here, [doing.piece("a", name) for name in ("0", "always", "1")])
    # What was in flight is gone with its workers; the next work is done by new ones.
    assert len(ran(here, [doing.piece("a", "5")])) == 1


def test_errors_of_the_package_come_back_as_themselves(pool: Make) -> None:
    here = pool(doing.fail)
    with pytest.raises(AudioError, match="item 'x': no sound"):
        ran(here, [doing.piece("a", "ours")])
    with pytest.raises(RunError, match="ZeroDivisionError: by nothing") as raised:
        ran(here, [doing.piece("a", "theirs")])
    assert "in fail" in raised.value.__notes__[0]


def test_a_plan_can_be_sent_and_a_device_is_that_of_the_worker(tmp_path: Path) -> None:
    study, base = load_study("pocket", limit=4)
    plan = build_plan(narrow(study, None, ["topic"]), base, print)
    assert pickled(plan, doing.sleep)
    moved = placed(plan, "cpu:0")
    local = [model for model in moved.models.values() if isinstance(model, LocalModel | SpeechModel)]
    assert len(local) == len(plan.models) and {model.placement.device for model in local} == {"cpu:0"}
    assert [arm.name for arm in moved.arms] == [arm.name for arm in plan.arms]
    for arm in plan.arms:
        assert moved.arm_digest(arm) == plan.arm_digest(arm)
    assert placed(plan, "cuda:1").models == plan.models


def test_planted_speech_llms_can_be_sent_and_one_made_by_a_closure_is_named() -> None:
    def plan_of(own: Any) -> Plan:
        facts = replace(doing.plan("llm").models["llm"].identity, source="python")
        speech = SpeechModel("own", None, Placement("cpu", "float32", 4), facts, "llm", None, {}, own.load)
        return replace(doing.plan("llm"), models={**doing.plan("llm").models, "own": speech})

    for own in (deaf("llm"), loudness("llm"), flipped(deaf("llm"), 0.5)):
        assert pickled(plan_of(own), doing.sleep)
    with pytest.raises(UsageError, match=r"speech LLM 'own'.*executor: here"):
        pickled(plan_of(disguised("llm", lambda: whisper())), doing.sleep)


def test_a_script_that_starts_a_study_when_it_is_imported_is_told(tmp_path: Path) -> None:
    """A spawned worker imports the script, which would start the study again."""
    script = tmp_path / "script.py"
    script.write_text(
        "import cascade_equivalence as ceq\n"
        "study = {'extends': 'pocket', 'executor': {'workers': 2}}\n"
        "ceq.run_study(study, 'run', limit=1, tasks=['topic'], arms=['cascade-w'])\n"
    )
    ran = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "while a worker process imports this script" in ran.stderr
    assert "before it began; a script starts a study under if __name__ == '__main__': alone" in ran.stderr
