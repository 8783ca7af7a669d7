"""Answers and transcripts that were made elsewhere, read from a file: the cheapest way to any hosted model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cascade_equivalence.audio.clip import Clip
from cascade_equivalence.errors import UsageError
from cascade_equivalence.hashing import sha256_file
from cascade_equivalence.logs import read
from cascade_equivalence.systems.identity import Identity
from cascade_equivalence.systems.system import Mode, Reply, Stimulus, Transcript
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.task import Task

Trial = tuple[str, str, str]
"""Task, item and condition by name."""
CLEAN = "clean"


@dataclass(frozen=True, slots=True)
class Predictions:
    """A file of predictions in any format that `ceq agree` reads.

    said: by id, which is `task/item/condition`, `item/condition`, `task/item` or the item's id alone; rows with fields
    `task` and `condition` have them in their id. What names no condition stands for `condition`. None: INVALID.
    """

    path: Path
    sha256: str
    said: Mapping[str, str | None] = field(repr=False)
    condition: str = CLEAN
    notes: tuple[str, ...] = ()

    def id_of(self, trial: Trial) -> str | None:
        """The id under which the file answers a trial; None if it does not."""
        task, item, condition = trial
        names = [f"{task}/{item}/{condition}", f"{item}/{condition}"]
        if condition == self.condition:
            names += [f"{task}/{item}", item]
        return next((name for name in names if name in self.said), None)

    def identity(self) -> Identity:
        """The file's hash stands for what made it: its match with anything is opaque."""
        return Identity(
            name=self.sha256[:12],
            source="a file of predictions",
            weights=None,
            runtime="predictions",
            device="elsewhere",
            dtype="unknown",
            batch_size=1,
            decoding={"file": self.sha256, "condition": self.condition},
        )


def read_predictions(path: Path, key: str | None = None, condition: str | None = None) -> Predictions:
    """Read a file. Raises `UsageError`.

    key: the field with the answer, where it is not the format's own; condition: what rows that name none stand for
    (default: clean).
    """
    found = read(path, key=key, by_condition=True)
    said = dict(zip(found.ids, found.predictions, strict=True))
    return Predictions(path, sha256_file(path), said, condition or CLEAN, found.notes)


@dataclass(frozen=True, slots=True)
class Matched:
    """How a file fits the trials of a study. missing: trials without a prediction; unused: ids without a trial."""

    path: Path
    trials: int
    missing: tuple[Trial, ...]
    unused: tuple[str, ...]

    def words(self) -> str:
        """One line, with the first few names of what does not match."""
        parts = [f"{self.path.name}: {self.trials - len(self.missing)} of {self.trials} trials have a prediction"]
        if self.missing:
            parts.append(f"{len(self.missing)} have none ({_few('/'.join(trial) for trial in self.missing)})")
        if self.unused:
            parts.append(f"{len(self.unused)} predictions match no trial ({_few(self.unused)})")
        return "; ".join(parts)


def match_trials(predictions: Predictions, trials: Iterable[Trial]) -> Matched:
    """Which trials have a prediction. Raises `UsageError` if none has: then the ids are not those of the items."""
    wanted = list(dict.fromkeys(trials))
    ids = {trial: predictions.id_of(trial) for trial in wanted}
    missing = tuple(trial for trial, name in ids.items() if name is None)
    if wanted and len(missing) == len(wanted):
        raise UsageError(
            f"{predictions.path}: no prediction is for an item of this study; it has {_few(predictions.said)}, the "
            f"study has {_few('/'.join(trial) for trial in wanted)}. Ids are item, task/item or task/item/condition"
        )
    used = set(ids.values())
    return Matched(predictions.path, len(wanted), missing, tuple(name for name in predictions.said if name not in used))


Where = Mapping[tuple[str, str, str | None], Sequence[str]]
"""Task, item and hash of the sound (None: no sound) → the conditions under which the item sounds so."""


@dataclass(frozen=True, slots=True)
class PredictedSystem:
    """A system whose answers lie in a file. How they were got is not known, so it answers in either mode, by text.

    It cannot be asked anything else: a sound that is no trial's (of the hearing check, of a repeat) has no answer.
    """

    predictions: Predictions
    where: Where

    @property
    def modes(self) -> frozenset[Mode]:
        """Both: see above."""
        return frozenset({"labels", "generate"})

    def reply(self, task: Task, items: Sequence[Item], given: Sequence[Stimulus], mode: Mode) -> list[Reply | None]:
        """See `System.reply`; `given` are sounds."""
        return [self._one(task, item, stimulus) for item, stimulus in zip(items, given, strict=True)]

    def _one(self, task: Task, item: Item, given: Stimulus) -> Reply | None:
        sound = given.sha256 if isinstance(given, Clip) else None
        for condition in self.where.get((task.name, item.id, sound), ()):
            name = self.predictions.id_of((task.name, item.id, condition))
            if name is not None:
                return Reply(None, self.predictions.said[name] or "")
        return None


@dataclass(frozen=True, slots=True)
class PredictedTranscripts:
    """An ASR whose transcripts lie in a file. trials: hash of a sound → the trials that it is heard in."""

    predictions: Predictions
    trials: Mapping[str, Sequence[Trial]]

    def transcribe(self, clips: Sequence[Clip]) -> list[Transcript]:
        """See `Transcriber.transcribe`. Raises `UsageError` for a sound without a transcript, or with two."""
        return [self._one(clip.sha256) for clip in clips]

    def transcripts(self, clips: Sequence[Clip]) -> Iterator[tuple[int, Transcript | None]]:
        """Each transcript with its clip's index; None: the file has none. Raises `UsageError` where it has two."""
        for index, clip in enumerate(clips):
            yield index, self._one(clip.sha256) if self._texts(clip.sha256) else None

    def _one(self, sound: str) -> Transcript:
        texts = self._texts(sound)
        trials = ["/".join(trial) for trial in self.trials.get(sound, ())]
        if not texts:
            raise UsageError(f"{self.predictions.path}: no transcript for {_few(trials) or 'a sound of no trial'}")
        if len(texts) > 1:
            raise UsageError(f"{self.predictions.path}: {_few(trials)} are the same sound, and have two transcripts")
        text = next(iter(texts)) or ""
        return Transcript(" ".join(text.split()), None, 0, True)

    def _texts(self, sound: str) -> dict[str | None, None]:
        names = [self.predictions.id_of(trial) for trial in self.trials.get(sound, ())]
        return dict.fromkeys(self.predictions.said[name] for name in names if name is not None)


def _few(names: Iterable[str], most: int = 3) -> str:
    every = list(names)
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")
