"""Running the analyses of a study: every speech arm, one fact of the journal for each, nothing done twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from cascade_equivalence.audio.store import ClipStore
from cascade_equivalence.run.clips import Clips, maker_of
from cascade_equivalence.run.execute import working
from cascade_equivalence.run.hearing import CLEAN
from cascade_equivalence.run.journal import AnswerRow, ClipRow, Journal
from cascade_equivalence.run.layout import CLIPS, JOURNAL
from cascade_equivalence.run.models import Models
from cascade_equivalence.run.plan import ArmPlan, Plan, source_of
from cascade_equivalence.run.progress import Reporter
from cascade_equivalence.study.mechanism.erasing import erasure
from cascade_equivalence.study.mechanism.material import analysis_keys
from cascade_equivalence.study.mechanism.patching import patching
from cascade_equivalence.study.mechanism.probing import probes
from cascade_equivalence.study.mechanism.reading import implicit, lens
from cascade_equivalence.study.mechanism.session import Around, Session
from cascade_equivalence.study.spec import Study
from cascade_equivalence.systems.arms import TextArm


def analyse_mechanism(study: Study, plan: Plan, models: Models, directory: Path, reporter: Reporter) -> None:
    """Run the analyses that the journal in `directory` lacks. Raises `AnalysisError`, `RunError`; what was committed
    before stays, and the same call goes on from there."""
    wanted = {arm.name: analysis_keys(plan, arm, study.analyses, study.mechanism) for arm in plan.arms}
    if not any(wanted.values()):
        return
    with working(directory):
        journal = Journal(directory / JOURNAL)
        try:
            _run(study, plan, models, directory, reporter, journal, wanted)
        finally:
            journal.close()


def _run(
    study: Study,
    plan: Plan,
    models: Models,
    directory: Path,
    reporter: Reporter,
    journal: Journal,
    wanted: Mapping[str, Mapping[str, str]],
) -> None:
    todo = {
        arm.name: {name: key for name, key in wanted[arm.name].items() if journal.fact(key) is None}
        for arm in plan.arms
    }
    total = sum(map(len, wanted.values()))
    if not (left := sum(map(len, todo.values()))):
        return
    store = ClipStore(directory / CLIPS)
    around = Around(
        plan, study.mechanism, _clean_clips(plan, journal), journal, store, models, maker_of(plan), directory
    )
    with reporter.stage("mechanism", total, total - left) as stage:
        for arm in plan.arms:
            if not todo[arm.name]:
                continue
            session = Session(around, arm)
            work = _analyses(session, plan, arm, journal, models)
            for name, key in todo[arm.name].items():
                reporter.say(f"{name}: {arm.name}")
                journal.put_fact(key, {"arm": arm.name, "analysis": name, **work[name]()})
                stage.advance(1)


def _analyses(
    session: Session, plan: Plan, arm: ArmPlan, journal: Journal, models: Models
) -> dict[str, Callable[[], dict[str, Any]]]:
    def through_words() -> dict[str, Any]:
        reads = TextArm(arm.name, models.llm(arm.llm), arm.style, None)
        return implicit(session, reads, _cascade(session, plan, arm, journal))

    return {
        "probes": partial(probes, session),
        "lens": partial(lens, session),
        "implicit": through_words,
        "erasure": partial(erasure, session),
        "patching": partial(patching, session),
    }


def _clean_clips(plan: Plan, journal: Journal) -> Clips:
    """The clips that the run has made of clean trials."""
    keys = {
        plan.clip_key(source_of(trial.sound), trial.condition): (task.name, trial.item.id, CLEAN.name)
        for task in plan.tasks
        for trial in plan.trials(task)
        if trial.sound and trial.condition.name == CLEAN.name
    }
    return {keys[key]: row for key, row in journal.rows(ClipRow, keys).items()}


def _cascade(session: Session, plan: Plan, arm: ArmPlan, journal: Journal) -> list[str] | None:
    """Labels of the first cascade on the arm's language model on the trials, if they are all there."""
    for other in plan.arms:
        if other.asr is None or other.llm != arm.llm:
            continue
        keys = []
        for task, item in session.trials:
            trial = next(
                (t for t in plan.trials(task) if t.item.id == item.id and t.condition.name == CLEAN.name), None
            )
            keys.append(plan.answer_key(other, task, trial) if trial else "")
        rows = journal.rows(AnswerRow, keys)
        if all(key in rows for key in keys):
            return [rows[key].label for key in keys]
    return None
