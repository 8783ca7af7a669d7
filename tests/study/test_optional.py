"""Optional arms: a study goes on in its directory whether they are there or not, and its report says which are not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cascade_equivalence.errors import UsageError
from cascade_equivalence.report.caveats import caveats
from cascade_equivalence.run.journal import Journal
from cascade_equivalence.study.machine import Machine
from cascade_equivalence.study.optional import available
from cascade_equivalence.study.record import refuse_another
from cascade_equivalence.study.results import analyse
from cascade_equivalence.study.spec import load_study
from tests.report.journals import Made, make_run

NOTHING = Machine(frozenset(), frozenset(), False, frozenset(), False, None, 8.0, 100.0)


@pytest.mark.parametrize("before", ["with", "without"])
def test_a_run_goes_on_with_and_without_them(tmp_path: Path, before: str) -> None:
    whole, base = load_study("paper")
    fewer, left_out = available(whole, base, NOTHING)
    assert "gemini" in left_out and len(fewer.arms) == len(whole.arms) - 1
    first, then = (whole, fewer) if before == "with" else (fewer, whole)
    journal = Journal(tmp_path / "journal.sqlite")
    journal.put_fact("study", first.model_dump(mode="json") | {"left_out": left_out})
    refuse_another(then, journal)
    with pytest.raises(UsageError, match=r"another study \(seed"):
        refuse_another(then.model_copy(update={"seed": 1}), journal)
    with pytest.raises(UsageError, match=r"another study \(arms"):
        refuse_another(then.model_copy(update={"arms": {"gold": then.arms["gold"]}}), journal)


def test_a_study_of_them_alone_is_not_emptied() -> None:
    study, base = load_study("paper")
    alone = study.model_copy(update={"arms": {"gemini": study.arms["gemini"]}})
    assert available(alone, base, NOTHING) == (alone, {})


def test_the_report_says_where_another_runtime_transcribes(tmp_path: Path) -> None:
    found = analyse(make_run(tmp_path, Made(conditions=("clean",))))
    assert not any("faster-whisper" in one for one in caveats(found))
    arms = tuple(
        replace(arm, asr=replace(arm.asr, runtime="faster-whisper 1.2, ctranslate2 4.6"))
        if arm.name == "cascade-w" and arm.asr
        else arm
        for arm in found.arms
    )
    (said,) = [one for one in caveats(replace(found, arms=arms)) if "faster-whisper" in one]
    assert said.startswith("Runtime: asr-1 transcribes by faster-whisper")


def test_the_report_says_what_is_left_out(tmp_path: Path) -> None:
    found = analyse(make_run(tmp_path, Made(conditions=("clean",))))
    assert not any("Left out" in one for one in caveats(found))
    found = replace(found, study=replace(found.study, left_out={"gemini": "GEMINI_API_KEY is not set"}))
    assert caveats(found)[0] == "Left out: arm “gemini”: GEMINI_API_KEY is not set."


def test_a_run_of_a_version_that_had_fewer_keys_goes_on(tmp_path: Path) -> None:
    study, _ = load_study("pocket")
    earlier = study.model_dump(mode="json")
    del earlier["calibration"]
    for arm in earlier["arms"].values():
        del arm["optional"]
    journal = Journal(tmp_path / "journal.sqlite")
    journal.put_fact("study", earlier)
    refuse_another(study, journal)
