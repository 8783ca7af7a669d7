"""Answers made anew, outside the journal's rows: for the proof of hearing and for answers repeated."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cascade_equivalence.audio.clip import Clip
from cascade_equivalence.run.batching import chunks, halving
from cascade_equivalence.run.models import Models
from cascade_equivalence.run.plan import ArmPlan, Plan
from cascade_equivalence.systems.arms import Reply, SpeechArm
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Fresh:
    """Asks arms without reading or writing the journal.

    transcripts: (ASR, clip hash) → text that is known; what is transcribed here is added to it.
    """

    plan: Plan
    models: Models
    transcripts: dict[tuple[str, str], str] = field(default_factory=dict)

    def ask(
        self, arm: ArmPlan, task: Task, items: Sequence[Item], clips: Sequence[Clip | None], batch_size: int
    ) -> list[Reply]:
        """What an arm says to each item with that clip (None: no audio at all; the gold arm reads its text)."""
        system, mode = self.models.arm(arm), self.plan.mode(task)
        if isinstance(system, SpeechArm):
            speech = system

            def hear(part: Sequence[int]) -> list[Reply]:
                return speech.reply(task, [items[i] for i in part], [clips[i] for i in part], mode)

            work = hear
        else:
            texts = self._read(arm, items, clips, batch_size)
            text_arm = system

            def read(part: Sequence[int]) -> list[Reply]:
                return text_arm.reply(task, [items[i] for i in part], [texts[i] for i in part], mode)

            work = read
        order = sorted(range(len(items)), key=lambda i: (0.0 if (clip := clips[i]) is None else clip.seconds, i))
        found: dict[int, Reply] = {}
        for part in chunks(order, batch_size):
            found |= {i: reply for i, (reply, _, _) in zip(part, halving(work, part), strict=True)}
        return [found[i] for i in range(len(items))]

    def _read(self, arm: ArmPlan, items: Sequence[Item], clips: Sequence[Clip | None], batch_size: int) -> list[str]:
        if arm.asr is None:
            return [item.text or "" for item in items]
        asr = arm.asr
        missing = {clip.sha256: clip for clip in clips if clip and (asr, clip.sha256) not in self.transcripts}
        order = sorted(missing.values(), key=lambda clip: (clip.seconds, clip.sha256))
        for part in chunks(order, batch_size):
            said = halving(self.models.asr(asr).transcribe, part)
            self.transcripts.update(
                {(asr, clip.sha256): found.text for clip, (found, _, _) in zip(part, said, strict=True)}
            )
        return ["" if clip is None else self.transcripts[asr, clip.sha256] for clip in clips]


def choose(tasks: Sequence[Task], most: int, purpose: str) -> list[tuple[Task, Item]]:
    """At most `most` items, evenly over the closed tasks (over all where none is closed), by hash of their id.

    Tasks that only differ from another in the order of their options are left out.
    """
    tasks = [task for task in tasks if task.variant_of is None]
    closed = [task for task in tasks if task.form.kind != "open"] or tasks
    ranked = {task.name: sorted(task.items, key=lambda item: _rank(purpose, task, item)) for task in closed}
    quota = dict.fromkeys(ranked, 0)
    while sum(quota.values()) < min(most, sum(map(len, ranked.values()))):
        for name, items in ranked.items():
            if quota[name] < len(items) and sum(quota.values()) < most:
                quota[name] += 1
    return [(task, item) for task in closed for item in ranked[task.name][: quota[task.name]]]


def by_task(chosen: Sequence[tuple[Task, Item]]) -> Mapping[str, list[int]]:
    """Task name → indices into `chosen`."""
    found: dict[str, list[int]] = {}
    for index, (task, _) in enumerate(chosen):
        found.setdefault(task.name, []).append(index)
    return found


def _rank(purpose: str, task: Task, item: Item) -> str:
    return hashlib.sha256(f"{purpose}:{task.name}:{item.id}".encode()).hexdigest()
