"""What is known, without asking the hub, of the models that studies of speech LLMs name: commit, size, gate, licence.

Sizes are those of the safetensors files that are read, from the repositories' own listings (GB, 10^9 bytes).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HubModel:
    """A repository on the hub.

    revision: the commit that the presets pin (None: none is known). disk_gb: fetched, its parts elsewhere not counted.
    parameters: billions that are computed with. needs: repositories that it is completed by. gated: whether its
    owner asks for consent.
    """

    id: str
    revision: str | None
    disk_gb: float
    parameters: float
    licence: str
    gated: bool = False
    needs: tuple[str, ...] = ()
    note: str = ""


HUB_MODELS: dict[str, HubModel] = {
    one.id: one
    for one in (
        HubModel("openai/whisper-large-v3", "06f233fe06e710322aca913c1bc4249a0d71fce1", 3.09, 1.54, "Apache-2.0"),
        HubModel("openai/whisper-small", "973afd24965f72e36ca33b3055d56a652f456b4d", 0.97, 0.24, "Apache-2.0"),
        HubModel("Qwen/Qwen2.5-7B-Instruct", "a09a35458c702b33eeacc393d103063234e8bc28", 15.2, 7.6, "Apache-2.0"),
        HubModel("Qwen/Qwen2-7B-Instruct", "f2826a00ceef68f0f2b946d945ecc0477ce4450c", 15.2, 7.6, "Apache-2.0"),
        HubModel(
            "meta-llama/Llama-3.1-8B-Instruct", "0e9e39f249a16976918f6564b8830bc894c89659", 16.1, 8.0,
            "Llama 3.1 Community", gated=True,
        ),
        HubModel("microsoft/Phi-4-mini-instruct", "cfbefacb99257ffa30c83adab238a50856ac3083", 7.7, 3.8, "MIT"),
        HubModel(
            "fixie-ai/ultravox-v0_6-llama-3_1-8b", None, 1.37, 0.7, "MIT", needs=("meta-llama/Llama-3.1-8B-Instruct",),
            note="no commit is known; its fingerprint is in the report",
        ),
        HubModel(
            "Qwen/Qwen2-Audio-7B-Instruct", "0a095220c30b7b31434169c3086508ef3ea5bf0a", 16.8, 8.4, "Apache-2.0"
        ),
        HubModel(
            "microsoft/Phi-4-multimodal-instruct", "refs/pr/70", 10.4, 5.2, "MIT",
            note="main has another format; refs/pr/70 is a proposal of its repository and may move",
        ),
    )
}  # fmt: skip
