"""A study's tasks: read, and fetched and spoken where they are public data sets. Imports no models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cascade_equivalence.errors import UsageError
from cascade_equivalence.public.materialise import Wanted, materialise, source_of
from cascade_equivalence.public.sets import other_set, public_set
from cascade_equivalence.public.speech import speak
from cascade_equivalence.study.spec import Study, TaskSpec
from cascade_equivalence.tasks.forms import FORMS
from cascade_equivalence.tasks.task import Origin, Task, load_task


def build_task(study: Study, spec: TaskSpec, base: Path, say: Callable[[str], None], hears: bool) -> Task:
    """One task of a study with its items; `hears` is whether their sound is needed."""
    manifest, voice, form = None if spec.manifest is None else base / spec.manifest, spec.voice, spec.wording()
    if isinstance(form, str) and form not in FORMS:
        raise UsageError(f"task '{spec.title()}': no form '{form}'; there are: {', '.join(FORMS)}")
    if spec.dataset is not None:
        wanted = dataset_of(spec, base)
        manifest, voice, form = materialise(wanted, say), None, form or wanted.chosen.form
    limit = study.limit if spec.limit is None else min(spec.limit, study.limit or spec.limit)
    task = load_task(spec.title(), manifest, spec.where, limit, voice, form)
    if spec.dataset is None:
        return task
    if hears:
        speak(task.items, task.name, say)
    assert manifest is not None
    return replace(task, origin=_origin(manifest))


def _origin(manifest: Path) -> Origin | None:
    found = source_of(manifest)
    if not found:
        return None
    excluded = tuple((one["id"], one["reason"]) for one in found["excluded"])
    return Origin(found["name"], found["from"], found.get("revision"), found["rows"], found["licence"], excluded)


def dataset_of(spec: TaskSpec, base: Path) -> Wanted:
    """The public data set that a task names. Raises `UsageError`."""
    assert spec.dataset is not None
    if isinstance(spec.dataset, str):
        chosen = public_set(spec.dataset)
    else:
        asked = spec.dataset
        chosen = other_set(
            asked.hub,
            {str(key): column for key, column in asked.columns.items()},
            asked.split,
            asked.revision,
            asked.config,
            tuple(asked.labels or ()),
        )
    return Wanted(chosen, base / spec.path if spec.path else None, spec.voice, spec.rows)
