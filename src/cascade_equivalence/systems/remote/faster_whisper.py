"""ASR by faster-whisper (CTranslate2), decoded as the reference runtime decodes: English, greedy, nothing added."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cascade_equivalence.audio.clip import Clip
from cascade_equivalence.errors import ModelError, UsageError
from cascade_equivalence.hashing import digest_of, sha256_file
from cascade_equivalence.systems.identity import Identity
from cascade_equivalence.systems.system import Transcript

MAX_TOKENS = 224


def located(name: str, source: str) -> Path:
    """The directory of a model: itself, or what faster-whisper fetches under a name or hub id. Raises `ModelError`."""
    if Path(source).is_dir():
        return Path(source).resolve()
    try:
        from faster_whisper.utils import download_model
    except ImportError:
        raise UsageError(f"ASR '{name}': pip install cascade-equivalence[faster-whisper]") from None
    try:
        return Path(download_model(source))
    except Exception as error:
        raise ModelError(
            f"ASR '{name}': '{source}' is neither a directory in CTranslate2's layout nor a model that faster-whisper "
            f"finds ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
        ) from None


def identify(name: str, source: str, directory: Path, device: str, dtype: str) -> Identity:
    """Its identity, by the content of its weights' file and tokenizer. Raises `ModelError` without one."""
    weights = directory / "model.bin"
    if not weights.is_file():
        raise ModelError(f"ASR '{name}': {directory} holds no model.bin, so it is no model of faster-whisper")
    words = [p for p in sorted(directory.iterdir()) if p.name.startswith(("tokenizer", "vocab", "preprocessor"))]
    return Identity(
        name=source,
        source=directory.name,
        weights=sha256_file(weights),
        runtime=", ".join(f"{package} {_version(package)}" for package in ("faster-whisper", "ctranslate2")),
        device=device,
        dtype=dtype,
        batch_size=1,
        decoding={"language": "en", "search": "greedy", "tokenizer": digest_of([sha256_file(p) for p in words])[:16]},
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


class FasterWhisper:
    """A Whisper in CTranslate2's layout: a directory, or a name that faster-whisper knows.

    Clips go in one by one. Beam 1, temperature 0 without the fallback to higher ones, no condition on text before, no
    voice activity detection, no timestamps. Raises `UsageError` without faster-whisper, `ModelError` for what is no
    model of it.
    """

    def __init__(self, name: str, source: str | Path, device: str = "cpu", dtype: str = "float32") -> None:
        try:
            from faster_whisper import WhisperModel
        except ImportError:
            raise UsageError(f"ASR '{name}': pip install cascade-equivalence[faster-whisper]") from None
        try:
            self._model = WhisperModel(str(source), device=device.split(":")[0], compute_type=dtype)
        except (OSError, ValueError, RuntimeError) as error:
            raise ModelError(f"ASR '{name}' cannot be loaded from {source} by faster-whisper: {error}") from None

    def transcribe(self, clips: Sequence[Clip]) -> list[Transcript]:
        """See `Transcriber.transcribe`."""
        return [self._one(clip) for clip in clips]

    def _one(self, clip: Clip) -> Transcript:
        segments, _ = self._model.transcribe(
            clip.samples,
            language="en",
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
            vad_filter=False,
            max_new_tokens=MAX_TOKENS,
            # Nothing is left out for being improbable: the reference runtime leaves nothing out.
            log_prob_threshold=None,
            no_speech_threshold=None,
            compression_ratio_threshold=None,
        )
        parts = list(segments)
        tokens = sum(len(part.tokens) for part in parts)
        # A segment's mean counts its end, as ours does.
        weight = sum(len(part.tokens) + 1 for part in parts)
        logprob = sum(part.avg_logprob * (len(part.tokens) + 1) for part in parts) / weight if parts else None
        text = " ".join(part.text.strip() for part in parts if part.text.strip())
        return Transcript(text, logprob, tokens, all(len(part.tokens) < MAX_TOKENS for part in parts))
