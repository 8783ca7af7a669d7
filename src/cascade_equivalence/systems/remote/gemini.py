"""Gemini as a system, by Google's own SDK: inline audio, answers in words or from a closed set, never label scores."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping
from typing import Any

from cascade_equivalence.audio.clip import Clip
from cascade_equivalence.errors import ModelError, UsageError
from cascade_equivalence.systems.remote.endpoint import Endpoint
from cascade_equivalence.systems.remote.faults import Trouble
from cascade_equivalence.systems.remote.http import fault_of
from cascade_equivalence.systems.remote.patience import Patience, retry_after
from cascade_equivalence.systems.remote.remote import Remote
from cascade_equivalence.systems.remote.tally import Tally, Used
from cascade_equivalence.systems.remote.wav import wav
from cascade_equivalence.systems.remote.wording import user_text
from cascade_equivalence.systems.system import Ended, Mode, Reply, Stimulus
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.task import Task

THOUGHTS = 1024
"""Tokens allowed for thoughts, which count against the limit of an answer."""
_PASSING = frozenset({"MALFORMED_RESPONSE", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"})
_ENDED: dict[str, Ended] = {"STOP": "end", "MAX_TOKENS": "limit", "FINISH_REASON_UNSPECIFIED": "end"}


class GeminiEndpoint(Remote):
    """A system behind Gemini's `generateContent`. Raises `UsageError` without the SDK or the key."""

    def __init__(self, endpoint: Endpoint, tally: Tally | None = None, patience: Patience | None = None) -> None:
        super().__init__(endpoint, tally, patience)
        try:
            from google import genai
            from google.genai import errors, types
        except ImportError:
            raise UsageError(f"model '{endpoint.name}' is Gemini: pip install cascade-equivalence[gemini]") from None
        self._errors, self._types = errors, types
        key = endpoint.key.value()
        if key is None:
            raise UsageError(f"model '{endpoint.name}': Gemini needs a key; name its variable as key_env")
        self._clients = {
            url: genai.Client(
                api_key=key,
                vertexai=False,
                http_options=types.HttpOptions(
                    base_url=url or None,
                    timeout=int(endpoint.timeout_s * 1000),
                    # Repeats are ours: counted, within the study's limits.
                    retry_options=types.HttpRetryOptions(attempts=1),
                ),
            )
            for url in endpoint.urls or ("",)
        }

    def close(self) -> None:
        """See `Remote.close`."""
        for client in self._clients.values():
            client.close()

    def answer(
        self, task: Task, item: Item, given: Stimulus, mode: Mode, cost: float, stop: threading.Event
    ) -> tuple[Reply, Used]:
        """See `Remote.answer`."""
        contents = self._contents(task, item, given)
        config = self._types.GenerateContentConfig(**self.settings(task, item))

        def call(url: str) -> tuple[tuple[Reply, Used], Used]:
            begun = time.perf_counter()
            answer = self._send(url, contents, config)
            reply, used = self._read(answer, time.perf_counter() - begun)
            return (reply, used), used

        return self.asking.ask(call, cost, f"{task.name}:{item.id}", stop)

    def settings(self, task: Task, item: Item) -> dict[str, Any]:
        """What is asked of the model for an item, as the SDK's `GenerateContentConfig` takes it."""
        endpoint, form = self.endpoint, task.form
        thinking = endpoint.thinking if endpoint.thinking is not None else least_thinking(endpoint.model)
        off = thinking == 0
        made: dict[str, Any] = {
            "max_output_tokens": form.max_new_tokens + (0 if off else THOUGHTS),
            "thinking_config": {"thinking_budget" if isinstance(thinking, int) else "thinking_level": thinking},
            "seed": endpoint.seed or 0,
        }
        if takes_temperature(endpoint.model):
            made["temperature"] = 0.0
        if endpoint.choice and form.kind != "open":
            choices = [c.text for c in form.choices(item)]
            made |= {"response_mime_type": "text/x.enum", "response_schema": {"type": "STRING", "enum": choices}}
        made |= endpoint.body
        return {key: value for key, value in made.items() if value is not None}

    def _contents(self, task: Task, item: Item, given: Stimulus) -> list[Any]:
        if not isinstance(given, Clip):
            return [user_text(task, item, given)]
        heard, ask, _ = task.form.chat(item)
        return [heard, self._types.Part.from_bytes(data=wav(given), mime_type="audio/wav"), ask]

    def _send(self, url: str, contents: list[Any], config: Any) -> Any:
        import httpx2

        endpoint = self.endpoint
        where = endpoint.hosts[0] if not url else url.split("//")[-1].split("/")[0]
        try:
            return self._clients[url].models.generate_content(model=endpoint.model, contents=contents, config=config)
        except self._errors.APIError as error:
            text = json.dumps(error.details, default=str).encode()
            headers = getattr(error.response, "headers", None) or {}
            wait_s = _delay(error.details)
            wait_s = retry_after({k.lower(): v for k, v in headers.items()}) if wait_s is None else wait_s
            raise fault_of(endpoint, where, "the address", int(error.code or 500), text, wait_s) from None
        except httpx2.ConnectError as error:
            raise Trouble(f"{where}: no connection ({endpoint.key.redact(str(error))})") from None
        except httpx2.TimeoutException:
            raise Trouble(f"{where}: no answer in {endpoint.timeout_s:g} s", billed=True) from None
        except (httpx2.HTTPError, ValueError) as error:
            # The SDK's own error for an answer that is not JSON is a ValueError; so is pydantic's.
            said = endpoint.key.redact(" ".join(str(error).split())[:200])
            raise Trouble(f"{where}: the answer cannot be read ({said})", billed=True) from None

    def _read(self, answer: Any, seconds: float) -> tuple[Reply, Used]:
        used, served = used_of(answer), answer.model_version
        self._check_served(served)
        blocked = answer.prompt_feedback and answer.prompt_feedback.block_reason
        if not answer.candidates:
            if not blocked:
                raise Trouble("the answer has no candidates", billed=True)
            reply = Reply(None, f"blocked: {_name(blocked)}", used.read, 0, "refused", served, seconds)
            return reply, used
        first = answer.candidates[0]
        reason = _name(first.finish_reason) if first.finish_reason else "STOP"
        if reason in _PASSING:
            raise Trouble(f"the answer ended with {reason}", billed=True)
        ended = _ENDED.get(reason, "refused")
        parts = (first.content.parts if first.content else None) or []
        text = "".join(part.text or "" for part in parts if not part.thought).strip()
        text = f"ended with {reason}" if ended == "refused" else self.endpoint.key.redact(text)
        return Reply(None, text, used.read, used.written, ended, served, seconds), used

    def _check_served(self, served: str | None) -> None:
        """Raises `ModelError` if another model answered than the one asked for."""
        wanted = self.endpoint.served or self.endpoint.model
        if served and not serves(wanted, served):
            raise ModelError(
                f"model '{self.endpoint.name}': asked for {wanted}, but {served} answers: models that are shut down "
                f"are replaced without an error. Name the one to be measured (model:), or accept it (served: {served})"
            )


def serves(wanted: str, served: str) -> bool:
    """Whether what a server says it served is what was asked for: itself, or a dated or numbered version of it."""
    wanted, served = wanted.removeprefix("models/"), served.removeprefix("models/")
    version = re.fullmatch(rf"{re.escape(wanted)}-(\d[\d.-]*|preview-\d[\d-]*)", served)
    return served == wanted or version is not None


def takes_temperature(model: str) -> bool:
    """Whether the model is one of those that take a temperature: later ones refuse or ignore it."""
    version = _version(model)
    return version is not None and version < (3, 5)


def least_thinking(model: str) -> str | int:
    """The least thinking that a model allows, as far as its name tells: a budget of none, or a level."""
    version = _version(model)
    if version is not None and version < (3, 0):
        return 128 if "pro" in model else 0
    if version is not None and version >= (3, 7):
        return "low"
    return "minimal"


def _version(model: str) -> tuple[int, int] | None:
    found = re.search(r"gemini-(\d+)(?:\.(\d+))?", model)
    return (int(found[1]), int(found[2] or 0)) if found else None


def used_of(answer: Any) -> Used:
    """The tokens that an answer used; thoughts are written tokens."""
    usage = answer.usage_metadata
    if usage is None:
        return Used()
    details = usage.prompt_tokens_details
    audio = None
    if details is not None:
        audio = sum(d.token_count or 0 for d in details if _name(d.modality) == "AUDIO")
    read, written = usage.prompt_token_count or 0, usage.candidates_token_count or 0
    return Used(read - (audio or 0), audio, written + (usage.thoughts_token_count or 0))


def _delay(details: Any) -> float | None:
    """Seconds that an error's RetryInfo asks for."""
    error = details.get("error", details) if isinstance(details, Mapping) else {}
    for detail in error.get("details") or () if isinstance(error, Mapping) else ():
        if isinstance(detail, Mapping) and str(detail.get("@type", "")).endswith("RetryInfo"):
            found = re.fullmatch(r"(\d+(?:\.\d+)?)s", str(detail.get("retryDelay", "")))
            return float(found[1]) if found else None
    return None


def _name(value: Any) -> str:
    return str(getattr(value, "value", value))
