"""The pocket speech LLMs: connectors that come with the package, one directory of weights each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from cascade_equivalence.errors import ModelError
from cascade_equivalence.hashing import sha256_file

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True, slots=True)
class ShippedModel:
    """A connector between two embedded models."""

    name: str
    what: str
    licence: str = "MIT"

    @property
    def directory(self) -> Path:
        """Where it is in the installed package."""
        return WEIGHTS / self.name


POCKET_CTC = ShippedModel("pocket-ctc", "connector whisper-base → smollm2-135m, the embeddings of the words heard")
POCKET_FRAMES = ShippedModel("pocket-frames", "connector whisper-base → smollm2-135m, one embedding per 80 ms of sound")

SHIPPED: dict[str, ShippedModel] = {m.name: m for m in (POCKET_CTC, POCKET_FRAMES)}


def verify(directory: Path) -> dict[str, str]:
    """Check a connector's files against the hashes in its `config.json`; returns name → sha256.

    Raises `ModelError` naming the first file that is missing or differs.
    """
    path = directory / "config.json"
    try:
        expected: dict[str, str] = dict(json.loads(path.read_text(encoding="utf-8"))["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: no readable sha256 of the weights ({error!r}); install the package again") from None
    if "model.safetensors" not in expected:
        raise ModelError(f"{path}: no sha256 of model.safetensors; install the package again")
    for name, digest in expected.items():
        if not (directory / name).is_file():
            raise ModelError(f"{directory / name}: missing; install the package again")
        if sha256_file(directory / name) != digest:
            raise ModelError(
                f"{directory / name}: sha256 differs from the recorded {digest[:16]}…; the weights were changed or "
                "damaged: install the package again"
            )
    return expected
