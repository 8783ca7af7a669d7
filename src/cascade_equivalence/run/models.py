"""The models of a plan, loaded when first needed and shared by all arms that name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cascade_equivalence.run.plan import ArmPlan, ModelPlan, Plan
from cascade_equivalence.run.progress import Reporter
from cascade_equivalence.systems.identity import Identity

if TYPE_CHECKING:
    from cascade_equivalence.systems.arms import SpeechArm, TextArm
    from cascade_equivalence.systems.backbone import Backbone
    from cascade_equivalence.systems.speech.encoder import WhisperEncoder
    from cascade_equivalence.systems.speech.speech_llm import SpeechLLM
    from cascade_equivalence.systems.whisper import Whisper

Same = tuple[object, ...]


class Models:
    """Loads on demand; one object for all that are the same weights in the same place."""

    def __init__(self, plan: Plan, reporter: Reporter) -> None:
        self._plan, self._reporter = plan, reporter
        self._asr: dict[str, Whisper] = {}
        self._llm: dict[Same, Backbone] = {}
        self._encoder: dict[Same, WhisperEncoder] = {}
        self._speech: dict[str, SpeechLLM] = {}

    def asr(self, name: str) -> Whisper:
        """The ASR of that name in the study."""
        if name not in self._asr:
            from cascade_equivalence.systems.whisper import Whisper

            model = self._plan.models[name]
            self._announce(name, model.identity)
            self._asr[name] = Whisper(name, model.directory, model.placement, self._plan.paddings[name])
        return self._asr[name]

    def llm(self, name: str) -> Backbone:
        """The LLM of that name in the study; a speech LLM's own is the same object where the identity is the same."""
        model = self._plan.models[name]
        if model.inside:
            speech = self.speech(model.inside)
            return speech.matched
        key = _same(model)
        if key not in self._llm:
            from cascade_equivalence.systems.backbone import Backbone

            self._announce(name, model.identity)
            self._llm[key] = Backbone.load(name, model.directory, model.placement)
        return self._llm[key]

    def speech(self, name: str) -> SpeechLLM:
        """The speech LLM of that name in the study, on the objects it shares with others."""
        if name not in self._speech:
            plan = self._plan.speech[name]
            llm = None if self._plan.models[plan.llm].inside else self.llm(plan.llm)
            self._announce(name, plan.identity)
            if plan.load and llm:
                self._speech[name] = plan.load(llm)
            else:
                from cascade_equivalence.systems.speech.loading import load_speech_llm

                assert plan.directory is not None
                encoder = self._hearing(plan.encoder) if plan.encoder else None
                self._speech[name] = load_speech_llm(name, plan.directory, plan.placement, llm, encoder)
        return self._speech[name]

    def arm(self, arm: ArmPlan) -> SpeechArm | TextArm:
        """The system that answers for an arm."""
        from cascade_equivalence.systems.arms import SpeechArm, TextArm

        if arm.speech:
            return SpeechArm(arm.name, self.speech(arm.speech), arm.style)
        return TextArm(arm.name, self.llm(arm.llm), arm.style, arm.asr)

    def forget(self) -> None:
        """Let the encoders forget what they heard: the next states are computed anew."""
        for encoder in self._encoder.values():
            encoder.forget()

    def _hearing(self, model: ModelPlan) -> WhisperEncoder:
        # The batch size counts, so that states never come from batches that their own run would not make.
        key = (*_same(model), model.placement.batch_size)
        if key not in self._encoder:
            from cascade_equivalence.systems.speech.encoder import WhisperEncoder

            self._announce(model.name, model.identity)
            self._encoder[key] = WhisperEncoder(model.name, model.directory, model.placement)
        return self._encoder[key]

    def _announce(self, name: str, identity: Identity) -> None:
        from transformers.utils import logging

        # Its bar for every load would break the run's own.
        logging.disable_progress_bar()
        self._reporter.say(f"loading {name}: {identity.source} on {identity.device}, {identity.dtype}")


def _same(model: ModelPlan) -> Same:
    identity = model.identity
    decoding = tuple(sorted((key, str(value)) for key, value in identity.decoding.items()))
    return (identity.weights or model.directory, identity.device, identity.dtype, decoding)
