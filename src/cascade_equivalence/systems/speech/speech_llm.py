"""A speech LLM as every arm uses it: what hears, and the causal LM that the heard states go into."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch

from cascade_equivalence.audio.clip import Clip
from cascade_equivalence.systems.backbone import Backbone
from cascade_equivalence.systems.speech.adapter import Adapter

if TYPE_CHECKING:
    from cascade_equivalence.systems.speech.own import OwnSpeechLLM


class Ears(Protocol):
    """Audio encoder and connector."""

    def hear(self, clips: Sequence[Clip]) -> list[torch.Tensor]:
        """Input embeddings of the LLM for each clip of 16 kHz, shape (positions, LLM width), in its dtype.

        A clip's states do not depend on the others in the batch, up to floating-point rounding. Raises `AudioError`
        for a clip that is longer than the model takes and cannot be cut.
        """
        ...


@dataclass(frozen=True, slots=True)
class SpeechLLM:
    """A speech LLM. A self-cascade of it reads text through the same `backbone` object.

    root: the module that the adapter's paths start from. matched: the LLM it was built on, on the same weights; the
    same object as `backbone` unless the speech LLM adds something to it that can be switched off (a LoRA).
    """

    name: str
    adapter: Adapter
    root: torch.nn.Module
    backbone: Backbone
    matched: Backbone
    ears: Ears

    @staticmethod
    def hearing(
        llm: str,
        hear: Callable[[Sequence[Clip], Backbone], Sequence[Any]],
        facts: Mapping[str, Any],
        *,
        tokens_per_s: float | None = None,
    ) -> OwnSpeechLLM:
        """A speech LLM of one's own, for `run_study(own={name: …})`: one function from clips to embeddings.

        llm: key of the study's `models` whose language model it has. hear: given clips (`Clip.samples`, mono float32
        of 16 kHz) and that language model (`encode`: text → token ids; `embed`: ids → embeddings), returns what stands
        in the prompt for each clip: a tensor or array (positions, LLM width). facts: all that makes it answer as it
        does (a checkpoint's hash, a setting), JSON values; they are its fingerprint, so a change of `hear` must change
        them. tokens_per_s: positions that each second fills, where they follow the clip's time; None: they do not, and
        analyses that need to know when a position was heard refuse it.
        """
        from cascade_equivalence.systems.speech.own import hearing

        return hearing(llm, hear, facts, tokens_per_s)

    @property
    def frame(self) -> tuple[list[int], list[int]]:
        """Tokens of the adapter's opening and closing, before and behind the audio's states."""
        encode = self.backbone.encode
        opening, closing = (encode(text) if text else [] for text in (self.adapter.opening, self.adapter.closing))
        return opening, closing

    def hear(self, clips: Sequence[Clip | None]) -> list[torch.Tensor]:
        """What stands in a prompt for each clip: the audio's states between the adapter's opening and closing.

        None is a dropped audio: the frame alone.
        """
        opening, closing = (self.backbone.embed(tokens) for tokens in self.frame)
        there = [clip for clip in clips if clip is not None]
        heard = iter(self.ears.hear(there) if there else [])
        return [torch.cat([opening, closing] if clip is None else [opening, next(heard), closing]) for clip in clips]

    def module(self, path: str) -> torch.nn.Module:
        """The module at one of the adapter's paths."""
        return self.root.get_submodule(path)
