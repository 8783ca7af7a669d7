"""A checkpoint looked over before a long run: what it is, whether it fits, and whether it hears."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cascade_equivalence.audio.clip import Clip, read_clip
from cascade_equivalence.errors import CeqError, ModelError
from cascade_equivalence.systems.loading import Placement, locate, origin, place
from cascade_equivalence.systems.match import Weights, match
from cascade_equivalence.systems.memory import Load, of_scoring
from cascade_equivalence.systems.prompting import render, style_of
from cascade_equivalence.systems.speech.families import decide, read_family
from cascade_equivalence.systems.speech.loading import check_layout, encoder_of, language_model_of, lora_of
from cascade_equivalence.systems.speech.weights import language_model_weights
from cascade_equivalence.systems.templates import chat, template_of
from cascade_equivalence.systems.tensors import ADAPTER, Tensor, read_directory, read_header
from cascade_equivalence.tasks.task import load_task

Say = Callable[[str], None]

SECONDS = 10.0
"""Length of the clips that memory is estimated for."""
CLIPS = 3
_WIDTHS = {"float32": 4, "bfloat16": 2, "float16": 2}
_NOTHING = 1e-4
"""Nats per token that rounding may move a label's score by in float32."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ok: None is a remark that is neither good nor bad."""

    what: str
    ok: bool | None
    said: str


@dataclass(slots=True)
class Check:
    """What was found so far. Nothing after a layout that does not fit is tried."""

    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing was wrong."""
        return all(finding.ok is not False for finding in self.findings)

    def add(self, what: str, ok: bool | None, said: str) -> None:
        """Note something."""
        self.findings.append(Finding(what, ok, said))

    @contextmanager
    def trying(self, what: str) -> Iterator[None]:
        """An error of ours under this is what was found."""
        try:
            yield
        except CeqError as error:
            self.add(what, False, str(error))


def check_checkpoint(
    model_id: str,
    say: Say,
    revision: str | None = None,
    llm: str | None = None,
    encoder: str | None = None,
    twin: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    batch_size: int | None = None,
    listen: bool = True,
) -> Check:
    """Look a speech LLM over.

    llm, encoder: where those that it builds on are to be had instead. twin: an LLM to hold its language model against;
    default: the one it builds on, or itself without its LoRA. listen: load it and let it hear three shipped clips.
    Raises `ModelError` where it cannot be had at all.
    """
    check = Check()
    directory = locate(model_id, say, revision, decide)
    family, _ = read_family(directory)
    check.add("family", True, f"{family.adapter.family}, {origin(directory)}")
    with check.trying("layout"):
        check_layout(directory)
        tensors = [*read_directory(directory).values(), *_lora(directory)]
        check.add("layout", True, f"{len(tensors)} tensors, {_gb(_bytes(tensors))}, every name and shape fits")
    if not check.ok:
        return check
    placement = place("llm", device, dtype, batch_size)
    base = _part(llm, language_model_of(directory), say)
    ears = _part(encoder, encoder_of(directory), say)
    home = base or directory
    with check.trying("template"):
        _template(check, home, say)
    with check.trying("memory"):
        _memory(check, directory, [home, *([ears] if ears else [])], family.adapter.tokens_per_s, placement)
    with check.trying("match"):
        _match(check, directory, base, None if twin is None else locate(twin, say), twin, say)
    if listen:
        with check.trying("hearing"):
            _hearing(check, directory, base, ears, placement, say)
    return check


def _part(wanted: str | None, named: str | Path | None, say: Say) -> Path | None:
    if named is None:
        if wanted is not None:
            raise ModelError(f"'{wanted}': the checkpoint brings its own; leave --llm and --encoder out")
        return None
    return named if isinstance(named, Path) and wanted is None else locate(wanted or str(named), say)


def _lora(directory: Path) -> list[Tensor]:
    folder = lora_of(directory)
    return [] if folder is None else [*read_header(directory / folder / ADAPTER).values()]


def _bytes(tensors: list[Tensor]) -> int:
    return sum(tensor.end - tensor.begin for tensor in tensors)


def _gb(count: float) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e7 else f"{count / 1e6:.2f} MB"


def _template(check: Check, directory: Path, say: Say) -> None:
    if template_of(directory) is None:
        check.add("template", None, "no chat template: prompts are plain")
        style_of(directory.name, directory, "auto", lambda line: check.add("template", None, line))
        return
    from cascade_equivalence.systems.speech.checkpoint import load_tokenizer

    shown = chat(load_tokenizer(origin(directory), directory), "…")
    check.add("template", True, f"chat: {shown!r}")


def _memory(check: Check, directory: Path, others: list[Path], rate: float, placement: Placement) -> None:
    """others: the directories of the LLM (its own, if the checkpoint brings it) and of the encoder."""
    from transformers import AutoConfig

    width = _WIDTHS[placement.dtype]
    sizes = {path: sum(t.size for t in read_directory(path).values()) for path in {directory, *others}}
    weights = width * (sum(sizes.values()) + sum(tensor.size for tensor in _lora(directory)))
    try:
        config = AutoConfig.from_pretrained(others[0], local_files_only=True, trust_remote_code=False)
    except Exception as error:  # whatever a library raises at files of others
        raise ModelError(f"{others[0]}: its config.json cannot be read: {error}") from None
    load = Load(batch=placement.batch_size, prefix=128, positions=int(SECONDS * rate) + 40)
    needed = of_scoring(config, weights, width, load)
    said = (
        f"about {_gb(needed)} in {placement.dtype} for label scores of {SECONDS:.0f} s clips in batches of "
        f"{placement.batch_size}, of which {_gb(weights)} are weights"
    )
    there = _free(placement.device)
    if there is None:
        check.add("memory", None, said)
    else:
        check.add("memory", needed < there, f"{said}; {placement.device} has {_gb(there)} free")


def _free(device: str) -> float | None:
    import torch

    if torch.device(device).type == "cuda":
        return float(torch.cuda.mem_get_info(torch.device(device))[0])
    try:
        import os

        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return None


def _match(check: Check, directory: Path, base: Path | None, twin: Path | None, name: str | None, say: Say) -> None:
    mine = language_model_weights(directory, base)
    if twin is not None:
        other, called = Weights(twin), str(name)
    elif base is not None:
        other, called = Weights(base), f"the LLM it builds on ({origin(base)})"
    elif lora_of(directory) is not None:
        other, called = language_model_weights(directory, None, bare=True), "itself without its LoRA"
    else:
        check.add("match", None, "its LLM is inside and has no twin here; name one with --twin, or use a self-cascade")
        return
    found = match(mine, other, say)
    share = "" if found.equal_share is None else f", {found.equal_share:.2%} of its parameters bit-equal"
    note = f" ({found.note})" if found.note else ""
    check.add("match", found.grade != "different", f"{found.grade} against {called}{share}{note}")


def _hearing(
    check: Check, directory: Path, base: Path | None, ears: Path | None, placement: Placement, say: Say
) -> None:
    from cascade_equivalence.systems.backbone import Backbone
    from cascade_equivalence.systems.speech.encoder import WhisperEncoder
    from cascade_equivalence.systems.speech.loading import load_speech_llm

    say(f"loading {origin(directory)} on {placement.device}, {placement.dtype}")
    llm = None if base is None else Backbone.load(origin(base), base, placement)
    tower = None if ears is None else WhisperEncoder(origin(ears), ears, placement)
    speech = load_speech_llm(origin(directory), directory, placement, llm, tower)
    task = load_task("topic")
    items = _one_per_label([item for item in task.items if item.audio is not None])
    style = style_of(speech.backbone.name, base or directory, "auto")
    clips = [read_clip(item.audio, item.id) for item in items if item.audio is not None]

    def scores(heard: list[Clip | None]) -> np.ndarray:
        return np.array(_scores(speech, style, task, items, heard))

    real, again = scores([*clips]), scores([*clips])
    silent = scores([Clip(np.zeros_like(clip.samples)) for clip in clips])
    swapped = scores([*clips[1:], clips[0]])
    if not np.isfinite(real).all():
        raise ModelError("its label scores are not finite numbers; try dtype: float32, or fetch the model again")
    rounding = float(np.abs(real - again).max())
    moved = {"silence": np.abs(real - silent).max(1), "another clip": np.abs(real - swapped).max(1)}
    least = {name: float(by.min()) for name, by in moved.items()}
    deaf = [name for name, by in least.items() if by <= max(_NOTHING, 3 * rounding)]
    labels = [choice.label for choice in items[0].choices]
    answers = ", ".join(f"{item.label} → {labels[int(row.argmax())]}" for item, row in zip(items, real, strict=True))
    said = ", ".join(f"{name} moves its label scores by {by:.3g} nats or more" for name, by in least.items())
    said = f"{said} (the same clip again: {rounding:.1g}); uncalibrated answers on {len(items)} clips: {answers}"
    check.add("hearing", not deaf, f"deaf to {' and '.join(deaf)}: {said}" if deaf else said)


def _one_per_label(items: list[Any]) -> list[Any]:
    """The first item of each label."""
    first: dict[str, Any] = {}
    for item in items:
        first.setdefault(item.label, item)
    return list(first.values())[:CLIPS]


def _scores(speech: Any, style: Any, task: Any, items: list[Any], clips: list[Clip | None]) -> list[tuple[float, ...]]:
    import torch

    from cascade_equivalence.systems.backbone import Query

    llm = speech.backbone
    prompts = [render(llm, style, task, item) for item in items]
    queries = [
        Query(torch.cat([heard, llm.embed(prompt.after)]), prompt.continuations)
        for heard, prompt in zip(speech.hear(clips), prompts, strict=True)
    ]
    found: list[tuple[float, ...]] = llm.score(prompts[0].before, queries)
    return found
