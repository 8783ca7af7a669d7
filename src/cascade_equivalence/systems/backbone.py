"""The backbone LLM: label scores and greedy answers, with the shared prefix of a prompt computed once.

Content reaches the model as embeddings, so a transcript's tokens and a connector's audio states take the same path.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems.head import Head
from cascade_equivalence.systems.linear import by_onednn
from cascade_equivalence.systems.loading import Placement
from cascade_equivalence.systems.templates import adopt_template
from cascade_equivalence.turns import MAKING_A_MODEL

_PREFIXES_KEPT = 4

Span = tuple[int, int]
"""Half-open, in positions of a prompt's own states."""
NOWHERE: Span = (0, 0)


@dataclass(frozen=True, slots=True)
class Query:
    """One prompt after its shared prefix: `states` are input embeddings, shape (length, width).

    audio: which of them are audio; nothing is computed from it, `Backbone.watching` passes it on.
    """

    states: torch.Tensor
    continuations: tuple[tuple[int, ...], ...]
    audio: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class Pass:
    """A forward pass that is about to run.

    kind: the shared prefix, the prompts' own states, or one decoding step. lengths, audio: of each row's states, which
    are aligned at their end; behind: further positions after them.
    """

    kind: Literal["prefix", "states", "step"]
    lengths: tuple[int, ...] = ()
    audio: tuple[Span, ...] = ()
    behind: int = 0


@dataclass(frozen=True, slots=True)
class Said:
    """A greedy answer. `complete`: it ended by itself before the token limit."""

    text: str
    tokens: int
    complete: bool


@dataclass(frozen=True, slots=True)
class _Prefix:
    keys_values: tuple[tuple[torch.Tensor, torch.Tensor], ...]
    length: int


class Backbone:
    """A causal LM of transformers with its tokenizer."""

    def __init__(self, name: str, model: Any, tokenizer: Any) -> None:
        self.model: Any = model.eval()
        by_onednn(self.model)
        self.tokenizer: Any = tokenizer
        self.name = name
        self.device = next(model.parameters()).device
        self._prefixes: OrderedDict[tuple[str, tuple[int, ...]], _Prefix] = OrderedDict()
        self._on_pass: Callable[[Pass], None] | None = None
        self._variant = ""
        self._head = Head.of(name, self.model)

    @classmethod
    def load(cls, name: str, directory: Path, placement: Placement) -> Backbone:
        """From a directory with safetensors and a tokenizer. Raises `ModelError`."""
        from transformers import AutoModelForCausalLM, AutoTokenizer

        try:
            with MAKING_A_MODEL:
                model = AutoModelForCausalLM.from_pretrained(
                    directory,
                    dtype=getattr(torch, placement.dtype),
                    use_safetensors=True,
                    trust_remote_code=False,
                )
            tokenizer = adopt_template(AutoTokenizer.from_pretrained(directory, trust_remote_code=False), directory)
        except Exception as error:  # whatever a library raises at files of others
            raise ModelError(f"LLM '{name}' cannot be loaded from {directory}: {error}") from None
        return cls(name, model.to(placement.device), tokenizer)

    def at(self, dtype: torch.dtype) -> Backbone:
        """The same weights in another precision, or itself."""
        if self.model.dtype == dtype:
            return self
        return Backbone(self.name, deepcopy(self.model).to(dtype), self.tokenizer)

    def encode(self, text: str, start: bool = False) -> list[int]:
        """Token ids; with `start`, whatever the tokenizer puts before a text (a BOS token, say)."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=False).input_ids
        if start:
            whole: list[int] = self.tokenizer(text).input_ids
            head = whole[: len(whole) - len(ids)] if whole[-len(ids) :] == ids else []
            bos = self.tokenizer.bos_token_id
            ids = (head or ([bos] if bos is not None and whole[:1] == [bos] and ids[:1] != [bos] else [])) + ids
        return ids

    def embed(self, ids: Sequence[int]) -> torch.Tensor:
        """Input embeddings of token ids, shape (length, width)."""
        with torch.inference_mode():
            table = self.model.get_input_embeddings()
            states: torch.Tensor = table(torch.tensor(ids, dtype=torch.long, device=self.device))
            return states

    @contextmanager
    def watching(self, on_pass: Callable[[Pass], None], variant: str = "") -> Iterator[None]:
        """Call `on_pass` before each forward pass, for hooks that must know where the audio stands.

        variant: a name of what hooks do to the shared prefix too, if they do: prefixes are then computed under it, and
        dropped at the end; those kept from elsewhere are not used.
        """
        before = self._on_pass, self._variant
        self._on_pass, self._variant = on_pass, variant
        try:
            yield
        finally:
            self._on_pass, self._variant = before
            if variant:
                for key in [key for key in self._prefixes if key[0] == variant]:
                    del self._prefixes[key]

    def _announce(self, kind: Literal["prefix", "states", "step"], **where: Any) -> None:
        if self._on_pass is not None:
            self._on_pass(Pass(kind, **where))

    def score(self, before: Sequence[int], queries: Sequence[Query]) -> list[tuple[float, ...]]:
        """Mean log-likelihood per token of each continuation, after `before` + the query's states.

        One forward pass: all continuations stand behind the states at once, each seeing itself alone.
        """
        before, states, audio = self._not_empty(before, [q.states for q in queries], [q.audio for q in queries])
        queries = [Query(s, q.continuations, a) for s, q, a in zip(states, queries, audio, strict=True)]
        with torch.inference_mode():
            prefix = self._prefix(tuple(before))
            batch = len(queries)
            longest = max(len(q.states) for q in queries)
            slots = max(sum(len(c) - 1 for c in q.continuations) for q in queries)
            inputs, positions, mask = self._lay_out(queries, prefix.length, longest, slots)
            self._announce("states", lengths=tuple(map(len, states)), audio=tuple(audio), behind=slots)
            hidden = self._head.states(
                inputs_embeds=inputs,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=self._cache(prefix, batch),
                use_cache=True,
            )[:, -(1 + slots) :]
            return self._head.means(hidden, [query.continuations for query in queries])

    def _lay_out(
        self, queries: Sequence[Query], past: int, longest: int, slots: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Inputs, positions and additive mask of a batch: states aligned at their end, then the continuations."""
        device, dtype = self.device, self.model.dtype
        batch, width, total = len(queries), queries[0].states.shape[1], longest + slots
        inputs = torch.zeros(batch, total, width, device=device, dtype=dtype)
        positions = torch.zeros(batch, total, dtype=torch.long, device=device)
        visible = torch.zeros(batch, total, past + total, dtype=torch.bool, device=device)
        visible[:, :, :past] = True
        if past == 0:
            visible[:, torch.arange(total), torch.arange(total)] = True
        for row, query in enumerate(queries):
            length = len(query.states)
            first = longest - length
            inputs[row, first:longest] = query.states
            positions[row, first:longest] = torch.arange(past, past + length, device=device)
            triangle = torch.ones(length, length, dtype=torch.bool, device=device).tril()
            visible[row, first:longest, past + first : past + longest] = triangle
            slot = longest
            for continuation in query.continuations:
                inner = continuation[:-1]
                if not inner:
                    continue
                end = slot + len(inner)
                inputs[row, slot:end] = self.embed(inner)
                positions[row, slot:end] = torch.arange(past + length, past + length + len(inner), device=device)
                visible[row, slot:end, past + first : past + longest] = True
                own = torch.ones(len(inner), len(inner), dtype=torch.bool, device=device).tril()
                visible[row, slot:end, past + slot : past + end] = own
                slot = end
        mask = torch.zeros(batch, 1, total, past + total, device=device, dtype=dtype)
        mask.masked_fill_(~visible[:, None], torch.finfo(dtype).min)
        return inputs, positions, mask

    def generate(
        self,
        before: Sequence[int],
        states: Sequence[torch.Tensor],
        max_new_tokens: int,
        stop: str | None,
        audio: Sequence[Span] | None = None,
    ) -> list[Said]:
        """Greedy answers after `before` + states, until end-of-text, `stop` in the text, or the limit.

        audio: see `Query`.
        """
        device = self.device
        before, states, audio = self._not_empty(before, states, audio or [NOWHERE] * len(states))
        with torch.inference_mode():
            prefix = self._prefix(tuple(before))
            batch, longest = len(states), max(len(s) for s in states)
            inputs = torch.zeros(batch, longest, states[0].shape[1], device=device, dtype=self.model.dtype)
            mask = torch.zeros(batch, prefix.length + longest, dtype=torch.long, device=device)
            mask[:, : prefix.length] = 1
            for row, state in enumerate(states):
                inputs[row, longest - len(state) :] = state
                mask[row, prefix.length + longest - len(state) :] = 1
            lengths = torch.tensor([prefix.length + len(s) for s in states], device=device)
            positions = (mask.cumsum(1) - 1).clamp(min=0)[:, prefix.length :]
            cache = self._cache(prefix, batch)
            said: list[list[int]] = [[] for _ in states]
            done = [False] * batch
            for step in range(max_new_tokens):
                self._announce("step" if step else "states", lengths=tuple(map(len, states)), audio=tuple(audio))
                out = self.model(
                    inputs_embeds=inputs,
                    attention_mask=mask,
                    position_ids=positions,
                    past_key_values=cache,
                    use_cache=True,
                    logits_to_keep=1,
                )
                chosen = out.logits[:, -1].argmax(-1)
                for row, token in enumerate(chosen.tolist()):
                    if done[row]:
                        continue
                    if token in self._ends():
                        done[row] = True
                        continue
                    said[row].append(token)
                    done[row] = stop is not None and stop in self.tokenizer.decode(said[row]).lstrip()
                if all(done):
                    break
                inputs = self.model.get_input_embeddings()(chosen[:, None])
                mask = torch.cat([mask, torch.ones(batch, 1, dtype=torch.long, device=device)], 1)
                positions = (lengths + step)[:, None]
        return [
            Said(_until(self.tokenizer.decode(ids, skip_special_tokens=True), stop), len(ids), done[row])
            for row, ids in enumerate(said)
        ]

    def _not_empty(
        self, before: Sequence[int], states: Sequence[torch.Tensor], audio: Sequence[Span]
    ) -> tuple[Sequence[int], Sequence[torch.Tensor], Sequence[Span]]:
        """The same prompts with at least one position after the shared prefix, which the next token is read from."""
        if all(len(s) for s in states):
            return before, states, audio
        if not before:
            raise ModelError(f"LLM '{self.name}': a prompt is empty; nothing stands before, in or after the content")
        last = self.embed(before[-1:])
        return before[:-1], [torch.cat([last, s]) for s in states], [(first + 1, end + 1) for first, end in audio]

    def _ends(self) -> set[int]:
        ends = self.model.generation_config.eos_token_id
        ends = [ends] if isinstance(ends, int) else ends or []
        return {*ends, self.tokenizer.eos_token_id} - {None}

    def _prefix(self, ids: tuple[int, ...]) -> _Prefix:
        key = (self._variant, ids)
        if key not in self._prefixes:
            from transformers import DynamicCache

            cache = DynamicCache(config=self.model.config)
            if ids:
                self._announce("prefix")
                self.model(
                    input_ids=torch.tensor([ids], device=self.device),
                    past_key_values=cache,
                    use_cache=True,
                    logits_to_keep=1,
                )
            layers = tuple((layer.keys, layer.values) for layer in cache.layers) if ids else ()
            self._prefixes[key] = _Prefix(layers, len(ids))
            while len(self._prefixes) > _PREFIXES_KEPT:
                self._prefixes.popitem(last=False)
        self._prefixes.move_to_end(key)
        return self._prefixes[key]

    def cache(self, before: Sequence[int], batch: int) -> Any:
        """Keys and values of a shared prefix for a batch, as transformers' cache."""
        return self._cache(self._prefix(tuple(before)), batch)

    def _cache(self, prefix: _Prefix, batch: int) -> Any:
        from transformers import DynamicCache

        cache = DynamicCache(config=self.model.config)
        for index, (keys, values) in enumerate(prefix.keys_values):
            cache.update(keys.expand(batch, -1, -1, -1), values.expand(batch, -1, -1, -1), index)
        return cache


def _until(text: str, stop: str | None) -> str:
    text = text.lstrip()
    return text.split(stop)[0].strip() if stop else text.strip()
