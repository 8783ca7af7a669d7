"""One arm's analyses share what they look at: clips, answers, and states on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from torch import Tensor

from cascade_equivalence.audio.clip import Clip
from cascade_equivalence.hashing import digest_of
from cascade_equivalence.inside.bench import Bench, States
from cascade_equivalence.inside.material import RECIPE, Utterance, analysed_tasks, evaluated, fitting_pool
from cascade_equivalence.inside.settings import MechanismSpec
from cascade_equivalence.mechanism.ctc_probe import CtcProbe
from cascade_equivalence.mechanism.states import Kind, StateStore
from cascade_equivalence.run.answers import calibrated
from cascade_equivalence.run.batching import chunks
from cascade_equivalence.run.journal import ClipRow
from cascade_equivalence.run.layout import STATES
from cascade_equivalence.run.plan import CLEAN, ArmPlan, Plan
from cascade_equivalence.run.run import Run
from cascade_equivalence.run.work import maker_of
from cascade_equivalence.systems.system import Reply
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.judging import judge
from cascade_equivalence.tasks.task import Task


@dataclass(frozen=True)
class Around:
    """What all arms share. memo: by the object and purpose it was computed for."""

    run: Run
    settings: MechanismSpec
    memo: dict[Any, Any] = field(default_factory=dict)

    @property
    def plan(self) -> Plan:
        """The run's."""
        return self.run.plan

    def clean(self, item: Item) -> Clip:
        """An item's clean clip: the run's own where it has one."""
        key = ("clip", self.plan.clip_key(item, CLEAN))
        if key not in self.memo:
            row = self.run.journal.rows(ClipRow, [key[1]]).get(key[1])
            stored = row is not None and self.run.store.path(row.sha256).is_file()
            self.memo[key] = self.run.store.get(row.sha256) if row and stored else self._made(item)
        clip: Clip = self.memo[key]
        return clip

    def _made(self, item: Item) -> Clip:
        return maker_of(self.plan).make(item, CLEAN).clip


class Session:
    """One speech arm. spellings: its CTC readers by layer, which two analyses need (`concepts.spelling`)."""

    def __init__(self, around: Around, arm: ArmPlan) -> None:
        self.around, self.arm, self.settings = around, arm, around.settings
        system = around.run.models.listener(arm.answers, arm.style)
        self.bench = Bench.of(system, self.settings.layers, around.plan.models[arm.answers].batch_size)
        trials = evaluated(around.plan, self.settings)
        heard = self.bench.hear([around.clean(item) for task, item in trials])
        # A connector may hear nothing in a clip: there are no positions to look at then.
        there = [i for i, states in enumerate(heard) if self._fills(states)]
        self.trials = [trials[i] for i in there]
        self.heard = [heard[i] for i in there]
        self._candidates = fitting_pool(around.plan, self.settings)
        made_of = [RECIPE, around.plan.arm_digest(arm), around.plan.seed, self.bench.layers]
        self.states = StateStore(around.run.directory / STATES / digest_of(made_of)[:16])
        self.spellings: dict[int, CtcProbe] = {}

    @property
    def tasks(self) -> list[Task]:
        """The tasks that are analysed."""
        return analysed_tasks(self.around.plan, self.settings)

    def labels(self, trials: Sequence[tuple[Task, Item]], replies: Sequence[Reply]) -> list[str]:
        """The calibrated labels of replies."""
        offsets = self._offsets
        return [
            judge(
                task,
                item,
                reply.scores,
                reply.text,
                reply.ended,
                offsets[self.arm.name, task.name] if reply.scores else None,
            ).label
            for (task, item), reply in zip(trials, replies, strict=True)
        ]

    @cached_property
    def _offsets(self) -> dict[tuple[str, str], tuple[float, ...] | None]:
        return calibrated(self.around.plan, self.around.run.journal, [self.arm])

    @cached_property
    def answers(self) -> list[str]:
        """The arm's own labels on the trials; the states of the same passes are kept."""
        key = f"mechanism-answers:{self.states.directory.name}:{digest_of([(t.name, i.id) for t, i in self.trials])}"
        names = [self._trial(i) for i in range(len(self.trials))]
        there = set(self.states.trials("audio"))
        known: list[str] | None = self.around.run.journal.fact(key)
        if known is not None and there.issuperset(names):
            return known

        def keep(index: int, kind: Kind, states: States) -> None:
            if names[index] not in there:
                self.states.add(names[index], kind, states)

        replies = self.bench.ask_and_collect(self.trials, self.heard, keep)
        self.states.flush()
        labels = self.labels(self.trials, replies)
        self.around.run.journal.put_fact(key, labels)
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
        states = self.bench.hear([self.around.clean(u.item) for u in part])
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
        return [self.around.clean(u.item) for u in self.pool]

    def fit_states(self, layer: int) -> list[Tensor]:
        """States of each utterance of the pool at its audio positions, (positions, d)."""
        return [self.states.read(f"fit/{u.key}", "audio", layer) for u in self.pool]

    def named_trials(self) -> list[dict[str, Any]]:
        """The trials as a journal keeps them."""
        return [{"task": task.name, "item": item.id, "gold": item.label} for task, item in self.trials]

    def _trial(self, index: int) -> str:
        task, item = self.trials[index]
        return f"{task.name}/{item.id}/{CLEAN.name}"
