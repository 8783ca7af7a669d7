"""What workers do in tests in place of asking models: functions at the top of a module, so that they can be sent."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from cascade_equivalence.audio.clip import stored
from cascade_equivalence.audio.store import ClipStore
from cascade_equivalence.errors import AudioError
from cascade_equivalence.run.executors import Here
from cascade_equivalence.run.journal import ClipRow, Row, TranscriptRow
from cascade_equivalence.run.models import Models
from cascade_equivalence.run.plan import LocalModel, Plan
from cascade_equivalence.run.work import Make, Sound, Transcribe, Work
from cascade_equivalence.systems.identity import Identity
from cascade_equivalence.systems.loading import Placement


def here(plan: Plan, store: ClipStore) -> Here:
    """What does the work of a plan in this process."""
    return Here(plan, Models(plan, print), store)


class Doing(Here):
    """This process, doing what workers do."""

    def __init__(self, plan: Plan, store: ClipStore, does: Callable[..., Iterator[list[Row]]]) -> None:
        super().__init__(plan, Models(plan, print), store)
        self._given = plan, Models(plan, print), store
        self._does = does

    def map(self, work: Sequence[Work], in_turn: bool = False) -> Iterator[list[Row]]:
        """See `Executor.map`."""
        for piece in work:
            yield from self._does(piece, *self._given)


def plan(*models: str, device: str = "cpu") -> Plan:
    """A plan with these models on a device, each of weights of its own, and nothing to ask them."""

    def model(name: str) -> LocalModel:
        identity = Identity(name, name, f"weights of {name}", "none", device, "float32", 4, {})
        return LocalModel(name, Path(name), Placement("cpu", "float32", 4), identity)

    return Plan((), (), {name: model(name) for name in models}, (), "labels", 0, Path())


def piece(model: str, name: str, seconds: float = 0.0) -> Transcribe:
    """Work of one clip, whose hash is the name."""
    return Transcribe(model, (Sound(name, seconds),), (f"{model}:{name}",))


def rows(work: Work) -> list[Row]:
    """One row a clip, with the process that made it as its text."""
    assert isinstance(work, Transcribe)
    return [
        TranscriptRow(key, work.model, clip.sha256, str(os.getpid()), None, 0, 1, 0.0, len(work.keys))
        for key, clip in zip(work.keys, work.clips, strict=True)
    ]


def sleep(work: Work, plan: Plan, models: Models, store: ClipStore) -> Iterator[list[Row]]:
    """As long as the clips of a piece are."""
    assert isinstance(work, Transcribe)
    time.sleep(sum(clip.seconds for clip in work.clips))
    yield rows(work)


def threads(work: Work, plan: Plan, models: Models, store: ClipStore) -> Iterator[list[Row]]:
    """The threads and the device that a worker has, as the text."""
    import torch

    [made] = rows(work)
    assert isinstance(made, TranscriptRow)
    model = plan.models[made.asr]
    assert isinstance(model, LocalModel)
    device = model.placement.device
    yield [TranscriptRow(made.key, made.asr, made.clip, f"{torch.get_num_threads()} {device}", None, 0, 1, 0.0, 1)]


def die_once(work: Work, plan: Plan, models: Models, store: ClipStore) -> Iterator[list[Row]]:
    """Killed at the clip `fatal` the first time that it comes, and every time at the clip `always`."""
    assert isinstance(work, Transcribe)
    name = work.clips[0].sha256
    mark = store.directory / "died"
    if name == "always" or (name == "fatal" and not mark.exists()):
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    yield rows(work)


def fail(work: Work, plan: Plan, models: Models, store: ClipStore) -> Iterator[list[Row]]:
    """Raises what the clip's hash names."""
    assert isinstance(work, Transcribe)
    if work.clips[0].sha256 == "ours":
        raise AudioError("item 'x': no sound")
    yield rows(work)
    raise ZeroDivisionError("by nothing")


def sounds(work: Work, plan: Plan, models: Models, store: ClipStore) -> Iterator[list[Row]]:
    """Makes clips, of as many samples as the item's id says; of a clip to be heard the text is how many it has, and the
    name of the folder that it lies in."""
    if isinstance(work, Make):
        for key, task, item, condition in work.clips:
            clip = stored(np.linspace(-0.5, 0.5, int(item.id), dtype=np.float32))
            store.put(clip)
            yield [ClipRow(key, task, item.id, condition.name, clip.sha256, clip.seconds, None, 1.0)]
        return
    assert isinstance(work, Transcribe)
    for key, sound in zip(work.keys, work.clips, strict=True):
        said = f"{len(store.get(sound.sha256).samples)} {store.directory.name}"
        yield [TranscriptRow(key, work.model, sound.sha256, said, None, 0, 1, 0.0, 1)]
