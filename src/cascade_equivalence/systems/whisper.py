"""Whisper: transcripts with their mean log-probability, in batches, one decoding policy for every cascade.

English, greedy, no timestamps, no temperature fallback, no voice activity detection. Longer clips are split at their
quietest point before 30 s and joined, never cut silently.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from cascade_equivalence.audio.clip import RATE, Clip, Samples
from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems.linear import by_onednn
from cascade_equivalence.systems.loading import Placement
from cascade_equivalence.systems.speech.encoder import encoder_states, made
from cascade_equivalence.systems.system import Transcript

Padding = Literal["stock", "short", "tight"]

WINDOW_S = 30
SHORT_S = 8
"""Least length that `short` padding gives the encoder. Below it Whisper tends to repeat itself."""
TIGHT_S = 4
"""The same for `tight` padding: for controls, which are to mishear otherwise than the arms they are held against."""
SHORT_TAIL_S = 1
SHORT_STEP_S = 2
MAX_TOKENS = 224
TOKENS_PER_S = 10
"""Nobody speaks faster; a transcript still going at this rate (plus 20 tokens) repeats itself and is stopped."""
LOOP_TOKENS = 6
"""With short padding a transcript that says so many tokens a second time is stopped, since it is made again anyway."""


class Whisper:
    """A Whisper checkpoint of transformers.

    padding: `stock` gives the encoder 30 s, as it was trained; `short` gives it the clip, a second of silence and
    what rounds it up to an even number of seconds, at least eight (`tight`: four): several times faster on short
    clips, with transcripts that differ now and then (benchmarks/RESULTS.md). What short padding does to Whisper is to
    make it repeat itself: a transcript that does not end, or ends so, is made again with stock padding.
    """

    def __init__(self, name: str, directory: Path, placement: Placement, padding: Padding) -> None:
        from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperTokenizer

        try:
            model = made(WhisperForConditionalGeneration, directory, placement)
            self._features = WhisperFeatureExtractor.from_pretrained(directory)
            self._tokenizer = WhisperTokenizer.from_pretrained(directory)
        except Exception as error:  # whatever a library raises at files of others
            raise ModelError(f"ASR '{name}' cannot be loaded from {directory}: {error}") from None
        self._model: Any = model.to(placement.device).eval()
        by_onednn(self._model)
        self._placement = placement
        self._padding: Padding = padding
        decoding = self._model.generation_config
        self._suppressed = torch.tensor(decoding.suppress_tokens or [], dtype=torch.long)
        self._suppressed_first = torch.tensor(decoding.begin_suppress_tokens or [], dtype=torch.long)
        self._end: int = self._model.config.eos_token_id
        self._prompt = self._prompt_ids(decoding)

    def _prompt_ids(self, decoding: Any) -> list[int]:
        start = [self._model.config.decoder_start_token_id]
        if getattr(decoding, "is_multilingual", False):
            start += [decoding.lang_to_id["<|en|>"], decoding.task_to_id["transcribe"]]
        return [*start, decoding.no_timestamps_token_id]

    def transcribe(self, clips: Sequence[Clip]) -> list[Transcript]:
        """Transcribe clips of 16 kHz. The order is kept; a clip over 30 s is split and joined."""
        pieces = [(i, piece) for i, clip in enumerate(clips) for piece in split(clip.samples)]
        lengths = [self._padded(piece) for _, piece in pieces]
        found: dict[int, Transcript] = {}
        for length in sorted(set(lengths)):
            indices = [n for n in range(len(pieces)) if lengths[n] == length]
            found |= dict(zip(indices, self._decode([pieces[n][1] for n in indices], length), strict=True))
        stock = WINDOW_S * RATE
        doubtful = [n for n, t in found.items() if lengths[n] < stock and (not t.complete or repeats(t.text))]
        if doubtful:
            found |= dict(zip(doubtful, self._decode([pieces[n][1] for n in doubtful], stock), strict=True))
        return [_join([found[n] for n, (owner, _) in enumerate(pieces) if owner == i]) for i in range(len(clips))]

    def _padded(self, samples: Samples) -> int:
        """Samples the encoder gets for a piece."""
        if self._padding == "stock":
            return WINDOW_S * RATE
        steps = -(-(len(samples) + SHORT_TAIL_S * RATE) // (SHORT_STEP_S * RATE))
        least = SHORT_S if self._padding == "short" else TIGHT_S
        return min(max(steps * SHORT_STEP_S, least), WINDOW_S) * RATE

    def _decode(self, samples: Sequence[Samples], length: int) -> list[Transcript]:
        spoken_s = max(len(piece) for piece in samples) / RATE
        limit = min(int(20 + TOKENS_PER_S * spoken_s), MAX_TOKENS)
        with torch.inference_mode():
            return self._greedy(self.encode(samples, length), limit, again=length < WINDOW_S * RATE)

    def encode(self, samples: Sequence[Samples], length: int) -> torch.Tensor:
        """Encoder states of waveforms padded to `length` samples, shape (batch, length / 320, width)."""
        features = self._features(
            list(samples),
            sampling_rate=RATE,
            return_tensors="pt",
            padding="max_length",
            max_length=length,
            truncation=True,
        ).input_features.to(self._placement.device, self._model.dtype)
        return encoder_states(self._model.model.encoder, features)

    def _greedy(self, encoded: torch.Tensor, limit: int, again: bool) -> list[Transcript]:
        """again: what does not end is made again, so it may be stopped as soon as that is seen."""
        from transformers import DynamicCache, EncoderDecoderCache

        batch = len(encoded)
        device = encoded.device
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        tokens = torch.tensor([self._prompt] * batch, device=device)
        suppressed, first = self._suppressed.to(device), self._suppressed_first.to(device)
        running = torch.ones(batch, dtype=torch.bool, device=device)
        total = torch.zeros(batch, device=device)
        rows: list[torch.Tensor] = []
        said: list[list[int]] = [[] for _ in range(batch)]
        stuck = [False] * batch
        for step in range(limit):
            states = self._model.model.decoder(
                input_ids=tokens, encoder_hidden_states=encoded, past_key_values=cache, use_cache=True
            ).last_hidden_state[:, -1]
            logits = self._model.proj_out(states).float()
            logits[:, suppressed] = -torch.inf
            if step == 0:
                logits[:, first] = -torch.inf
            logprobs = logits.log_softmax(-1)
            best, chosen = logprobs.max(-1)
            chosen = torch.where(running, chosen, self._end)
            total += torch.where(running, best, 0.0)
            rows.append(chosen)
            running = running & (chosen != self._end)
            for row, token in enumerate(chosen.tolist()):
                said[row].append(token)
                stuck[row] = stuck[row] or (again and token != self._end and loops(said[row]))
            if not any(runs and not stays for runs, stays in zip(running.tolist(), stuck, strict=True)):
                break
            tokens = chosen[:, None]
        ids = torch.stack(rows, 1).cpu()
        lengths = (ids != self._end).sum(1)
        complete = [not runs and not stays for runs, stays in zip(running.tolist(), stuck, strict=True)]
        texts = self._tokenizer.batch_decode(ids, skip_special_tokens=True)
        return [
            Transcript(text.strip(), float(total[i]) / (int(lengths[i]) + complete[i]), int(lengths[i]), complete[i])
            for i, text in enumerate(texts)
        ]


def loops(tokens: Sequence[int], least: int = LOOP_TOKENS) -> bool:
    """Whether the last `least` tokens were said before."""
    tail = list(tokens[-least:])
    return any(list(tokens[i : i + least]) == tail for i in range(len(tokens) - least))


def repeats(text: str, least: int = 3) -> bool:
    """Whether a text ends in `least` or more words said twice in a row, case and punctuation aside."""
    words = re.findall(r"[^\W_]+(?:'[^\W_]+)*", text.lower())
    return any(words[-n:] == words[-2 * n : -n] for n in range(least, len(words) // 2 + 1))


def split(samples: Samples, window: int = WINDOW_S * RATE, search: int = 5 * RATE) -> list[Samples]:
    """Cut at the quietest tenth of a second in the last `search` samples before each `window` is full."""
    pieces = []
    while len(samples) > window:
        tail = samples[window - search : window]
        frame = RATE // 10
        energies = np.square(tail[: len(tail) // frame * frame]).reshape(-1, frame).sum(1)
        cut = window - search + int(energies.argmin()) * frame + frame // 2
        pieces.append(samples[:cut])
        samples = samples[cut:]
    return [*pieces, samples]


def _join(parts: list[Transcript]) -> Transcript:
    if len(parts) == 1:
        return parts[0]
    tokens = sum(p.tokens for p in parts)
    return Transcript(
        text=" ".join(p.text for p in parts if p.text),
        logprob=sum((p.logprob or 0.0) * (p.tokens + p.complete) for p in parts)
        / sum(p.tokens + p.complete for p in parts),
        tokens=tokens,
        complete=all(p.complete for p in parts),
    )
