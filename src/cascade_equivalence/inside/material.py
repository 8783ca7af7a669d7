"""What the analyses look at: trials whose answers are read, and utterances and sentences that others are fitted on."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cascade_equivalence.errors import AnalysisError, UsageError
from cascade_equivalence.hashing import digest_of
from cascade_equivalence.inside.settings import Analysis, MechanismSpec
from cascade_equivalence.run.plan import ArmPlan, Plan, source_of
from cascade_equivalence.run.questions import choose
from cascade_equivalence.systems.prompting import wording
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.manifest import read_manifest
from cascade_equivalence.tasks.sentences import own_sentences
from cascade_equivalence.tasks.task import Task, corpus_dir, shipped_tasks

RECIPE = 2
"""Raised when the code changes what an analysis finds for the same inputs."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """Speech that no evaluated trial has.

    outside: the study does not evaluate its words at all. first: the first with these words; probes of text leave the
    others out, so that no words are on both sides of a split.
    """

    key: str
    item: Item
    outside: bool
    first: bool


def analysed_tasks(plan: Plan, settings: MechanismSpec) -> list[Task]:
    """Tasks with choices, whose items have words and sound. Raises `UsageError` for a name that is none of them."""
    closed = [task for task in plan.tasks if task.form.kind != "open" and any(map(_usable, task.items))]
    if settings.tasks is None:
        return [task for task in closed if task.form.sufficient] or closed
    there = {task.name: task for task in closed}
    if unknown := [name for name in settings.tasks if name not in there]:
        raise UsageError(
            f"mechanism.tasks: '{unknown[0]}' is no closed task of the study with text and sound; there are: "
            f"{', '.join(there) or 'none'}"
        )
    return [there[name] for name in settings.tasks]


def evaluated(plan: Plan, settings: MechanismSpec) -> list[tuple[Task, Item]]:
    """The trials, the same for every arm. Raises `AnalysisError` where the study has none."""
    tasks = analysed_tasks(plan, settings)
    if not tasks:
        raise AnalysisError("probes, lens, implicit, erasure and patching need a closed task whose items have text")
    chosen = choose(tasks, settings.trials, "mechanism")
    return [(task, item) for task, item in chosen if _usable(item)]


def fitting_pool(plan: Plan, settings: MechanismSpec) -> list[Utterance]:
    """Up to `settings.fit` utterances, none with the words of an evaluated trial.

    What the study does not evaluate comes first (development items, and the shipped clips of other tasks), then its
    items that are not among the trials; within each, clips with words of their own before further clips of the same
    words.
    """
    trials = evaluated(plan, settings)
    taken = {spoken_words(item.text) for _, item in trials}
    inside = {spoken_words(item.text) for task in plan.tasks for item in task.items}
    candidates: dict[str, Item] = {}
    for task in plan.tasks:
        candidates.update({f"{task.name}/{item.id}": item for item in task.dev})
    for name in (*shipped_tasks(), "retest"):
        candidates.update({f"shipped {name}/{item.id}": item for item in read_manifest(corpus_dir() / f"{name}.jsonl")})
    for task in plan.tasks:
        candidates.update({f"{task.name}/{item.id}": item for item in task.items})
    found: list[Utterance] = []
    heard: set[str] = set()
    said: dict[str, int] = {}
    places: dict[str, tuple[bool, int, str]] = {}
    for key, item in sorted(candidates.items(), key=lambda pair: _rank("fit", pair[0])):
        if not _usable(item) or (words := spoken_words(item.text)) in taken:
            continue
        sound = source_of(item)
        if sound in heard:
            continue
        heard.add(sound)
        said[words] = said.get(words, -1) + 1
        found.append(Utterance(key, item, words not in inside, said[words] == 0))
        places[key] = (words in inside, said[words], _rank("fit", key))
    return sorted(found, key=lambda u: places[u.key])[: settings.fit]


def sentences(plan: Plan, settings: MechanismSpec) -> tuple[list[str], list[str]]:
    """Plain text that no trial says: for the readouts, and others for perplexity."""
    taken = {spoken_words(item.text) for _, item in evaluated(plan, settings)}
    ranked = sorted((s for s in own_sentences() if spoken_words(s) not in taken), key=lambda s: _rank("text", s))
    wanted = ranked[: settings.sentences + settings.damage]
    return wanted[settings.damage :], wanted[: settings.damage]


def analysis_key(plan: Plan, arm: ArmPlan, analysis: Analysis, settings: MechanismSpec) -> str:
    """Fact under which what an analysis found on an arm is kept."""
    trials = [(task.name, wording(arm.style, task, item), source_of(item)) for task, item in evaluated(plan, settings)]
    made_of = [plan.arm_digest(arm), plan.seed, settings.model_dump(mode="json", exclude={"arms"}), trials]
    return f"mechanism:{analysis}:{digest_of([RECIPE, *made_of])}"


def analysis_keys(plan: Plan, arm: ArmPlan, analyses: Sequence[str], settings: MechanismSpec) -> Mapping[str, Any]:
    """Analysis → its fact, of a speech arm whose weights are here; nothing for any other arm."""
    wanted = [name for name in analyses if name != "agreement"]
    # Arms of a preset that the study has dropped name none of its own: then all of its speech LLMs are looked into.
    named = {other.name for other in plan.arms} & set(settings.arms or [])
    if named and arm.name not in named:
        return {}
    if arm.kind != "speech" or not plan.here(arm) or not wanted or not analysed_tasks(plan, settings):
        return {}
    return {name: analysis_key(plan, arm, name, settings) for name in wanted}  # type: ignore[arg-type]


def spoken_words(text: str | None) -> str:
    """Lower-case letters, apostrophes and single spaces: what a CTC probe spells."""
    return " ".join(re.sub(r"[^a-z' ]+", " ", (text or "").casefold()).split())


def _usable(item: Item) -> bool:
    return bool(spoken_words(item.text)) and (item.audio is not None or item.voice is not None)


def _rank(purpose: str, key: str) -> str:
    return hashlib.sha256(f"{purpose}:{key}".encode()).hexdigest()
