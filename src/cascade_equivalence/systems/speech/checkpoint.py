"""Reading a checkpoint's directory: configuration and safetensors, every tensor accounted for, nothing executed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError

from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems.backbone import Backbone
from cascade_equivalence.systems.linear import by_onednn
from cascade_equivalence.systems.loading import Placement
from cascade_equivalence.systems.templates import adopt_template
from cascade_equivalence.systems.tensors import Tensor as Stored
from cascade_equivalence.systems.tensors import read_directory
from cascade_equivalence.turns import MAKING_A_MODEL

_SHOWN = 3
# Sizes that differ are said below, with names.
_ACCOUNTED: dict[str, Any] = {"output_loading_info": True, "ignore_mismatched_sizes": True}


class Shaped(Protocol):
    """Anything with a shape: a tensor, or where one is stored."""

    @property
    def shape(self) -> Sequence[int]:
        """Its sizes."""


def stored(directory: Path) -> dict[str, Stored]:
    """The tensors that a directory's safetensors files hold, by their headers. Raises `ModelError`."""
    if not any(directory.glob("*.safetensors")):
        for kind in ("*.bin", "*.pt", "*.pth"):
            if pickles := sorted(directory.glob(kind)):
                raise ModelError(
                    f"{pickles[0]}: a pickle, which can run code and is not loaded; save the model again with "
                    "safe_serialization=True, or fetch a revision with safetensors"
                )
    return read_directory(directory)


def read_tensors(files: Iterable[Path]) -> dict[str, torch.Tensor]:
    """All tensors of safetensors files, on the CPU.

    Raises `ModelError` for a file that is missing or cut, or that names a tensor another one has.
    """
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
    """Load tensors into a module, every one of both accounted for (see `account`)."""
    account(module, tensors, where, tied)
    module.load_state_dict(dict(tensors), strict=False, assign=False)


def account(module: torch.nn.Module, tensors: Mapping[str, Shaped], where: str, tied: Iterable[str] = ()) -> None:
    """Hold names and shapes of tensors against those of a module.

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
            if name in expected and tuple(tensor.shape) != tuple(expected[name].shape)
        ],
    )


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


def class_layout(architecture: str) -> Callable[[Path, Mapping[str, Any]], None]:
    """`Family.layout` of a class of transformers: its own loader's judgement, on tensors without content."""

    def check(directory: Path, config: Mapping[str, Any]) -> None:
        on_meta(architecture, directory)

    return check


def on_meta(architecture: str, directory: Path) -> Any:
    """A model of one of transformers' classes without weights, as the files in a directory would fill it.

    Raises `ModelError` for a tensor that is missing, not expected, or of another shape.
    """
    import transformers

    tensors = {
        name: torch.empty(tensor.shape, device="meta", dtype=torch.bfloat16)
        for name, tensor in stored(directory).items()
    }
    made = getattr(transformers, architecture)
    with MAKING_A_MODEL, _quiet():
        try:
            config = made.config_class.from_pretrained(directory, local_files_only=True)
            model, info = made.from_pretrained(None, config=config, state_dict=tensors, device_map="meta", **_ACCOUNTED)
        except Exception as error:  # whatever a library raises at files of others
            raise ModelError(f"{directory / 'config.json'}: not a configuration of {architecture} ({error})") from None
    _complain_of(directory, info)
    return model


def from_pretrained(architecture: str, name: str, directory: Path, placement: Placement) -> Any:
    """A model of one of transformers' classes from a directory, every tensor accounted for. Raises `ModelError`."""
    import transformers

    with MAKING_A_MODEL, _quiet(), _without_adapter(directory) as bare:
        try:
            model, info = getattr(transformers, architecture).from_pretrained(
                bare,
                dtype=getattr(torch, placement.dtype),
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                **_ACCOUNTED,
            )
        except Exception as error:  # whatever a library raises at files of others
            raise ModelError(f"speech LLM '{name}' cannot be loaded from {directory}: {error}") from None
    _complain_of(directory, info)
    model = model.to(placement.device).eval()
    by_onednn(model)
    return model


def _complain_of(directory: Path, info: Mapping[str, Any]) -> None:
    mismatched = {name: f"{name} is {tuple(is_)}, not {tuple(be)}" for name, is_, be in info["mismatched_keys"]}
    missing = sorted(set(info["missing_keys"]) - mismatched.keys())
    complain(str(directory), missing, sorted(info["unexpected_keys"]), sorted(mismatched.values()))


@contextmanager
def _without_adapter(directory: Path) -> Iterator[Path]:
    """The directory as one without a LoRA beside the weights, which transformers would add where peft is installed."""
    if not (directory / "adapter_config.json").is_file():
        yield directory
        return
    with tempfile.TemporaryDirectory() as bare:
        for path in directory.iterdir():
            if not path.name.startswith("adapter_"):
                (Path(bare) / path.name).symlink_to(path.resolve())
        yield Path(bare)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' own bars and reports: what they say is said in an error, with names."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def causal(model: Any) -> Any:
    """The model's language model and head as the causal LM of their own class: the same objects, no copy."""
    from transformers import AutoModelForCausalLM

    with MAKING_A_MODEL, torch.device("meta"):
        causal = AutoModelForCausalLM.from_config(model.config.text_config, trust_remote_code=False)
    causal.model = model.model.language_model
    causal.lm_head = model.lm_head
    causal.generation_config = model.generation_config
    return causal


def load_tokenizer(name: str, directory: Path) -> Any:
    """The tokenizer of a directory. Raises `ModelError`."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=False, local_files_only=True)
        return adopt_template(tokenizer, directory)
    except Exception as error:  # whatever a library raises at files of others
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
