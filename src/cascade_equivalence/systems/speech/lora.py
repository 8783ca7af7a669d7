"""A LoRA that can be switched on and off without touching the weights it is added to (Hu et al. 2021, 2106.09685)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems.loading import read_config
from cascade_equivalence.systems.speech.checkpoint import Shaped, read_tensors
from cascade_equivalence.systems.tensors import ADAPTER, read_header

_NAME = re.compile(r"(?:base_model\.model\.)?(?P<module>.+)\.lora_(?P<side>[AB])(?:\.[^.]+)?\.weight")
_ABSENT = ("use_dora", "modules_to_save", "rank_pattern", "alpha_pattern", "fan_in_fan_out", "lora_bias")
"""Fields of `adapter_config.json` that must be empty: what they ask for is not done here."""

S = TypeVar("S", bound=Shaped)
Rename = Callable[[str], str]


def _as_is(name: str) -> str:
    return name


def require_lora(directory: Path) -> None:
    """Raises `ModelError` where a checkpoint's LoRA is not there."""
    if not (directory / ADAPTER).is_file():
        raise ModelError(
            f"{directory}: {ADAPTER} is missing, and without its speech LoRA the model is not the speech LLM; fetch "
            "the whole repository, or load it with lora=False"
        )


def check_lora(model: nn.Module, directory: Path, rename: Rename = _as_is) -> None:
    """Hold a LoRA's names and shapes against a model's, from headers alone. Raises `ModelError`."""
    _linears(model, directory, _read(directory, read_header(directory / ADAPTER), rename)[1])


class Lora:
    """The low-rank additions to a model's linear layers. `on`: whether they are added."""

    def __init__(self, model: nn.Module, directory: Path, rename: Rename = _as_is) -> None:
        """Attach the adapter in `directory` (the files that peft writes).

        rename: from a module's name there to its path in `model`. Raises `ModelError`.
        """
        scale, pairs = _read(directory, read_tensors([directory / ADAPTER]), rename)
        self.on = True
        for path, module in _linears(model, directory, pairs).items():
            weight = module.weight
            down, up = (side.to(weight.device, weight.dtype) for side in pairs[path])
            module.register_forward_hook(self._hook(down, up, scale))

    def _hook(self, down: torch.Tensor, up: torch.Tensor, scale: float) -> Any:
        def add(_: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
            if not self.on:
                return output
            low = nn.functional.linear(inputs[0], down)
            return output + nn.functional.linear(low, up) * scale

        return add


class WithLora:
    """A model as it is with its LoRA on, or off; whoever calls it need not know. Both share all weights."""

    def __init__(self, model: Any, lora: Lora, on: bool) -> None:
        self._model, self._lora, self._on = model, lora, on

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The model's forward pass."""
        self._lora.on = self._on
        return self._model(*args, **kwargs)

    def get_decoder(self) -> WithLora:
        """The model without its head, under the same switch."""
        return WithLora(self._model.get_decoder(), self._lora, self._on)

    def eval(self) -> WithLora:
        """Evaluation mode."""
        self._model.eval()
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def _linears(model: nn.Module, directory: Path, pairs: Mapping[str, tuple[S, S]]) -> dict[str, nn.Linear]:
    """The linear layers that a LoRA lies on, by path."""
    found = {}
    for path, (down, up) in pairs.items():
        try:
            module = model.get_submodule(path)
        except AttributeError:
            raise ModelError(f"{directory}: made for a module '{path}' that this model lacks") from None
        if not isinstance(module, nn.Linear) or (module.out_features, module.in_features) != (
            up.shape[0],
            down.shape[1],
        ):
            raise ModelError(
                f"{directory}: its addition to '{path}' is {up.shape[0]} × {down.shape[1]}, which does not fit "
                "that module; fetch model and adapter from the same revision"
            )
        found[path] = module
    return found


def _read(directory: Path, tensors: Mapping[str, S], rename: Rename) -> tuple[float, dict[str, tuple[S, S]]]:
    """(scale, module path → (A, B)) of an adapter directory and its tensors."""
    config = read_config(directory / "adapter_config.json")
    if asked := [field for field in _ABSENT if config.get(field)]:
        raise ModelError(f"{directory / 'adapter_config.json'}: '{asked[0]}' is not supported")
    if str(config.get("peft_type", "LORA")).upper() != "LORA" or config.get("bias", "none") != "none":
        raise ModelError(f"{directory / 'adapter_config.json'}: only plain LoRA without biases is supported")
    try:
        rank, alpha = int(config["r"]), float(config["lora_alpha"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{directory / 'adapter_config.json'}: no usable 'r' and 'lora_alpha' ({error})") from None
    sides: dict[str, dict[str, S]] = {}
    for name, tensor in tensors.items():
        match = _NAME.fullmatch(name)
        if match is None:
            raise ModelError(f"{directory}: unexpected tensor '{name}'; only plain LoRA weights are supported")
        sides.setdefault(rename(match["module"]), {})[match["side"]] = tensor
    for path, pair in sides.items():
        if pair.keys() != {"A", "B"} or pair["A"].shape[0] != rank or pair["B"].shape[1] != rank:
            raise ModelError(f"{directory}: '{path}' has no whole pair of rank {rank}; fetch the adapter again")
    scale = alpha / rank**0.5 if config.get("use_rslora") else alpha / rank
    return scale, {path: (pair["A"], pair["B"]) for path, pair in sides.items()}
