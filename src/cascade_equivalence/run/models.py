"""The models of a plan: loaded when first needed, shared by all that name them, released when others are needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

from cascade_equivalence.run.batching import Fits, device_errors, release_memory
from cascade_equivalence.run.plan import EndpointModel, FileModel, LocalModel, Plan, SpeechModel
from cascade_equivalence.run.sounds import conditions_by_sound, trials_by_sound
from cascade_equivalence.systems.identity import Identity
from cascade_equivalence.systems.prompting import Style
from cascade_equivalence.systems.remote.predictions import PredictedSystem, PredictedTranscripts, Trial
from cascade_equivalence.systems.remote.tally import Tally
from cascade_equivalence.systems.system import System, Transcriber

if TYPE_CHECKING:
    from cascade_equivalence.systems.backbone import Backbone
    from cascade_equivalence.systems.local import SpeechSystem
    from cascade_equivalence.systems.remote.remote import Remote
    from cascade_equivalence.systems.speech.encoder import WhisperEncoder
    from cascade_equivalence.systems.speech.speech_llm import SpeechLLM

Same = tuple[object, ...]


class Models:
    """Loads on demand; one object for all that are the same weights in the same place.

    sounds: the clip of each trial, for answers that lie in files. tallies: what endpoints were asked, by model.
    """

    def __init__(
        self,
        plan: Plan,
        say: Callable[[str], None],
        sounds: Callable[[], Mapping[Trial, str | None]] = dict,
    ) -> None:
        self._plan, self._say, self._sounds = plan, say, sounds
        self.tallies: dict[str, Tally] = {}
        self._remote: dict[str, Remote] = {}
        self._asr: dict[str, Transcriber] = {}
        self._llm: dict[Same, Backbone] = {}
        self._encoder: dict[Same, WhisperEncoder] = {}
        self._speech: dict[str, SpeechLLM] = {}
        self._fits: dict[str, Fits] = {}
        self._group: frozenset[str] = frozenset()

    def focus(self, name: str) -> None:
        """Release every model that may not be in memory beside this one."""
        if name in self._group:
            return
        self._group = self._plan.group(name)
        if not any((self._asr, self._llm, self._encoder, self._speech)):
            return
        for kept in (self._asr, self._llm, self._encoder, self._speech):
            kept.clear()
        release_memory()

    def fits(self, name: str) -> Fits:
        """What is known of the batches that a model's memory holds."""
        return self._fits.setdefault(name, Fits())

    def transcriber(self, name: str) -> Transcriber:
        """The ASR of that name in the study."""
        if name not in self._asr:
            self._asr[name] = self._transcriber(name)
        return self._asr[name]

    def _transcriber(self, name: str) -> Transcriber:
        match self._plan.models[name]:
            case EndpointModel(endpoint=endpoint):
                from cascade_equivalence.systems.remote.speech_to_text import SpeechToText

                return SpeechToText(endpoint, self._tally(name))
            case FileModel(predictions=predictions):
                return PredictedTranscripts(predictions, trials_by_sound(self._sounds()))
            case LocalModel(runtime="faster-whisper") as model:
                from cascade_equivalence.systems.remote.faster_whisper import FasterWhisper

                self._say(f"loading {name}: {model.identity.source} by faster-whisper")
                return FasterWhisper(name, model.directory, model.placement.device, model.placement.dtype)
        from cascade_equivalence.systems.whisper import Whisper

        model = self._local(name)
        with self._loading(name, model.identity):
            return Whisper(name, model.directory, model.placement, model.padding)

    def llm(self, name: str) -> Backbone:
        """The LLM of that name in the study; a speech LLM's own is the same object where the identity is the same."""
        model = self._local(name)
        if model.inside:
            return self.speech(model.inside).matched
        key = _same(model)
        if key not in self._llm:
            from cascade_equivalence.systems.backbone import Backbone

            with self._loading(name, model.identity):
                self._llm[key] = Backbone.load(name, model.directory, model.placement)
        return self._llm[key]

    def speech(self, name: str) -> SpeechLLM:
        """The speech LLM of that name in the study, on the objects it shares with others."""
        if name not in self._speech:
            plan = self._plan.models[name]
            assert isinstance(plan, SpeechModel)
            own = self._local(plan.llm)
            llm = None if own.inside else self.llm(plan.llm)
            encoder = self._hearing(plan.encoder) if plan.encoder else None
            with self._loading(name, plan.identity):
                if plan.load and llm:
                    self._speech[name] = plan.load(llm)
                else:
                    from cascade_equivalence.systems.speech.loading import load_speech_llm

                    assert plan.directory is not None
                    self._speech[name] = load_speech_llm(name, plan.directory, plan.placement, llm, encoder)
        return self._speech[name]

    def system(self, name: str, style: Style) -> System:
        """What answers under that name."""
        match self._plan.models[name]:
            case EndpointModel():
                return self._endpoint(name)
            case FileModel(predictions=predictions):
                return PredictedSystem(predictions, conditions_by_sound(self._sounds()))
            case SpeechModel():
                return self.listener(name, style)
        from cascade_equivalence.systems.local import TextSystem

        return TextSystem(self.llm(name), style)

    def _endpoint(self, name: str) -> Remote:
        """The connection to an endpoint; it is kept, since it holds no weights."""
        if name not in self._remote:
            from cascade_equivalence.systems.remote.connecting import connect

            model = self._plan.models[name]
            assert isinstance(model, EndpointModel)
            self._remote[name] = connect(model.endpoint, self._tally(name))
        return self._remote[name]

    def _tally(self, name: str) -> Tally:
        model = self._plan.models[name]
        assert isinstance(model, EndpointModel)
        return self.tallies.setdefault(name, Tally(model.endpoint))

    def listener(self, name: str, style: Style) -> SpeechSystem:
        """A speech LLM that answers."""
        from cascade_equivalence.systems.local import SpeechSystem

        return SpeechSystem(self.speech(name), style)

    def forget(self) -> None:
        """Let the encoders forget what they heard: the next states are computed anew."""
        for encoder in self._encoder.values():
            encoder.forget()

    def _local(self, name: str) -> LocalModel:
        return cast(LocalModel, self._plan.models[name])

    def _hearing(self, model: LocalModel) -> WhisperEncoder:
        # The batch size counts, so that states never come from batches that their own run would not make.
        key = (*_same(model), model.placement.batch_size)
        if key not in self._encoder:
            from cascade_equivalence.systems.speech.encoder import WhisperEncoder

            with self._loading(model.name, model.identity):
                self._encoder[key] = WhisperEncoder(model.name, model.directory, model.placement)
        return self._encoder[key]

    def _loading(self, name: str, identity: Identity):  # type: ignore[no-untyped-def]
        from transformers.utils import logging

        # Its bar for every load would break the run's own.
        logging.disable_progress_bar()
        self._say(f"loading {name}: {identity.source} on {identity.device}, {identity.dtype}")
        return device_errors(f"model '{name}'")


def _same(model: LocalModel) -> Same:
    identity = model.identity
    decoding = tuple(sorted((key, str(value)) for key, value in identity.decoding.items()))
    return (identity.weights or model.directory, model.placement.device, identity.dtype, decoding)
