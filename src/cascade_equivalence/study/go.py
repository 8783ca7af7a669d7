"""Carrying a study out: planned, recorded, executed, analysed, in one held directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cascade_equivalence.run.execute import execute
from cascade_equivalence.run.progress import Reporter
from cascade_equivalence.run.run import open_run
from cascade_equivalence.study.build import build_plan, build_tasks
from cascade_equivalence.study.record import record
from cascade_equivalence.study.spec import Study
from cascade_equivalence.systems.speech.own import OwnSpeechLLM


def run_plan(
    study: Study,
    base: Path,
    directory: Path,
    reporter: Reporter,
    own: Mapping[str, OwnSpeechLLM] | None = None,
    replacing: bool = False,
) -> int:
    """Carry a study out in a directory, or go on where it stopped; returns how many answers are still missing.

    base: where the study's relative paths start. own: speech LLMs made in Python. replacing: the directory may hold
    another study. Raises what `build_plan`, `record`, `execute` and `analyse` raise.
    """
    # A study that cannot be read is refused before any model is fetched.
    build_tasks(study, base, reporter.say)
    plan = build_plan(study, base, reporter.say, own)
    with open_run(directory, plan, reporter) as run:
        record(study, plan, run.journal, replacing)
        missing = execute(run)
        if set(study.analyses) - {"agreement"}:
            from cascade_equivalence.inside.execute import analyse_mechanism

            analyse_mechanism(run, study.analyses, study.mechanism)
    return missing
