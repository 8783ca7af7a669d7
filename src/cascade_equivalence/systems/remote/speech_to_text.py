"""ASR by endpoint: `/audio/transcriptions`."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

from cascade_equivalence.audio.clip import Clip
from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems.remote.asking import Asking
from cascade_equivalence.systems.remote.endpoint import Endpoint
from cascade_equivalence.systems.remote.faults import InVain, Refusal, Trouble
from cascade_equivalence.systems.remote.http import Http
from cascade_equivalence.systems.remote.patience import Patience
from cascade_equivalence.systems.remote.pool import in_parallel
from cascade_equivalence.systems.remote.tally import Tally, Used
from cascade_equivalence.systems.remote.wav import wav
from cascade_equivalence.systems.system import Transcript


class SpeechToText:
    """An ASR behind an endpoint: English, temperature 0."""

    def __init__(self, endpoint: Endpoint, tally: Tally | None = None, patience: Patience | None = None) -> None:
        self.endpoint = endpoint
        self.tally = tally or Tally(endpoint)
        self._http = Http(endpoint)
        self._asking = Asking(endpoint, self.tally, patience or Patience())

    def transcribe(self, clips: Sequence[Clip]) -> list[Transcript]:
        """See `Transcriber.transcribe`. Raises `ModelError` if a clip was sent in vain."""
        made = dict(self.transcripts(clips))
        missing = [clips[index].sha256[:12] for index in range(len(clips)) if made[index] is None]
        if missing:
            raise ModelError(
                f"model '{self.endpoint.name}': {len(missing)} clips got no transcript ({', '.join(missing[:3])}…): "
                f"{self.tally.stopped or self.tally.last_trouble}; run the same command again"
            )
        return [transcript for index in range(len(clips)) if (transcript := made[index]) is not None]

    def transcripts(self, clips: Sequence[Clip]) -> Iterator[tuple[int, Transcript | None]]:
        """Each transcript with its clip's index, as it comes; None: asked in vain."""

        def work(index: int, stop: threading.Event) -> Transcript | None:
            return self._one(clips[index], stop)

        return in_parallel(work, len(clips), self.endpoint.parallel)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _one(self, clip: Clip, stop: threading.Event) -> Transcript | None:
        fields = {"model": self.endpoint.model, "language": "en", "temperature": "0", "response_format": "json"}
        fields |= {key: str(value) for key, value in self.endpoint.body.items() if value is not None}
        for key, value in self.endpoint.body.items():
            if value is None:
                fields.pop(key, None)
        prices, served = self.endpoint.prices, None

        def call(url: str) -> tuple[dict[str, Any], Used]:
            answer = self._http.upload(f"{url.rstrip('/')}/audio/transcriptions", fields, wav(clip))
            if not isinstance(answer.get("text"), str):
                raise Trouble("the answer has no text", billed=True)
            return answer, Used(audio=int(clip.seconds * self.endpoint.audio_rate))

        estimate = prices.of(0, clip.seconds * self.endpoint.audio_rate, 0) if prices else 0.0
        try:
            answer = self._asking.ask(call, estimate, clip.sha256, stop)
        except (InVain, Refusal) as vain:
            if not stop.is_set():
                self.tally.failure(str(vain))
            return None
        served = answer.get("model")
        self.tally.answer(Used(), str(served) if served else None, 0.0)
        return Transcript(self.endpoint.key.redact(" ".join(answer["text"].split())), None, 0, True)
