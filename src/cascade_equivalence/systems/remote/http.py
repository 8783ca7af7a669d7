"""JSON over HTTP with a deadline: every way in which it can go wrong told apart."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from cascade_equivalence.errors import ModelError, UsageError
from cascade_equivalence.systems.remote.endpoint import Endpoint
from cascade_equivalence.systems.remote.faults import Refusal, Trouble
from cascade_equivalence.systems.remote.patience import retry_after

LARGEST = 16 << 20
"""Bytes of an answer; more is a fault."""
PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
_OVER_LENGTH = (
    "context length",
    "context_length",
    "maximum model length",
    "max_model_len",
    "too long",
    "too many tokens",
)
_FILTERED = ("content_filter", "content_policy", "content management policy", "safety system", "moderation")


class Http:
    """The connections to one endpoint's servers, safe to use from several threads."""

    def __init__(self, endpoint: Endpoint) -> None:
        try:
            import httpx2
        except ImportError:
            raise UsageError(
                f"model '{endpoint.name}' is an endpoint: pip install cascade-equivalence[remote]"
            ) from None
        endpoint.key.value()
        self._endpoint, self._httpx = endpoint, httpx2
        self._client = httpx2.Client(
            timeout=httpx2.Timeout(endpoint.timeout_s, connect=min(10.0, endpoint.timeout_s), pool=None),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=endpoint.parallel),
            follow_redirects=False,
        )

    def post(self, url: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON object that answers a JSON body. Raises `Trouble`, `Refusal` or `ModelError`."""
        content = json.dumps(body).encode()
        return self._send(url, content=content, headers={"Content-Type": "application/json"})

    def upload(self, url: str, fields: Mapping[str, str], file: bytes) -> dict[str, Any]:
        """The JSON object that answers a form with a WAV file."""
        return self._send(url, data=dict(fields), files={"file": ("clip.wav", file, "audio/wav")}, headers={})

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _send(self, url: str, headers: dict[str, str], **what: Any) -> dict[str, Any]:
        key, httpx = self._endpoint.key, self._httpx
        if value := key.value():
            headers["Authorization"] = f"Bearer {value}"
        deadline = time.monotonic() + self._endpoint.timeout_s
        where = urlsplit(url).netloc
        try:
            with self._client.stream("POST", url, headers=headers, **what) as response:
                text = self._read(response, deadline)
                status, answered = response.status_code, response.headers
        except Trouble as trouble:
            raise Trouble(f"{where}: {trouble}", billed=True) from None
        except httpx.ConnectError as error:
            raise Trouble(f"{where}: no connection ({key.redact(str(error))})") from None
        except httpx.TimeoutException:
            raise Trouble(f"{where}: no answer in {self._endpoint.timeout_s:g} s", billed=True) from None
        except httpx.HTTPError as error:
            raise Trouble(f"{where}: the connection was cut ({key.redact(str(error))})", billed=True) from None
        if status != 200:
            raise fault_of(self._endpoint, where, urlsplit(url).path, status, text, retry_after(answered))
        try:
            value = json.loads(text)
        except ValueError:
            raise Trouble(f"{where}: the answer is not JSON", billed=True) from None
        if not isinstance(value, dict):
            raise Trouble(f"{where}: the answer is no JSON object", billed=True)
        return value

    def _read(self, response: Any, deadline: float) -> bytes:
        """The whole answer. httpx's own time-out is per read, which a server that drips never meets."""
        parts, size = [], 0
        for part in response.iter_bytes():
            parts.append(part)
            size += len(part)
            if size > LARGEST:
                raise Trouble(f"the answer is larger than {LARGEST >> 20} MB")
            if time.monotonic() > deadline:
                raise Trouble(f"the answer was not complete after {self._endpoint.timeout_s:g} s")
        return b"".join(parts)


def fault_of(
    endpoint: Endpoint, where: str, path: str, status: int, text: bytes, wait_s: float | None
) -> Trouble | Refusal | ModelError:
    """What an HTTP status other than 200 means, in words without the key."""
    said = endpoint.key.redact(message_of(text))
    if status in PASSING:
        return Trouble(f"{where}: HTTP {status}{said}", wait_s)
    lowered = text[:4000].decode("utf-8", "replace").lower()
    if status == 413 or (status in (400, 422) and any(sign in lowered for sign in _OVER_LENGTH)):
        return Refusal(f"over length (HTTP {status}{said})")
    if status in (400, 403, 422) and any(sign in lowered for sign in _FILTERED):
        return Refusal(f"filtered (HTTP {status}{said})")
    name = f"model '{endpoint.name}' ({where})"
    if status in (401, 403):
        variable = endpoint.key_env
        cure = f"is the key in {variable} right?" if variable else "does it need a key? name its variable as key_env"
        return ModelError(f"{name}: the server does not let us in (HTTP {status}{said}); {cure}")
    if status == 404:
        return ModelError(
            f"{name}: {path} or the model '{endpoint.model}' is not there (HTTP 404{said}); see url: and model:"
        )
    return ModelError(
        f"{name}: the request is not accepted (HTTP {status}{said}); body: {{key: null}} leaves out a parameter "
        "that the server does not know"
    )


def message_of(text: bytes) -> str:
    """ ": " and what an error answer says, cut to one line; empty where it says nothing."""
    try:
        value = json.loads(text)
    except ValueError:
        value = text[:300].decode("utf-8", "replace")
    while isinstance(value, dict | list) and value:
        if isinstance(value, list):
            value = value[0]
        else:
            value = next((value[k] for k in ("error", "message", "detail", "msg") if k in value), str(value))
    line = " ".join(str(value).split()) if value else ""
    return f": {line[:300]}" if line else ""
