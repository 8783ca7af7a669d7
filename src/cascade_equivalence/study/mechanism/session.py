"""One arm's analyses share what they look at: clips, answers, and states on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from cascade_equivalence.audio.clip import Clip
from cascade_equivalence.audio.store import ClipMaker, ClipStore
from cascade_equivalence.mechanism.ctc_probe import CtcProbe
from cascade_equivalence.mechanism.states import Kind, StateStore
from cascade_equivalence.run.answers import judge, offsets_of
from cascade_equivalence.run.batching import chunks
from cascade_equivalence.run.clips import Clips
from cascade_equivalence.run.hearing import CLEAN
from cascade_equivalence.run.journal import Journal
from cascade_equivalence.run.models import Models
from cascade_equivalence.run.plan import ArmPlan, Plan
from cascade_equivalence.study.mechanism.bench import Bench, States
from cascade_equivalence.study.mechanism.material import RECIPE, Utterance, analysed_tasks, evaluated, fitting_pool
from cascade_equivalence.study.mechanism.settings import MechanismSpec
from cascade_equivalence.systems.arms import Reply, SpeechArm
from cascade_equivalence.systems.identity import digest_of
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.task import Task

STATES = "states"


@dataclass
class Around:
    """What all arms share. memo: by the object and purpose it was computed for."""

    plan: Plan
    settings: MechanismSpec
    clips: Clips
    journal: Journal
    store: ClipStore
    models: Models
    maker: ClipMaker
    directory: Path
    memo: dict[Any, Any] = field(default_factory=dict)

    def clean(self, task: str, item: Item) -> Clip:
        """An item's clean clip: the run's own where it has one."""
        key = ("clip", task, item.id)
        if key not in self.memo:
            row = self.clips.get((task, item.id, CLEAN.name))
            self.memo[key] = self.store.get(row.sha256) if row else self.maker.make(item, CLEAN).clip
        clip: Clip = self.memo[key]
        return clip


class Session:
    """One speech arm. spellings: its CTC readers by layer, which two analyses need (`concepts.spelling`)."""

    def __init__(self, around: Around, arm: ArmPlan) -> None:
        self.around, self.arm, self.settings = around, arm, around.settings
        system = around.models.arm(arm)
        assert isinstance(system, SpeechArm)
        self.bench = Bench.of(system, self.settings.layers, around.plan.batch_size(arm))
        trials = evaluated(around.plan, self.settings)
        heard = self.bench.hear([around.clean(task.name, item) for task, item in trials])
        # A connector may hear nothing in a clip: there are no positions to look at then.
        there = [i for i, states in enumerate(heard) if self._fills(states)]
        self.trials = [trials[i] for i in there]
        self.heard = [heard[i] for i in there]
        self._candidates = fitting_pool(around.plan, self.settings)
        made_of = [RECIPE, around.plan.arm_digest(arm), around.plan.seed, self.bench.layers]
        self.states = StateStore(around.directory / STATES / digest_of(made_of)[:16])
        self.spellings: dict[int, CtcProbe] = {}

    @property
    def tasks(self) -> list[Task]:
        """The tasks that are analysed."""
        return analysed_tasks(self.around.plan, self.settings)

    def labels(self, trials: Sequence[tuple[Task, Item]], replies: Sequence[Reply]) -> list[str]:
        """The calibrated labels of replies."""
        offsets = self._offsets(trials)
        return [
            judge(task, item, reply, offsets[task.name] if reply.scores else None)[0]
            for (task, item), reply in zip(trials, replies, strict=True)
        ]

    def _offsets(self, trials: Sequence[tuple[Task, Item]]) -> dict[str, Any]:
        around = self.around
        tasks = {task.name: task for task, _ in trials}
        return {
            name: offsets_of(around.plan, self.arm, task, around.journal, around.models) for name, task in tasks.items()
        }

    @cached_property
    def answers(self) -> list[str]:
        """The arm's own labels on the trials; the states of the same passes are kept."""
        key = f"mechanism-answers:{self.states.directory.name}:{digest_of([(t.name, i.id) for t, i in self.trials])}"
        names = [self._trial(i) for i in range(len(self.trials))]
        there = set(self.states.trials("audio"))
        known: list[str] | None = self.around.journal.fact(key)
        if known is not None and there.issuperset(names):
            return known

        def keep(index: int, kind: Kind, states: States) -> None:
            if names[index] not in there:
                self.states.add(names[index], kind, states)

        replies = self.bench.ask_and_collect(self.trials, self.heard, keep)
        self.states.flush()
        labels = self.labels(self.trials, replies)
        self.around.journal.put_fact(key, labels)
        return labels

    def trial_states(self, layer: int, kind: Kind = "audio") -> list[Tensor]:
        """States of each trial at a layer, (positions, d)."""
        assert len(self.answers) == len(self.trials)
        return [self.states.read(self._trial(i), kind, layer) for i in range(len(self.trials))]

    @cached_property
    def pool(self) -> list[Utterance]:
        """The utterances that probes and erasers are fitted on; their states are kept."""
        names = {f"fit/{u.key}": u for u in self._candidates}
        there = set(self.states.trials("audio"))
        todo = [u for name, u in names.items() if name not in there]
        # Prompts take turns, so that erasers are not those of one prompt alone.
        for number, task in enumerate(self.tasks):
            for part in chunks(todo[number :: len(self.tasks)], 8 * self.bench.size):
                self._collect(task, part)
        self.states.flush()
        there = set(self.states.trials("audio"))
        return [u for name, u in names.items() if name in there]

    def _collect(self, task: Task, part: Sequence[Utterance]) -> None:
        states = self.bench.hear([self.around.clean(u.key, u.item) for u in part])
        heard = [(u, h) for u, h in zip(part, states, strict=True) if self._fills(h)]
        self.bench.collect(
            self.bench.beginning(task),
            [h for _, h in heard],
            [self.bench.arm.audio_span(h) for _, h in heard],
            lambda i, by_layer: self.states.add(f"fit/{heard[i][0].key}", "audio", by_layer),
        )

    def _fills(self, heard: Tensor) -> bool:
        first, last = self.bench.arm.audio_span(heard)
        return last > first

    @cached_property
    def fit_clips(self) -> list[Clip]:
        """The clips of the pool."""
        return [self.around.clean(u.key, u.item) for u in self.pool]

    def fit_states(self, layer: int) -> list[Tensor]:
        """States of each utterance of the pool at its audio positions, (positions, d)."""
        return [self.states.read(f"fit/{u.key}", "audio", layer) for u in self.pool]

    def named_trials(self) -> list[dict[str, Any]]:
        """The trials as a journal keeps them."""
        return [{"task": task.name, "item": item.id, "gold": item.label} for task, item in self.trials]

    def _trial(self, index: int) -> str:
        task, item = self.trials[index]
        return f"{task.name}/{item.id}/{CLEAN.name}"
