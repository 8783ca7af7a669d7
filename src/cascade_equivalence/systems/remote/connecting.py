"""From an endpoint to the system that speaks its protocol."""

from __future__ import annotations

from cascade_equivalence.systems.remote.endpoint import Endpoint
from cascade_equivalence.systems.remote.remote import Remote
from cascade_equivalence.systems.remote.tally import Tally


def connect(endpoint: Endpoint, tally: Tally | None = None) -> Remote:
    """Raises `UsageError` where the client or the key is missing. Nothing is sent yet."""
    if endpoint.wire == "gemini":
        from cascade_equivalence.systems.remote.gemini import GeminiEndpoint

        return GeminiEndpoint(endpoint, tally)
    from cascade_equivalence.systems.remote.chat import ChatEndpoint

    return ChatEndpoint(endpoint, tally)
