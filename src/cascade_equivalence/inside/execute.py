"""Running the analyses of a study: every speech arm, one fact of the journal for each, nothing done twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from cascade_equivalence.inside.erasing import erasure
from cascade_equivalence.inside.material import analysis_keys
from cascade_equivalence.inside.patching import patching
from cascade_equivalence.inside.probing import probes
from cascade_equivalence.inside.reading import implicit, lens
from cascade_equivalence.inside.session import Around, Session
from cascade_equivalence.inside.settings import MechanismSpec
from cascade_equivalence.run.batching import device_errors
from cascade_equivalence.run.execute import calibrate
from cascade_equivalence.run.journal import AnswerRow
from cascade_equivalence.run.plan import CLEAN, ArmPlan
from cascade_equivalence.run.run import Run
from cascade_equivalence.systems.local import TextSystem


def analyse_mechanism(run: Run, analyses: Sequence[str], settings: MechanismSpec) -> None:
    """Run the analyses that the journal lacks. Raises `AnalysisError`, `RunError`; what was committed before stays,
    and the same call goes on from there."""
    plan, journal = run.plan, run.journal
    wanted = {arm.name: analysis_keys(plan, arm, analyses, settings) for arm in plan.arms}
    todo = {
        arm.name: {name: key for name, key in wanted[arm.name].items() if journal.fact(key) is None}
        for arm in plan.arms
    }
    total = sum(map(len, wanted.values()))
    if not (left := sum(map(len, todo.values()))):
        return
    around = Around(run, settings)
    with run.reporter.stage("mechanism", total, total - left) as stage:
        for arm in plan.arms:
            if not todo[arm.name]:
                continue
            calibrate(run, [arm])
            run.models.focus(arm.answers)
            with device_errors(f"the analyses of '{arm.name}'"):
                session = Session(around, arm)
                work = _analyses(session, run, arm)
                for name, key in todo[arm.name].items():
                    run.reporter.say(f"{name}: {arm.name}")
                    journal.put_fact(key, {"arm": arm.name, "analysis": name, **work[name]()})
                    stage.advance(1)


def _analyses(session: Session, run: Run, arm: ArmPlan) -> dict[str, Callable[[], dict[str, Any]]]:
    def through_words() -> dict[str, Any]:
        assert arm.llm is not None
        return implicit(session, TextSystem(run.models.llm(arm.llm), arm.style), _cascade(session, run, arm))

    return {
        "probes": partial(probes, session),
        "lens": partial(lens, session),
        "implicit": through_words,
        "erasure": partial(erasure, session),
        "patching": partial(patching, session),
    }


def _cascade(session: Session, run: Run, arm: ArmPlan) -> list[str] | None:
    """Labels of the first cascade on the arm's language model on the trials, if they are all there."""
    plan = run.plan
    for other in plan.arms:
        if other.kind != "cascade" or other.llm != arm.llm:
            continue
        keys = []
        for task, item in session.trials:
            trial = next(
                (t for t in plan.trials(task) if t.item.id == item.id and t.condition.name == CLEAN.name), None
            )
            keys.append(plan.answer_key(other, task, trial) if trial else "")
        rows = run.journal.rows(AnswerRow, keys)
        if all(key in rows for key in keys):
            return [rows[key].label for key in keys]
    return None
