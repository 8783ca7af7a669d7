"""From a directory to a speech LLM, whatever its family. Nothing is downloaded here (see `systems.loading.locate`)."""

from __future__ import annotations

from pathlib import Path

from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems.backbone import Backbone
from cascade_equivalence.systems.loading import Placement, read_config
from cascade_equivalence.systems.speech.adapter import Adapter, Wanted, all_inside
from cascade_equivalence.systems.speech.encoder import WhisperEncoder
from cascade_equivalence.systems.speech.families import read_family
from cascade_equivalence.systems.speech.speech_llm import SpeechLLM
from cascade_equivalence.systems.tensors import ADAPTER


def adapter_of(directory: Path) -> Adapter:
    """The adapter of a checkpoint's family. Raises `ModelError` for a family that is not known."""
    return read_family(directory)[0].adapter


def check_layout(directory: Path) -> None:
    """Hold the names and shapes of a checkpoint's tensors against its configuration; reads headers alone.

    Raises `ModelError` naming what is missing, not expected or of another shape.
    """
    family, config = read_family(directory)
    family.layout(directory, config)


def lora_of(directory: Path) -> str | None:
    """Folder of the LoRA that a checkpoint brings, relative to its own; None without one. Raises `ModelError`."""
    folder = read_family(directory)[0].lora
    return folder if folder is not None and (directory / folder / ADAPTER).is_file() else None


def language_model_of(directory: Path) -> str | Path | None:
    """The LLM that a checkpoint builds on, as a name or id, or a path where there is one; None if it is inside.

    Raises `ModelError`.
    """
    return _builds_on(directory, 0)


def encoder_of(directory: Path) -> str | Path | None:
    """The audio encoder that a checkpoint builds on; as `language_model_of`."""
    return _builds_on(directory, 1)


def load_speech_llm(
    name: str,
    directory: Path,
    placement: Placement,
    llm: Backbone | None = None,
    encoder: WhisperEncoder | None = None,
    lora: bool = True,
) -> SpeechLLM:
    """The speech LLM in a directory.

    llm, encoder: already loaded, shared as the same objects, where the family keeps them elsewhere
    (`language_model_of`, `encoder_of`); None loads them from there if that is a local directory. lora: whether the
    LoRA that a checkpoint brings is on. Every tensor's name and shape is checked before any is read. Raises
    `ModelError`.
    """
    directory = Path(directory)
    family, config = read_family(directory)
    family.layout(directory, config)
    base, ears = (_place(source) for source in family.parts(directory, config))
    if family.parts is all_inside and (llm is not None or encoder is not None):
        raise ModelError(f"{directory}: LLM and audio encoder are inside this checkpoint; it cannot share others")
    if llm is None and base is not None:
        llm = Backbone.load(name, _local(directory, "LLM", "llm", base), placement)
    if encoder is None and ears is not None:
        encoder = WhisperEncoder(name, _local(directory, "audio encoder", "encoder", ears), placement)
    return family.load(Wanted(name, directory, config, placement, llm, encoder, lora))


def reading_of(directory: Path) -> dict[str, str]:
    """How a checkpoint finds words in the sound, where more than its weights decides that: part of its identity."""
    if read_config(directory / "config.json").get("connector", {}).get("kind") != "ctc":
        return {}
    from cascade_equivalence.systems.speech.joint import SETTINGS

    return {"reading": SETTINGS}


def _builds_on(directory: Path, part: int) -> str | Path | None:
    family, config = read_family(directory)
    return _place(family.parts(directory, config)[part])


def _place(source: str | None) -> str | Path | None:
    if not source:
        return None
    return Path(source).resolve() if Path(source).is_dir() else source


def _local(directory: Path, what: str, argument: str, source: str | Path) -> Path:
    if isinstance(source, Path):
        return source
    raise ModelError(
        f"{directory}: builds on {what} '{source}', which is not a local directory; locate and load it first and pass "
        f"it on ({argument}=)"
    )
