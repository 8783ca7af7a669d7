"""The connectors of the pocket speech LLMs: from Whisper's encoder states to input embeddings of the LLM.

Both stand on one trunk (four encoder frames stacked to 80 ms, two convolution-augmented transformer blocks after
Gulati et al. 2020, arXiv 2005.08100). `CtcConnector` is a cascade by construction: the words that its CTC head (Graves
et al. 2006) and the LLM find likely together, as the LLM's own embeddings of them.
`FrameConnector` keeps every frame: a soft choice from a private table plus a residual that carries the sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cascade_equivalence.audio.clip import Clip
from cascade_equivalence.systems.backbone import Backbone
from cascade_equivalence.systems.linear import by_onednn
from cascade_equivalence.systems.speech.encoder import WhisperEncoder
from cascade_equivalence.systems.speech.joint import search
from cascade_equivalence.systems.whisper import split

STACK = 4
"""Encoder frames (20 ms) per position."""


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
    """CTC on the trunk, read together with the LLM, to the LLM's embeddings of the words found.

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

    def forward(self, frames: Tensor, there: Tensor, llm: Backbone, reader: Backbone) -> list[Tensor]:
        """Embeddings of each clip's words, shape (tokens, LLM width), in the tokens that the LLM writes them in.

        reader: the LLM that helps to find them, which may be a copy in another precision.
        """
        read = self.read(frames, there, reader)
        return [llm.embed(llm.encode(llm.tokenizer.decode(tokens))) for tokens in read]

    def read(self, frames: Tensor, there: Tensor, llm: Backbone | None) -> list[list[int]]:
        """The likeliest LLM tokens; without an LLM those of the best CTC path."""
        logits = self.logits(frames, there).float()
        found = [row[here] for row, here in zip(logits, there, strict=True)]
        if llm is not None:
            return search([rows.log_softmax(-1) for rows in found], self.tokens, llm)
        paths = [rows.argmax(-1).unique_consecutive() for rows in found]
        return [self.tokens[path[path != 0] - 1].tolist() for path in paths]


class FrameConnector(nn.Module):
    """Every position kept: softmax over a private code × a free table, plus a residual from frames and neighbours.

    Trunk and code are those of a CTC connector; the table holds vectors that the LLM's first block takes for tokens.
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
        return self.words(states) + self.residual(frames, there, states)

    def words(self, states: Tensor) -> Tensor:
        """The part chosen from the table, of the trunk's states."""
        chosen = self.code(states).softmax(-1)
        found: Tensor = chosen.to(self.table.dtype) @ self.table
        return found

    def residual(self, frames: Tensor, there: Tensor, states: Tensor) -> Tensor:
        """The part that is not: from the frames and from a position's neighbours."""
        masked = states * there[..., None]
        before, after = functional.pad(masked, (0, 0, 1, 0))[:, :-1], functional.pad(masked, (0, 0, 0, 1))[:, 1:]
        heard = self.sound(self.trunk.norm_in(frames))
        mixed = functional.glu(self.residual_in(torch.cat([before, masked, after, heard], -1)), -1)
        out: Tensor = self.residual_out(mixed)
        return out

    def forward(self, frames: Tensor, there: Tensor) -> list[Tensor]:
        """Embeddings of each clip, shape (positions, LLM width)."""
        states = self.embed(frames, there)
        return [row[here] for row, here in zip(states, there, strict=True)]


class PocketEars:
    """The frozen Whisper encoder and a connector. Clips over 30 s are cut at quiet points and joined.

    reader: what helps `CtcConnector` to find words: the LLM in the encoder's precision.
    """

    def __init__(self, encoder: WhisperEncoder, connector: CtcConnector | FrameConnector, backbone: Backbone) -> None:
        self.encoder = encoder
        self.connector = connector.eval()
        by_onednn(self.connector)
        self._backbone = backbone
        self.reader = backbone.at(encoder.tower.encoder.dtype) if isinstance(connector, CtcConnector) else backbone

    def hear(self, clips: Sequence[Clip]) -> list[Tensor]:
        """See `Ears.hear`."""
        with torch.inference_mode():
            pieces = [(i, Clip(piece)) for i, clip in enumerate(clips) for piece in split(clip.samples)]
            frames, there = pad(self.encoder.encode([piece for _, piece in pieces]))
            dtype = next(self.connector.parameters()).dtype
            table = self._backbone.model.get_input_embeddings().weight
            heard = self.connect(frames.to(table.device, dtype), there.to(table.device))
            return [
                torch.cat([states for states, (owner, _) in zip(heard, pieces, strict=True) if owner == i]).to(
                    table.dtype
                )
                for i in range(len(clips))
            ]

    def connect(self, frames: Tensor, there: Tensor) -> list[Tensor]:
        """Embeddings of each clip, shape (positions or tokens, LLM width), of frames as `pad` stacks them."""
        if isinstance(self.connector, CtcConnector):
            found: list[Tensor] = self.connector(frames, there, self._backbone, self.reader)
        else:
            found = self.connector(frames, there)
        return found


def positions(states: Tensor) -> int:
    """Positions of 80 ms that encoder states, (frames, width), fill, the last one perhaps in part."""
    return -(-len(states) // STACK)


def pad(encoded: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Stack encoder states by fours and pad: (batch, time, 4 × width) and what is there, (batch, time)."""
    width = encoded[0].shape[1]
    lengths = [positions(states) for states in encoded]
    frames = encoded[0].new_zeros(len(encoded), max(lengths) * STACK, width)
    there = torch.zeros(len(encoded), max(lengths), dtype=torch.bool, device=frames.device)
    for row, (states, length) in enumerate(zip(encoded, lengths, strict=True)):
        frames[row, : len(states)] = states
        there[row, :length] = True
    return frames.view(len(encoded), max(lengths), STACK * width), there
