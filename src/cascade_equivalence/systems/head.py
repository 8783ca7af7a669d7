"""The output head of a causal LM, read in float32: log-likelihoods of label tokens from the last hidden states.

In bfloat16 the best two labels tie on up to three items in a hundred, and some labels differ from float32: noise of the
size that agreement is read for. Only the sums over the vocabulary and the rows of the label tokens are computed, and
only label scores leave the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems.linear import product

CHUNK = 1 << 14
"""Rows of the head that are brought to float32 at once."""

Continuations = Sequence[tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Head:
    """What turns hidden states into logits. body: the model without its head. scale, cap: what is done to logits."""

    body: Any
    weight: torch.Tensor
    bias: torch.Tensor | None
    scale: float = 1.0
    cap: float | None = None

    @classmethod
    def of(cls, name: str, model: Any) -> Head:
        """The head of a causal LM of transformers. Raises `ModelError` where that is not all of its logits."""
        output, config = model.get_output_embeddings(), model.config.get_text_config()
        body = model.get_decoder() if hasattr(model, "get_decoder") else model.base_model
        if output is None or body is None or body is model:
            raise ModelError(f"LLM '{name}': no output head found, so label scores cannot be read")
        # Granite divides its logits, Cohere multiplies them, Gemma caps them.
        scale = float(getattr(config, "logit_scale", None) or 1.0) / float(
            getattr(config, "logits_scaling", None) or 1.0
        )
        cap = getattr(config, "final_logit_softcapping", None)
        head = cls(body, output.weight, getattr(output, "bias", None), scale, cap)
        if not output.weight.is_meta:
            head._check(name, model)
        return head

    def states(self, **inputs: Any) -> torch.Tensor:
        """The last hidden states, shape (batch, positions, width), as the head gets them."""
        found: torch.Tensor = self.body(**inputs).last_hidden_state
        return found

    def means(self, hidden: torch.Tensor, continuations: Sequence[Continuations]) -> list[tuple[float, ...]]:
        """Mean log-likelihood per token of each row's continuations.

        hidden: (batch, 1 + slots, width); the first position predicts every continuation's first token, the others in
        turn what follows it.
        """
        asked = [_places(row, per) for row, per in enumerate(continuations)]
        used = sorted({(row, at) for per in asked for one in per for row, at, _ in one})
        flat = hidden[[row for row, _ in used], [at for _, at in used]].float()
        where = {place: i for i, place in enumerate(used)}
        places = torch.tensor([where[row, at] for per in asked for one in per for row, at, _ in one])
        tokens = torch.tensor([token for per in asked for one in per for _, _, token in one])
        places, tokens = places.to(flat.device), tokens.to(flat.device)
        own = self._shaped((flat[places] * self.weight[tokens].float()).sum(-1), tokens)
        values = iter((own - self._total(flat)[places]).tolist())
        return [tuple(sum(next(values) for _ in one) / len(one) for one in per) for per in asked]

    def _total(self, flat: torch.Tensor) -> torch.Tensor:
        """Log of the summed exponentials of all logits, shape (n,)."""
        parts = []
        for start in range(0, len(self.weight), CHUNK):
            rows = slice(start, min(start + CHUNK, len(self.weight)))
            parts.append(self._shaped(product(flat, self.weight[rows].float()), rows).logsumexp(-1))
        return torch.stack(parts).logsumexp(0)

    def _shaped(self, logits: torch.Tensor, rows: Any) -> torch.Tensor:
        if self.bias is not None:
            logits = logits + self.bias[rows].float()
        logits = logits * self.scale
        return logits if self.cap is None else torch.tanh(logits / self.cap) * self.cap

    def _check(self, name: str, model: Any) -> None:
        """Compare with the model's own logits on a few tokens, up to what its dtype leaves."""
        ids = torch.arange(1, 6, device=self.weight.device)[None] % len(self.weight)
        with torch.inference_mode():
            own = model(input_ids=ids, use_cache=False).logits[0].float()
            flat = self.states(input_ids=ids, use_cache=False)[0].float()
            mine = torch.cat(
                [
                    self._shaped(flat @ self.weight[i : i + CHUNK].float().T, slice(i, i + CHUNK))
                    for i in range(0, len(self.weight), CHUNK)
                ],
                -1,
            )
        if own.shape != mine.shape or float((own - mine).abs().max()) > 2e-2 * float(own.abs().max()) + 1e-3:
            raise ModelError(
                f"LLM '{name}': its class does more to its logits than head, scale and cap; label scores cannot be "
                "read from its hidden states"
            )


def _places(row: int, continuations: Continuations) -> list[list[tuple[int, int, int]]]:
    """(row, position, token) of each token of each continuation."""
    found, slot = [], 1
    for continuation in continuations:
        places = [(row, 0, continuation[0])]
        for token in continuation[1:]:
            places.append((row, slot, token))
            slot += 1
        found.append(places)
    return found
