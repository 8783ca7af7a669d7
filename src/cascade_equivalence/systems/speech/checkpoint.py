"""Reading a checkpoint's directory: configuration and safetensors, every tensor accounted for, nothing executed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems.backbone import Backbone

_SHOWN = 3


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises `ModelError`."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read ({error}); fetch the model again") from None
    if not isinstance(found, dict):
        raise ModelError(f"{path} does not hold a JSON object; fetch the model again")
    return found


def weight_files(directory: Path) -> list[Path]:
    """The safetensors files of a directory. Raises `ModelError` where there are none, or only pickles."""
    if files := sorted(directory.glob("*.safetensors")):
        return files
    if pickles := sorted([*directory.glob("*.bin"), *directory.glob("*.pt"), *directory.glob("*.pth")]):
        raise ModelError(
            f"{pickles[0]}: a pickle, which can run code and is not loaded; save the model again with "
            "safe_serialization=True, or fetch a revision with safetensors"
        )
    raise ModelError(f"{directory}: no safetensors files; fetch the model again")


def tensor_names(directory: Path) -> list[str]:
    """Names of all tensors in a directory's safetensors files. Raises `ModelError`."""
    from safetensors import SafetensorError, safe_open

    names: list[str] = []
    for path in weight_files(directory):
        try:
            with safe_open(path, framework="pt") as file:
                names += file.keys()
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path}: not a whole safetensors file ({error}); fetch the model again") from None
    return names


def read_tensors(files: Iterable[Path]) -> dict[str, torch.Tensor]:
    """All tensors of safetensors files, on the CPU.

    Raises `ModelError` for a file that is missing or cut, or that names a tensor another one has.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    tensors: dict[str, torch.Tensor] = {}
    for path in files:
        try:
            found = load_file(path)
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path}: not a whole safetensors file ({error}); fetch the model again") from None
        if twice := sorted(tensors.keys() & found.keys()):
            raise ModelError(f"{path}: tensor '{twice[0]}' is in another file too; fetch the model again")
        tensors |= found
    return tensors


def fill(module: torch.nn.Module, tensors: Mapping[str, torch.Tensor], where: str, tied: Iterable[str] = ()) -> None:
    """Load tensors into a module, every one of both accounted for.

    where: what errors call it. tied: names that may be missing, because the module shares them with others. Raises
    `ModelError` for a tensor that is missing, not expected, or of another shape.
    """
    expected = module.state_dict()
    complain(
        where,
        missing=sorted(expected.keys() - tensors.keys() - set(tied)),
        unexpected=sorted(tensors.keys() - expected.keys()),
        mismatched=[
            f"{name} is {tuple(tensor.shape)}, not {tuple(expected[name].shape)}"
            for name, tensor in sorted(tensors.items())
            if name in expected and tensor.shape != expected[name].shape
        ],
    )
    module.load_state_dict(dict(tensors), strict=False, assign=False)


def complain(where: str, missing: Iterable[str], unexpected: Iterable[str], mismatched: Iterable[str]) -> None:
    """Raises `ModelError` if any of the three lists holds something."""
    said = [
        f"{kind}: {', '.join(names[:_SHOWN])}{f' and {len(names) - _SHOWN} more' if len(names) > _SHOWN else ''}"
        for kind, names in (
            ("missing tensors", list(missing)),
            ("unexpected tensors", list(unexpected)),
            ("shapes that do not fit the configuration", list(mismatched)),
        )
        if names
    ]
    if said:
        raise ModelError(
            f"{where}: {'; '.join(said)}. config.json and the weights are of different models, or the files are not "
            "whole; fetch the model again"
        )


def from_pretrained(architecture: Any, name: str, directory: Path, dtype: torch.dtype) -> Any:
    """A model of one of transformers' classes from a directory, every tensor accounted for. Raises `ModelError`."""
    from safetensors import SafetensorError

    weight_files(directory)
    try:
        model, info = architecture.from_pretrained(
            directory,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # reported below, with names
        )
    except (OSError, ValueError, RuntimeError, TypeError, SafetensorError) as error:
        raise ModelError(f"speech LLM '{name}' cannot be loaded from {directory}: {error}") from None
    mismatched = {name: f"{name} is {tuple(is_)}, not {tuple(be)}" for name, is_, be in info["mismatched_keys"]}
    missing = sorted(set(info["missing_keys"]) - mismatched.keys())
    complain(str(directory), missing, sorted(info["unexpected_keys"]), mismatched.values())
    return model


def load_tokenizer(name: str, directory: Path) -> Any:
    """The tokenizer of a directory. Raises `ModelError`."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(directory, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, RuntimeError, TypeError, KeyError) as error:
        raise ModelError(f"speech LLM '{name}': its tokenizer cannot be loaded from {directory}: {error}") from None


def expect_tokens(backbone: Backbone, texts: Iterable[str], directory: Path) -> None:
    """Raises `ModelError` unless each text is one token of the vocabulary."""
    for text in texts:
        ids = backbone.encode(text)
        if len(ids) != 1 or ids[0] == backbone.tokenizer.unk_token_id:
            raise ModelError(
                f"{directory}: the tokenizer has no token '{text}', which stands around the audio; use the tokenizer "
                "that came with the model"
            )


def width_of(backbone: Backbone) -> int:
    """Width of the LLM's input embeddings."""
    return int(backbone.model.get_input_embeddings().weight.shape[1])
