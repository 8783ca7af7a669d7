"""A speech arm on the bench: its decoder blocks under hooks that know where the audio stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from cascade_equivalence.audio.clip import Clip
from cascade_equivalence.errors import AnalysisError
from cascade_equivalence.mechanism.layers import Layout, Stage, checked_layers, decoder_blocks, default_layers
from cascade_equivalence.mechanism.states import Kind, collecting
from cascade_equivalence.run.batching import chunks
from cascade_equivalence.systems.backbone import Pass, Query
from cascade_equivalence.systems.local import SpeechSystem
from cascade_equivalence.systems.prompting import render, spoken_text
from cascade_equivalence.systems.system import Mode, Reply
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.task import Task

States = Mapping[int, Tensor]
"""Layer → states of one row's positions, (positions, d), float32 on the CPU."""


@dataclass
class Bench:
    """An arm, the layers that are looked at, and the batch size. Raises `AnalysisError` for a layer it has not."""

    arm: SpeechSystem
    layers: tuple[int, ...]
    size: int
    blocks: Sequence[torch.nn.Module]
    stage: Stage = field(default_factory=Stage)

    @classmethod
    def of(cls, arm: SpeechSystem, layers: Sequence[int] | None, size: int) -> Bench:
        """layers: None is the default nine."""
        blocks = decoder_blocks(arm.speech.root, arm.speech.adapter.layers)
        chosen = checked_layers(blocks, layers if layers is not None else default_layers(len(blocks)))
        return cls(arm, tuple(sorted(set(chosen))), size, blocks)

    @property
    def backbone(self) -> Any:
        """The language model that hears."""
        return self.arm.speech.backbone

    @contextmanager
    def watching(self, variant: str = "") -> Iterator[None]:
        """Keep the stage's layout that of the pass which runs."""
        self.stage.layout = None
        try:
            with self.backbone.watching(self._on_pass, variant):
                yield
        finally:
            self.stage.layout = None

    def _on_pass(self, running: Pass) -> None:
        if running.kind == "prefix":
            self.stage.layout = None
        elif running.kind == "states":
            longest = max(running.lengths)
            starts = [longest - length for length in running.lengths]
            self.stage.layout = Layout(
                longest + running.behind,
                tuple(((s + a, s + b),) for s, (a, b) in zip(starts, running.audio, strict=True)),
                tuple(((s + b, longest),) for s, (_, b) in zip(starts, running.audio, strict=True)),
            )

    def hear(self, clips: Sequence[Clip]) -> list[Tensor]:
        """What stands in a prompt for each clip, in batches of like length."""
        order = sorted(range(len(clips)), key=lambda i: (clips[i].seconds, i))
        found: dict[int, Tensor] = {}
        for part in chunks(order, self.size):
            found |= dict(zip(part, self.arm.speech.hear([clips[i] for i in part]), strict=True))
        return [found[i] for i in range(len(clips))]

    def ask(
        self,
        trials: Sequence[tuple[Task, Item]],
        heard: Sequence[Tensor],
        mode: Mode = "labels",
        variant: str = "",
        around: Callable[[Sequence[int]], Any] | None = None,
        seen: Callable[[Sequence[int]], None] | None = None,
    ) -> list[Reply]:
        """Answers to trials, task by task in batches of like length.

        around: makes the context manager of a batch, given its indices; seen: called after each batch.
        """
        found: dict[int, Reply] = {}
        with self.watching(variant):
            for task in dict.fromkeys(task.name for task, _ in trials):
                here = [i for i, (other, _) in enumerate(trials) if other.name == task]
                for part in chunks(sorted(here, key=lambda i: (len(heard[i]), i)), self.size):
                    items = [trials[i][1] for i in part]
                    with around(part) if around else _nothing():
                        replies = self.arm.answer(trials[part[0]][0], items, [heard[i] for i in part], mode)
                    found |= dict(zip(part, replies, strict=True))
                    if seen:
                        seen(part)
        return [found[i] for i in range(len(trials))]

    def ask_and_collect(
        self, trials: Sequence[tuple[Task, Item]], heard: Sequence[Tensor], keep: Callable[[int, Kind, States], None]
    ) -> list[Reply]:
        """Answers by label, and in the same passes the states at audio and text positions."""
        with collecting(self.blocks, self.layers, self.stage, ("audio", "text")) as collected:

            def seen(part: Sequence[int]) -> None:
                for kind, rows in collected.take().items():
                    for index, by_layer in zip(part, rows, strict=True):
                        keep(index, kind, {layer: states.float().clone() for layer, states in by_layer.items()})

            return self.ask(trials, heard, seen=seen)

    def collect(
        self,
        before: Sequence[int],
        heard: Sequence[Tensor],
        spans: Sequence[tuple[int, int]],
        keep: Callable[[int, States], None],
    ) -> None:
        """States of all chosen layers at the spans of what stands behind a prompt's beginning; nothing is answered."""
        with (
            self.watching(),
            collecting(self.blocks, self.layers, self.stage, ("audio",)) as collected,
        ):
            for part in chunks(sorted(range(len(heard)), key=lambda i: (len(heard[i]), i)), self.size):
                self.backbone.score(before, [Query(heard[i], ((0,),), spans[i]) for i in part])
                rows = collected.take().get("audio", [])
                for index, by_layer in zip(part, rows, strict=True):
                    keep(index, {layer: states.float().clone() for layer, states in by_layer.items()})

    def beginning(self, task: Task) -> tuple[int, ...]:
        """A task's prompt up to where the audio stands."""
        return render(self.backbone, self.arm.style, task, task.items[0]).before

    def text(self, words: str) -> tuple[list[int], Tensor]:
        """Tokens and embeddings of text as it would stand where the audio does."""
        ids = self.backbone.encode(spoken_text(words))
        return ids, self.backbone.embed(ids)

    def table(self) -> Tensor:
        """The language model's input embeddings, (vocabulary, d), float32 on the CPU."""
        weight: Tensor = self.backbone.model.get_input_embeddings().weight
        return weight.detach().float().cpu()

    def lens_parts(self) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
        """The final norm and the unembedding, as the model applies them to states on the CPU.

        Raises `AnalysisError` where these do not give the model's own logits from its last block.
        """
        speech, model = self.arm.speech, self.backbone.model
        parent = speech.module(speech.adapter.layers.rpartition(".")[0])
        norm = next((m for name in ("norm", "final_layernorm", "ln_f") if (m := getattr(parent, name, None))), None)
        head = model.get_output_embeddings()
        if norm is None or head is None:
            raise AnalysisError(f"'{speech.name}': no final norm or unembedding found beside its blocks: no logit lens")
        cap = getattr(model.config, "final_logit_softcapping", None)
        device, dtype = head.weight.device, head.weight.dtype

        def normed(states: Tensor) -> Tensor:
            out: Tensor = norm(states.to(device, dtype))
            return out

        def unembedded(states: Tensor) -> Tensor:
            logits: Tensor = head(states)
            return logits if cap is None else torch.tanh(logits / cap) * cap

        self._check_lens(normed, unembedded)
        return normed, unembedded

    def _check_lens(self, norm: Callable[[Tensor], Tensor], unembed: Callable[[Tensor], Tensor]) -> None:
        ids = torch.tensor([self.backbone.encode("The train left at noon.")], device=self.backbone.device)
        last: list[Tensor] = []
        handle = self.blocks[-1].register_forward_hook(
            lambda _m, _i, out: last.append(out[0] if isinstance(out, tuple) else out)
        )
        try:
            with torch.inference_mode():
                logits = self.backbone.model(input_ids=ids).logits.float()
                mine = unembed(norm(last[0])).float()
        finally:
            handle.remove()
        if float((mine - logits).abs().max()) > 1e-2 * float(logits.abs().max()):
            raise AnalysisError(
                f"'{self.arm.speech.name}': norm and unembedding of the last block are not the model's own logits; its "
                "class does something more to them, so there is no logit lens"
            )


@contextmanager
def _nothing() -> Iterator[None]:
    yield
