"""From a directory to a speech LLM, whatever its family. Nothing is downloaded here (see `systems.loading.locate`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems.backbone import Backbone
from cascade_equivalence.systems.loading import Placement
from cascade_equivalence.systems.speech.adapter import ADAPTERS, Adapter
from cascade_equivalence.systems.speech.checkpoint import read_json
from cascade_equivalence.systems.speech.encoder import WhisperEncoder
from cascade_equivalence.systems.speech.speech_llm import SpeechLLM


def adapter_of(directory: Path) -> Adapter:
    """The adapter of a checkpoint's family. Raises `ModelError` for a family that is not known."""
    return ADAPTERS[_family(directory, read_json(directory / "config.json"))]


def language_model_of(directory: Path) -> str | Path | None:
    """The LLM that a checkpoint builds on, as a name or id, or a path where there is one; None if it is inside.

    Raises `ModelError`.
    """
    return _builds_on(directory, "llm", "text_model_id", 1)


def encoder_of(directory: Path) -> str | Path | None:
    """The audio encoder that a checkpoint builds on; as `language_model_of`."""
    return _builds_on(directory, "encoder", "audio_model_id", 0)


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
    (`language_model_of`, `encoder_of`); None loads them from there if that is a local directory. lora: of
    Phi-4-multimodal, whether its speech LoRA is on. Raises `ModelError`.
    """
    directory = Path(directory)
    config = read_json(directory / "config.json")
    family = _family(directory, config)
    if family == "qwen2_audio":
        from cascade_equivalence.systems.speech.qwen2_audio import load_qwen2_audio

        _refuse_parts(directory, llm, encoder)
        return load_qwen2_audio(name, directory, placement)
    if family == "phi4_multimodal":
        from cascade_equivalence.systems.speech.phi4_multimodal import load_phi4_multimodal

        _refuse_parts(directory, llm, encoder)
        return load_phi4_multimodal(name, directory, placement, lora)
    if llm is None and (source := language_model_of(directory)) is not None:
        llm = Backbone.load(name, _local(directory, "LLM", "llm", source), placement)
    if encoder is None and (source := encoder_of(directory)) is not None:
        encoder = WhisperEncoder(name, _local(directory, "audio encoder", "encoder", source), placement)
    if family == "pocket":
        from cascade_equivalence.systems.speech.pocket_checkpoint import load_pocket

        if llm is None or encoder is None:
            missing = "llm" if llm is None else "encoder"
            raise ModelError(f"{directory / 'config.json'}: no '{missing}' named; install the package again")
        return load_pocket(name, directory, config, llm, encoder)
    from cascade_equivalence.systems.speech.ultravox import load_ultravox

    return load_ultravox(name, directory, config, placement, llm, encoder)


def _family(directory: Path, config: dict[str, Any]) -> str:
    family = str(config.get("family") or config.get("model_type"))
    if family == "phi4mm":
        raise ModelError(
            f"{directory}: this revision of Phi-4-multimodal needs remote code, which is not run; use its revision "
            "refs/pr/70, in transformers' own layout"
        )
    if family not in ADAPTERS:
        raise ModelError(
            f"{directory / 'config.json'}: '{family}' is not a family of speech LLMs known here ({', '.join(ADAPTERS)})"
        )
    return family


def reading_of(directory: Path) -> dict[str, str]:
    """How a checkpoint finds words in the sound, where more than its weights decides that: part of its identity."""
    if read_json(directory / "config.json").get("connector", {}).get("kind") != "ctc":
        return {}
    from cascade_equivalence.systems.speech.joint import SETTINGS

    return {"reading": SETTINGS}


def _builds_on(directory: Path, pocket_key: str, ultravox_key: str, part: int) -> str | Path | None:
    config = read_json(directory / "config.json")
    family = _family(directory, config)
    if family == "pocket":
        source = config.get(pocket_key)
    elif family == "ultravox":
        from cascade_equivalence.systems.speech.ultravox import own_parts

        # An encoder that was trained in part stands on the one it was started from.
        geometry = config.get("audio_config") if part == 0 else True
        source = None if own_parts(directory)[part] and geometry else config.get(ultravox_key)
    else:
        source = None
    if not source:
        return None
    return Path(source).resolve() if Path(source).is_dir() else str(source)


def _local(directory: Path, what: str, argument: str, source: str | Path) -> Path:
    if isinstance(source, Path):
        return source
    raise ModelError(
        f"{directory}: builds on {what} '{source}', which is not a local directory; locate and load it first and pass "
        f"it on ({argument}=)"
    )


def _refuse_parts(directory: Path, llm: Backbone | None, encoder: WhisperEncoder | None) -> None:
    if llm is not None or encoder is not None:
        raise ModelError(f"{directory}: LLM and audio encoder are inside this checkpoint; it cannot share others")
