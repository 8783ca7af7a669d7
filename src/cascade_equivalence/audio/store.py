"""The clips of a run: made once, hashed, kept as FLAC."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cascade_equivalence.audio.babble import Talker
from cascade_equivalence.audio.clip import Clip, from_samples, read_clip, read_flac, write_flac
from cascade_equivalence.audio.condition import Condition
from cascade_equivalence.audio.degrade import Degraded, degrade
from cascade_equivalence.audio.synthesis import Synthesizer
from cascade_equivalence.errors import AudioError
from cascade_equivalence.tasks.item import Item


@dataclass(frozen=True, slots=True)
class ClipMaker:
    """Makes the clip of an item under a condition. `talkers` and `synthesizer` are called when first needed."""

    talkers: Callable[[], Sequence[Talker]]
    synthesizer: Callable[[], Synthesizer]
    seed: int

    def make(self, item: Item, condition: Condition) -> Degraded:
        """Read the item's audio, or speak its text, and degrade it. Raises `AudioError` naming the item.

        `item` is the one that is heard: under `swap` another than the one that is answered (`controls.heard`).
        """
        name = f"item '{item.id}' ({item.audio or item.voice})"
        if item.audio:
            clip = read_clip(item.audio, item.id)
        elif item.voice and item.text:
            clip = from_samples(*self.synthesizer().speak(item.text, item.voice), name)
        else:
            raise AudioError(silent_item(item))
        return degrade(clip, condition, self.talkers, self.seed, name)


@dataclass(frozen=True, slots=True)
class ClipStore:
    """FLAC files under a directory, named by content hash; equal clips are one file."""

    directory: Path

    def path(self, sha256: str) -> Path:
        """Where the clip of that hash is, or would be."""
        return self.directory / sha256[:2] / f"{sha256}.flac"

    def put(self, clip: Clip) -> Path:
        """Store a clip unless it is there."""
        path = self.path(clip.sha256)
        if not path.is_file():
            write_flac(clip, path)
        return path

    def get(self, sha256: str) -> Clip:
        """Read a clip and check that it is the one. Raises `AudioError`."""
        path = self.path(sha256)
        if not path.is_file():
            raise AudioError(f"stored clip {path} is missing; run again to make it")
        clip = read_flac(path)
        if clip.sha256 != sha256:
            raise AudioError(f"stored clip {path} was changed; delete it and run again")
        return clip


def silent_item(item: Item) -> str:
    """What to tell about an item that can neither be read nor spoken."""
    return (
        f"item '{item.id}' has text but no audio, and an arm needs audio; give the task a voice "
        "(tasks: [{manifest: …, voice: af_heart}], extra [speech]), or run the gold arm alone"
    )
