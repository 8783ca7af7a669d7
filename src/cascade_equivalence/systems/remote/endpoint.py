"""An endpoint as a study names it: a model without weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from cascade_equivalence.errors import UsageError
from cascade_equivalence.systems.identity import Identity
from cascade_equivalence.systems.remote.secret import Key
from cascade_equivalence.systems.system import Mode

Wire = Literal["openai", "gemini"]
Scores = Literal["none", "top-logprobs", "token-ids"]
TextBy = Literal["chat", "completions", "token-ids"]
Way = Literal["labels", "choice", "text"]


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars per million tokens: of text read, of audio read, of what is written."""

    text: float = 0.0
    audio: float = 0.0
    written: float = 0.0

    def of(self, text: float, audio: float, written: float) -> float:
        """Cost in dollars of so many tokens."""
        return (self.text * text + self.audio * audio + self.written * written) / 1e6


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model behind a server.

    wire: the protocol. urls: base URLs that serve the same model (`http://host:8000/v1`); none for Gemini's own.
    key_env: the environment variable with the key. scores: how label scores are read (`token-ids`: vLLM;
    `top-logprobs`: wherever the labels are among the most probable tokens; `none`: the model only answers in words).
    text: how text is asked: as a chat message, or as a plain few-shot prompt by `/completions`, as a string or in the
    server's own token ids. choice: closed tasks are answered by one of the choices, forced by the server. prefill: the
    answer's cue stands at the start of the model's own turn (vLLM). thinking: Gemini's thinking level, or its budget in
    tokens. body: laid over every request; a key with None is not sent. served: what the server may call the model, if
    that is another name. parallel: requests at a time. timeout_s: of one request, from first to last byte. attempts:
    per question. max_requests, max_cost (dollars, needs `prices`): per run. audio_rate: audio tokens a second, for the
    estimate.
    """

    name: str
    wire: Wire
    model: str
    urls: tuple[str, ...] = ()
    key_env: str | None = None
    scores: Scores = "none"
    text: TextBy = "chat"
    choice: bool = False
    prefill: bool = False
    seed: int | None = None
    thinking: str | int | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    served: str | None = None
    parallel: int = 8
    timeout_s: float = 120.0
    attempts: int = 6
    max_requests: int | None = None
    max_cost: float | None = None
    prices: Prices | None = None
    audio_rate: float = 25.0

    def __post_init__(self) -> None:
        where = f"model '{self.name}'"
        if self.wire == "openai" and not self.urls:
            raise UsageError(f"{where}: an endpoint of kind openai needs url: (http://host:8000/v1, or a list of them)")
        for url in self.urls:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise UsageError(f"{where}: url '{parts.hostname or url}' is no http(s) address")
            if parts.username or parts.password or parts.query:
                raise UsageError(
                    f"{where}: the url of {parts.hostname} holds a key; put it in a variable and name it as key_env"
                )
        if self.wire == "gemini" and (self.scores != "none" or self.text != "chat" or self.prefill):
            raise UsageError(
                f"{where}: Gemini gives no label scores and takes chat messages alone; leave out scores:, "
                "text: and prefill:"
            )
        if self.max_cost is not None and self.prices is None:
            raise UsageError(f"{where}: max_cost: needs prices: {{text: …, audio: …, written: …}} per million tokens")
        if min(self.parallel, self.attempts) < 1 or self.timeout_s <= 0:
            raise UsageError(f"{where}: parallel: and attempts: are at least 1, timeout_s: above 0")

    @property
    def key(self) -> Key:
        """Its key, by name."""
        return Key(self.key_env)

    @property
    def modes(self) -> frozenset[Mode]:
        """The ways in which it can answer."""
        return frozenset({"generate"} if self.scores == "none" else {"labels", "generate"})

    @property
    def hosts(self) -> tuple[str, ...]:
        """Who is sent the audio or text."""
        return tuple(dict.fromkeys(urlsplit(url).netloc for url in self.urls)) or ("generativelanguage.googleapis.com",)

    def identity(self) -> Identity:
        """What it is, as far as can be known: no weights, hence opaque. Limits and `parallel` are no part of it."""
        settings = {"url": list(self.urls), "model": self.model, "scores": self.scores, "text": self.text}
        more = {"choice": self.choice, "prefill": self.prefill, "seed": self.seed, "thinking": self.thinking}
        return Identity(
            name=self.model,
            source=f"{self.model} at {', '.join(self.hosts)}",
            weights=None,
            runtime=f"endpoint: {self.wire}",
            device="remote",
            dtype="unknown",
            batch_size=1,
            decoding={**settings, **more, "body": dict(self.body), "search": "greedy"},
        )

    def way(self, mode: Mode) -> Way:
        """How it answers a closed task."""
        return "labels" if mode == "labels" else "choice" if self.choice else "text"
