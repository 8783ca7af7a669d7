"""API keys: read from the environment when a request is made, shown nowhere."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from urllib.parse import quote

from cascade_equivalence.errors import UsageError

HIDDEN = "[key]"


@dataclass(frozen=True, slots=True)
class Key:
    """A key by the name of its environment variable (None: the server wants none). It never holds the value."""

    variable: str | None

    def value(self) -> str | None:
        """The key. Raises `UsageError` if the variable is not set."""
        if self.variable is None:
            return None
        value = os.environ.get(self.variable, "").strip()
        if not value:
            raise UsageError(f"the environment variable {self.variable} is not set; it is to hold the API key")
        return value

    def redact(self, text: str) -> str:
        """`text` without the key, in whatever way it is written there."""
        value = os.environ.get(self.variable, "").strip() if self.variable else ""
        if value:
            for form in dict.fromkeys((value, quote(value, safe=""), json.dumps(value)[1:-1])):
                text = text.replace(form, HIDDEN)
        return text
