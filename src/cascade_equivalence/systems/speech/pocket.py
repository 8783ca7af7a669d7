"""The connectors of the pocket speech LLMs: from Whisper's encoder states to input embeddings of the LLM.

Both stand on one trunk (four encoder frames stacked to 80 ms, two convolution-augmented transformer blocks after
Gulati et al. 2020, arXiv 2005.08100). `CtcConnector` is a cascade by construction: it collapses CTC posteriors
(Graves et al. 2006) into one soft embedding per token, the posterior times the LLM's embedding table; a word that the
LLM's tokenizer would write otherwise is given in the embeddings of that.
`FrameConnector` keeps every frame: a soft choice from a private table plus a residual that carries the sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from cascade_equivalence.audio.clip import Clip
from cascade_equivalence.systems.backbone import Backbone
from cascade_equivalence.systems.speech.encoder import WhisperEncoder
from cascade_equivalence.systems.whisper import split

STACK = 4
"""Encoder frames (20 ms) per position."""
PRIOR = 0.3
"""Weight of the LLM's log-probabilities beside those of the CTC head, chosen on development items."""


@dataclass(frozen=True, slots=True)
class PocketConfig:
    """Sizes of a connector. vocabulary: tokens of the head, blank not counted."""

    kind: str
    encoder_width: int
    llm_width: int
    vocabulary: int
    width: int = 384
    heads: int = 6
    inner: int = 1024
    blocks: int = 2
    kernel: int = 5

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


class _Block(nn.Module):
    def __init__(self, config: PocketConfig, dropout: float) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.attention_norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.conv_norm = nn.LayerNorm(width)
        self.conv_in = nn.Linear(width, 2 * width)
        self.conv = nn.Conv1d(width, width, config.kernel, padding=config.kernel // 2, groups=width)
        self.conv_out = nn.Linear(width, width)
        self.inner_norm = nn.LayerNorm(width)
        self.gate_up = nn.Linear(width, 2 * config.inner)
        self.down = nn.Linear(config.inner, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """x: (batch, time, width); there: (batch, time), False on padding."""
        x = x + self.dropout(self._attend(self.attention_norm(x), there))
        gated = functional.glu(self.conv_in(self.conv_norm(x)), -1) * there[..., None]
        mixed: Tensor = functional.silu(self.conv(gated.transpose(1, 2)).transpose(1, 2))
        x = x + self.dropout(self.conv_out(mixed))
        gate, up = self.gate_up(self.inner_norm(x)).chunk(2, -1)
        out: Tensor = x + self.dropout(self.down(functional.silu(gate) * up))
        return out

    def _attend(self, x: Tensor, there: Tensor) -> Tensor:
        batch, time, width = x.shape
        q, k, v = self.qkv(x).view(batch, time, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        # Plain products: on a CPU several times faster than the fused kernel with a mask, backwards above all.
        weights = (q @ k.transpose(-1, -2)) * (q.shape[-1] ** -0.5)
        weights = weights.masked_fill(~there[:, None, None], torch.finfo(weights.dtype).min).softmax(-1)
        out: Tensor = self.out((weights @ v).transpose(1, 2).reshape(batch, time, width))
        return out


class Trunk(nn.Module):
    """Stacked encoder frames, shape (batch, time, 4 × encoder width), to states, shape (batch, time, width)."""

    def __init__(self, config: PocketConfig, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm_in = nn.LayerNorm(STACK * config.encoder_width)
        self.project = nn.Linear(STACK * config.encoder_width, config.width)
        self.blocks = nn.ModuleList(_Block(config, dropout) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(config.width)

    def forward(self, frames: Tensor, there: Tensor) -> Tensor:
        """there: (batch, time), False on padding."""
        x = self.project(self.norm_in(frames))
        for block in self.blocks:
            x = block(x, there)
        out: Tensor = self.norm(x)
        return out


class CtcConnector(nn.Module):
    """CTC posteriors × the LLM's embeddings: one soft embedding per collapsed token.

    The LLM is its language model too: posteriors are weighed by what the LLM expects (shallow fusion, Gulcehre et al.
    2015, arXiv 1503.03535, in one pass over the soft tokens).
    A word spelt in other tokens than the LLM's own tokenizer would choose gets the embeddings of the latter.
    tokens: LLM token id of each head entry after the blank, shape (vocabulary,).
    """

    def __init__(self, config: PocketConfig, dropout: float = 0.0) -> None:
        super().__init__()
        self.config = config
        self.trunk = Trunk(config, dropout)
        self.head = nn.Linear(config.width, config.vocabulary + 1)
        self.register_buffer("tokens", torch.zeros(config.vocabulary, dtype=torch.int32))
        self.tokens: Tensor

    def logits(self, frames: Tensor, there: Tensor) -> Tensor:
        """CTC logits, shape (batch, time, 1 + vocabulary), blank first."""
        logits: Tensor = self.head(self.trunk(frames, there))
        return logits

    def forward(self, frames: Tensor, there: Tensor, llm: Backbone) -> list[Tensor]:
        """Embeddings of each clip, shape (tokens after respelling, LLM width), in the dtype of the LLM's table."""
        embeddings = llm.model.get_input_embeddings().weight
        table = embeddings[self.tokens.long()]
        found = []
        for posteriors in self.posteriors(frames, there, llm):
            soft = posteriors.to(table.dtype) @ table
            heard = self.tokens[posteriors.argmax(-1)].tolist()
            parts = [soft[:0]]
            for start, end, own in respelt(heard, llm.tokenizer):
                written = torch.tensor(own, device=embeddings.device)
                parts.append(soft[start:end] if own == heard[start:end] else embeddings[written])
            found.append(torch.cat(parts))
        return found

    def posteriors(self, frames: Tensor, there: Tensor, llm: Backbone | None) -> list[Tensor]:
        """Posterior of each token found, (tokens, vocabulary) per clip, weighed by what the LLM expects there."""
        logits = self.logits(frames, there).float()
        found = [collapse(row[here]) for row, here in zip(logits, there, strict=True)]
        if llm is None:
            return found
        expected = self._expected(found, llm)
        return [(p.clamp_min(1e-8).log() + PRIOR * e).softmax(-1) for p, e in zip(found, expected, strict=True)]

    def _expected(self, found: Sequence[Tensor], llm: Backbone) -> list[Tensor]:
        """The LLM's log-probabilities of the head's entries, each token given the soft ones before it."""
        tokens = self.tokens.long()
        table = llm.model.get_input_embeddings().weight[tokens]
        before = llm.embed(llm.encode("\n", start=True))
        rows = [torch.cat([before, posteriors.to(table.dtype) @ table]) for posteriors in found]
        # Padding stands on the right, where a causal model does not see it.
        logits = llm.model(inputs_embeds=pad_sequence(rows, batch_first=True)).logits
        first = len(before) - 1
        return [
            row[first : first + len(posteriors)].float().log_softmax(-1)[:, tokens]
            for row, posteriors in zip(logits, found, strict=True)
        ]

    def read(self, frames: Tensor, there: Tensor, llm: Backbone | None) -> list[list[int]]:
        """The likeliest LLM tokens; without an LLM those of the CTC path alone."""
        return [self.tokens[p.argmax(-1)].tolist() for p in self.posteriors(frames, there, llm)]


def respelt(tokens: Sequence[int], tokenizer: Any) -> list[tuple[int, int, list[int]]]:
    """Words of a token sequence: where each begins and ends (half-open), and `tokenizer`'s own tokens for it.

    A word is a token and the letters that follow without a space; any other sign stands for itself.
    """
    texts = [tokenizer.decode([token]) for token in tokens]
    starts = [
        i for i, text in enumerate(texts) if i == 0 or not (text.isalpha() and texts[i - 1].removeprefix(" ").isalpha())
    ]
    found = []
    for start, end in pairwise([*starts, len(tokens)]):
        own = list(tokens[start:end])
        if end - start > 1:
            own = tokenizer("".join(texts[start:end]), add_special_tokens=False).input_ids
        found.append((start, end, own))
    return found


def collapse(logits: Tensor) -> Tensor:
    """Posterior of each run of equal best entries, blank runs dropped: (time, 1 + V) to (tokens, V), rows sum to 1."""
    best = logits.argmax(-1)
    _, run = torch.unique_consecutive(best, return_inverse=True)
    kept = torch.unique_consecutive(best) != 0
    sums = torch.zeros(len(kept), logits.shape[1], dtype=logits.dtype, device=logits.device)
    sums.index_add_(0, run, logits.softmax(-1))
    rows = sums[kept, 1:]
    return rows / rows.sum(-1, keepdim=True)


class FrameConnector(nn.Module):
    """Every position kept: softmax over a private code × a free table, plus a residual from frames and neighbours.

    Trunk and code are those of a CTC connector; the table starts at the LLM's embeddings and is trained away from them.
    """

    def __init__(self, config: PocketConfig, dropout: float = 0.0) -> None:
        super().__init__()
        self.config = config
        self.trunk = Trunk(config, dropout)
        self.code = nn.Linear(config.width, config.vocabulary + 1)
        self.table = nn.Parameter(torch.zeros(config.vocabulary + 1, config.llm_width))
        self.sound = nn.Linear(STACK * config.encoder_width, config.width)
        self.residual_in = nn.Linear(4 * config.width, 2 * config.width)
        self.residual_out = nn.Linear(config.width, config.llm_width)

    def embed(self, frames: Tensor, there: Tensor) -> Tensor:
        """Embeddings of all positions, shape (batch, time, LLM width)."""
        states = self.trunk(frames, there)
        chosen = self.code(states).softmax(-1)
        masked = states * there[..., None]
        before, after = functional.pad(masked, (0, 0, 1, 0))[:, :-1], functional.pad(masked, (0, 0, 0, 1))[:, 1:]
        heard = self.sound(self.trunk.norm_in(frames))
        residual = self.residual_out(
            functional.glu(self.residual_in(torch.cat([before, masked, after, heard], -1)), -1)
        )
        out: Tensor = chosen.to(self.table.dtype) @ self.table + residual
        return out

    def forward(self, frames: Tensor, there: Tensor, llm: Backbone) -> list[Tensor]:
        """Embeddings of each clip, shape (positions, LLM width). `llm` is not asked."""
        states = self.embed(frames, there)
        return [row[here] for row, here in zip(states, there, strict=True)]


class PocketEars:
    """The frozen Whisper encoder and a connector. Clips over 30 s are cut at quiet points and joined."""

    def __init__(self, encoder: WhisperEncoder, connector: CtcConnector | FrameConnector, backbone: Backbone) -> None:
        self.encoder = encoder
        self.connector = connector.eval()
        self._backbone = backbone

    def hear(self, clips: Sequence[Clip]) -> list[Tensor]:
        """See `Ears.hear`."""
        with torch.inference_mode():
            pieces = [(i, Clip(piece)) for i, clip in enumerate(clips) for piece in split(clip.samples)]
            frames, there = pad(self.encoder.encode([piece for _, piece in pieces]))
            dtype = next(self.connector.parameters()).dtype
            table = self._backbone.model.get_input_embeddings().weight
            heard = self.connector(frames.to(table.device, dtype), there.to(table.device), self._backbone)
            return [
                torch.cat([states for states, (owner, _) in zip(heard, pieces, strict=True) if owner == i]).to(
                    table.dtype
                )
                for i in range(len(clips))
            ]


def pad(encoded: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Stack encoder states by fours and pad: (batch, time, 4 × width) and what is there, (batch, time)."""
    width = encoded[0].shape[1]
    lengths = [-(-len(states) // STACK) for states in encoded]
    frames = encoded[0].new_zeros(len(encoded), max(lengths) * STACK, width)
    there = torch.zeros(len(encoded), max(lengths), dtype=torch.bool, device=frames.device)
    for row, (states, length) in enumerate(zip(encoded, lengths, strict=True)):
        frames[row, : len(states)] = states
        there[row, :length] = True
    return frames.view(len(encoded), max(lengths), STACK * width), there
