"""Carrying a study out: planned, recorded, executed, analysed, in one held directory."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cascade_equivalence.errors import UsageError
from cascade_equivalence.run.execute import execute
from cascade_equivalence.run.missing import Missing, missing_of
from cascade_equivalence.run.progress import Reporter, Silent
from cascade_equivalence.run.run import open_run
from cascade_equivalence.study.build import build_plan, build_tasks
from cascade_equivalence.study.executor import executor_of, kind_of
from cascade_equivalence.study.machine import look
from cascade_equivalence.study.memory import refuse_too_large
from cascade_equivalence.study.narrow import first_look, narrow
from cascade_equivalence.study.optional import available
from cascade_equivalence.study.record import record
from cascade_equivalence.study.results import Results, analyse
from cascade_equivalence.study.spec import Study, load_study
from cascade_equivalence.study.spread import spread
from cascade_equivalence.systems.speech.own import OwnSpeechLLM


def run_plan(
    study: Study,
    base: Path,
    directory: Path,
    reporter: Reporter,
    own: Mapping[str, OwnSpeechLLM] | None = None,
    replacing: bool = False,
    first: Callable[[], None] | None = None,
) -> Missing:
    """Carry a study out in a directory, or go on where it stopped; returns the answers that are still missing.

    base: where the study's relative paths start. own: speech LLMs made in Python. replacing: the directory may hold
    another study. first: called when a first look at a few items is in the journal of a run that takes minutes. Raises
    what `build_plan`, `record`, `execute` and `analyse` raise.
    """
    study, left_out = available(study, base, look())
    for name, why in left_out.items():
        reporter.say(f"arm '{name}' is left out: {why}")
    # A study that cannot be read is refused before any model is fetched.
    build_tasks(study, base, reporter.say)
    plan = build_plan(_on_devices(study), base, reporter.say, own)
    refuse_too_large(plan, study.memory)
    with open_run(directory, plan, reporter, executor_of(spread(study.executor, plan, own), reporter.say)) as run:
        record(study, plan, run.journal, replacing, left_out)
        missing = missing_of(plan, execute(run, first))
        # What workers hold in memory is free for the analyses, which load models here.
        run.executor.close()
        if set(study.analyses) - {"agreement"}:
            from cascade_equivalence.inside.execute import analyse_mechanism

            analyse_mechanism(run, study.analyses, study.mechanism)
    return missing


def run_study(
    source: str | Path | Mapping[str, Any] | Study,
    out: str | Path,
    *,
    own: Mapping[str, OwnSpeechLLM] | None = None,
    limit: int | None = None,
    arms: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
    base: str | Path | None = None,
    replace: bool = False,
    reporter: Reporter | None = None,
) -> Results:
    """Run a study into a directory, or go on where it stopped, and return what it found.

    source: a study file or a preset's name, the keys of such a file, or a `Study`. own: speech LLMs made in Python
    (`SpeechLLM.hearing`), by the name that arms give as `speech_llm`. limit, arms, tasks: narrow the study, as
    `ceq run` does: a limit also makes the checks smaller and leaves out analyses of the inside. base: where relative
    paths start (default: the study file's directory, else the current one). replace: `out` may hold another study.
    reporter: where progress goes (default: nowhere). In a script, call it under `if __name__ == "__main__":`, since the
    worker processes of a large study import the script. Raises the errors of `errors.py`, each with its cure; what was
    done before stays, and the same call goes on from there.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise UsageError(
            "run_study was called while a worker process imports this script; put the call under "
            "if __name__ == '__main__':"
        )
    study, start = (source, Path.cwd()) if isinstance(source, Study) else load_study(source)
    if limit is not None:
        study = study.model_copy(update={"limit": limit})
    study = narrow(study, None if arms is None else list(arms), None if tasks is None else list(tasks))
    study = study if limit is None else first_look(study, limit)
    run_plan(study, start if base is None else Path(base), Path(out), reporter or Silent(), own, replace)
    return analyse(Path(out))


def _on_devices(study: Study) -> Study:
    """The study with models on the type of device that its workers have, where it leaves the device open."""
    if isinstance(study.executor, str) or study.device != "auto":
        return study
    return study.model_copy(update={"device": kind_of(study.executor.places[0])})
