"""ASR by faster-whisper (CTranslate2), decoded as the reference runtime decodes: English, greedy, nothing added."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cascade_equivalence.audio.clip import Clip
from cascade_equivalence.errors import ModelError, UsageError
from cascade_equivalence.systems.system import Transcript

MAX_TOKENS = 224


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
