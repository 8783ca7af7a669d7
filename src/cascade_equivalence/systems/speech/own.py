"""A speech LLM made in Python, as a study can run it: on a language model that the study names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from cascade_equivalence.audio.clip import Clip
    from cascade_equivalence.systems.backbone import Backbone
    from cascade_equivalence.systems.speech.speech_llm import SpeechLLM


@dataclass(frozen=True, slots=True)
class OwnSpeechLLM:
    """llm: key of `models` whose LLM it has. facts: all that makes it answer as it does; they are its fingerprint.

    load: makes it of that LLM's object.
    """

    llm: str
    load: Callable[[Backbone], SpeechLLM]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Function:
    """Ears that are a function, whose results are looked at before they go on."""

    backbone: Backbone
    hear_clips: Callable[[Sequence[Clip], Backbone], Sequence[Any]]

    def hear(self, clips: Sequence[Clip]) -> list[torch.Tensor]:
        """See `Ears.hear`. Raises `ModelError` for what is no embedding of the language model."""
        import torch

        from cascade_equivalence.errors import ModelError

        heard = [torch.as_tensor(states) for states in self.hear_clips(clips, self.backbone)]
        like = self.backbone.embed([0])
        width = like.shape[1]
        if len(heard) != len(clips):
            raise ModelError(f"hear() gave {len(heard)} embeddings for {len(clips)} clips; it must give one for each")
        for states in heard:
            if states.ndim != 2 or states.shape[1] != width or not len(states):
                raise ModelError(
                    f"hear() gave an embedding of shape {tuple(states.shape)}; LLM '{self.backbone.name}' takes "
                    f"(positions, {width}), at least one position"
                )
            if not bool(torch.isfinite(states).all()):
                raise ModelError("hear() gave an embedding with NaN or infinity")
        return [states.detach().to(like) for states in heard]


@dataclass(frozen=True, slots=True)
class Hearing:
    """Makes a speech LLM whose ears are a function; pickled where the function can be."""

    hear: Callable[[Sequence[Clip], Backbone], Sequence[Any]]
    tokens_per_s: float | None

    def __call__(self, backbone: Backbone) -> SpeechLLM:
        from cascade_equivalence.systems.speech.adapter import POCKET
        from cascade_equivalence.systems.speech.composition import Composition
        from cascade_equivalence.systems.speech.speech_llm import SpeechLLM

        if self.tokens_per_s is None:
            adapter = replace(POCKET, family="own", positions="words")
        else:
            adapter = replace(POCKET, family="own", tokens_per_s=self.tokens_per_s)
        root = Composition(language_model=backbone.model)
        return SpeechLLM("own", adapter, root, backbone, backbone, Function(backbone, self.hear))


def hearing(
    llm: str,
    hear: Callable[[Sequence[Clip], Backbone], Sequence[Any]],
    facts: Mapping[str, Any],
    tokens_per_s: float | None = None,
) -> OwnSpeechLLM:
    """See `SpeechLLM.hearing`. Raises `UsageError` where facts are missing or no JSON values."""
    import json

    from cascade_equivalence.errors import UsageError

    try:
        json.dumps(dict(facts), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"facts of a speech LLM must be JSON values: {error}") from None
    if not facts:
        raise UsageError("facts are missing: name what makes the speech LLM answer as it does, {'version': 1} at least")

    return OwnSpeechLLM(llm, Hearing(hear, tokens_per_s), facts)
