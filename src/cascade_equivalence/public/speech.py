"""Texts of a data set, spoken once: every clip is a file named by what was spoken, by whom and by which engine."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from cascade_equivalence.audio.clip import from_samples, write_flac
from cascade_equivalence.audio.synthesis import KokoroSynthesizer, Synthesizer
from cascade_equivalence.durations import duration
from cascade_equivalence.errors import CeqError
from cascade_equivalence.pocket.fetch import cache_dir, is_pulled, model_dir
from cascade_equivalence.pocket.registry import KOKORO
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.whole import clear_parts

Say = Callable[[str], None]

VOICE = "af_heart"
"""Who speaks where nobody is named."""

SPEECH = 1
"""Raised when the same text, voice and engine give another waveform."""

SPEED = 1.0
"""Seconds of speech made in a second on one core of a server processor, about; a run says its own."""

_TELL_EVERY = 20.0


def speech_dir() -> Path:
    """Where spoken clips are kept."""
    return cache_dir() / "spoken"


def clip_path(text: str, voice: str) -> Path:
    """Where the clip of a text spoken by a voice is, or will be."""
    recipe = "\x1f".join((str(SPEECH), model_dir(KOKORO).name, voice, text))
    name = hashlib.sha256(recipe.encode()).hexdigest()
    return speech_dir() / name[:2] / f"{name}.flac"


def unspoken(items: Sequence[Item]) -> list[Item]:
    """The items whose sound is still to be made."""
    return [item for item in items if item.fields.get("spoken_by") and item.audio and not item.audio.is_file()]


def speak(
    items: Sequence[Item], name: str, say: Say, synthesizer: Callable[[], Synthesizer] = KokoroSynthesizer
) -> int:
    """Make the clips that are missing, each written whole or not at all; returns how many were made.

    Killed, it goes on where it was. Two at once on one cache: the second waits. Raises `CeqError` naming the item.
    """
    if not unspoken(items):
        return 0
    speech_dir().mkdir(parents=True, exist_ok=True)
    lock = FileLock(speech_dir() / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"{name}: another process is speaking into {speech_dir()}; waiting for it")
        lock.acquire()
    try:
        clear_parts(speech_dir())
        todo = unspoken(items)
        if not todo:
            return 0
        if not is_pulled(KOKORO):
            say(f"{KOKORO.name}: about {KOKORO.download_mb} MB to fetch, once, into {cache_dir()}")
        say(f"{name}: {len(todo)} of {len(items)} texts to speak, once, into {speech_dir()}")
        voice, began, told = synthesizer(), time.monotonic(), time.monotonic()
        characters, all_of_them = 0, sum(len(item.text or "") for item in todo)
        for count, item in enumerate(todo, 1):
            assert item.audio is not None
            try:
                spoken = voice.speak(item.text or "", item.fields["spoken_by"])
                write_flac(from_samples(*spoken, f"item '{item.id}'"), item.audio)
            except CeqError as error:
                raise type(error)(f"{name}, item '{item.id}': {error}") from None
            characters += len(item.text or "")
            if (now := time.monotonic()) - told > _TELL_EVERY:
                told = now
                left = (all_of_them - characters) * (now - began) / max(characters, 1)
                say(f"{name}: {count} of {len(todo)} spoken, about {duration(left)} left")
        say(f"{name}: {len(todo)} spoken in {duration(time.monotonic() - began)}")
        return len(todo)
    finally:
        lock.release()
