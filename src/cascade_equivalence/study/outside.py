"""How a study names models without weights: endpoints, and files of predictions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from cascade_equivalence.errors import UsageError
from cascade_equivalence.study.strict import Strict
from cascade_equivalence.systems.remote.endpoint import Endpoint, Prices, Scores, TextBy, Wire


class PricesSpec(Strict):
    """US dollars per million tokens."""

    text: float = Field(default=0.0, ge=0)
    audio: float = Field(default=0.0, ge=0)
    written: float = Field(default=0.0, ge=0)


class EndpointSpec(Strict):
    """A model behind a server; see `systems.remote.endpoint.Endpoint` for what the keys mean."""

    endpoint: Wire
    model: str
    url: str | list[str] = Field(default_factory=list)
    key_env: str | None = None
    scores: Scores = "none"
    text: TextBy = "chat"
    choice: bool | None = None
    prefill: bool = False
    seed: int | None = None
    thinking: str | int | None = None
    body: dict[str, Any] = Field(default_factory=dict)
    served: str | None = None
    parallel: int = Field(default=8, ge=1, le=1024)
    timeout: float = Field(default=120.0, gt=0)
    attempts: int = Field(default=6, ge=1, le=100)
    max_requests: int | None = Field(default=None, ge=0)
    max_cost: float | None = Field(default=None, ge=0)
    prices: PricesSpec | None = None
    audio_rate: float | None = Field(default=None, gt=0)

    @property
    def id(self) -> str:
        """What it is, in tables."""
        return f"{self.model} ({self.endpoint})"

    def resolved(self, name: str) -> Endpoint:
        """The endpoint. Raises `UsageError` for settings that cannot work together."""
        gemini = self.endpoint == "gemini"
        urls = (self.url,) if isinstance(self.url, str) else tuple(self.url)
        return Endpoint(
            name=name,
            wire=self.endpoint,
            model=self.model,
            urls=tuple(url.rstrip("/") for url in urls),
            key_env=self.key_env or ("GEMINI_API_KEY" if gemini else None),
            scores=self.scores,
            text=self.text,
            choice=gemini if self.choice is None else self.choice,
            prefill=self.prefill,
            seed=self.seed,
            thinking=self.thinking,
            body=self.body,
            served=self.served,
            parallel=self.parallel,
            timeout_s=self.timeout,
            attempts=self.attempts,
            max_requests=self.max_requests,
            max_cost=self.max_cost,
            prices=Prices(**self.prices.model_dump()) if self.prices else None,
            audio_rate=self.audio_rate or (32.0 if gemini else 25.0),
        )


class PredictionsSpec(Strict):
    """A file of answers or transcripts that were made elsewhere, in any format that `ceq agree` reads.

    key: the field that holds them, where it is not the format's own. condition: what rows that name none stand for.
    """

    predictions: Path
    key: str | None = None
    condition: str | None = None

    @property
    def id(self) -> str:
        """What it is, in tables."""
        return str(self.predictions)


def kind_of(value: Any) -> Literal["EndpointSpec", "PredictionsSpec", "ModelSpec"]:
    """Which kind of model an entry of `models` is, read or not yet."""
    has = value.__contains__ if isinstance(value, Mapping) else lambda key: hasattr(value, key)
    return "EndpointSpec" if has("endpoint") else "PredictionsSpec" if has("predictions") else "ModelSpec"


def lifted(raw: Any) -> Any:
    """A study's mapping in which files that arms name themselves stand among the models, under the file's name."""
    if not isinstance(raw, Mapping) or not isinstance(raw.get("arms"), Mapping):
        return raw
    if not isinstance(given := raw.get("models") or {}, Mapping):
        return raw
    models, arms = dict(given), {}
    for name, arm in raw["arms"].items():
        if not isinstance(arm, Mapping):
            arms[name] = arm
            continue
        made = dict(arm)
        for key in ("asr", "speech_llm"):
            value = made.get(key)
            if isinstance(value, Mapping) and "predictions" in value:
                made[key] = _name(models, value)
                models[made[key]] = value
        arms[name] = made
    return {**raw, "models": models, "arms": arms}


def _name(models: Mapping[str, Any], value: Mapping[str, Any]) -> str:
    name = str(value["predictions"])
    number = 1
    while name in models and models[name] != value:
        number += 1
        name = f"{value['predictions']} ({number})"
    return name


def one_way(arm: str, model: str, endpoint: Endpoint, mode: Literal["labels", "generate"]) -> None:
    """Raises `UsageError`, with the cure, for an arm that cannot answer the way the study's arms answer."""
    if mode in endpoint.modes:
        return
    cure = (
        "Gemini gives no label scores: write answer: generate, so that all arms answer in words"
        if endpoint.wire == "gemini"
        else "write answer: generate, so that all arms answer in words; or, where the server gives log-probabilities, "
        f"scores: token-ids (vLLM) or top-logprobs under models.{model}"
    )
    raise UsageError(f"arm '{arm}': the study's arms answer by label scores, and model '{model}' gives none; {cure}")
