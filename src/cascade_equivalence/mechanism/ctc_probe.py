"""How well the characters of what was said can be read from states, position by position (CTC) or as a bag."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cascade_equivalence.errors import AnalysisError
from cascade_equivalence.mechanism.probes import Kind, Probe, mlp_probe, ridge_probe
from cascade_equivalence.mechanism.splits import Floats, Ints, Scale, split_by_group

_EPOCHS, _BATCH, _PATIENCE = 60, 16, 6


@dataclass(frozen=True)
class CtcReader:
    """A fitted layer (or two) from states to `symbols` characters per position. layers: (weight, bias) pairs."""

    scale: Scale
    layers: tuple[tuple[Tensor, Tensor], ...]
    letters: tuple[str, ...]
    symbols: int

    def emissions(self, states: Any) -> Tensor:
        """Log-probabilities of states (positions, d): (positions × symbols, 1 + letters), the blank first.

        Their exponentials, reshaped to (positions, symbols × (1 + letters)), are the concept "text as CTC reads it".
        """
        rows = torch.from_numpy(self.scale(np.asarray(states, dtype=np.float64))).float()
        with torch.no_grad():
            return _emissions(self.layers, rows, len(self.letters) + 1)

    def read(self, states: Any) -> str:
        """The greedy text of states (positions, d)."""
        path = self.emissions(states).argmax(-1).tolist()
        return "".join(self.letters[symbol - 1] for symbol, _ in groupby(path) if symbol)


@dataclass(frozen=True)
class CtcProbe:
    """Character error rate of a CTC probe on held-out utterances.

    symbols: output symbols per position (r). decodability = 1 - CER, which is below 0 where more is inserted than
    there is. impossible: share of the held-out utterances whose text has more symbols than positions × r can emit: at
    r = 1 this is the rate of the positions, not a property of the states. low, high: 95 % percentile bootstrap of the
    CER over utterances. test: the numbers of the held-out utterances; hypotheses: what was read from them.
    """

    symbols: int
    cer: float
    low: float
    high: float
    impossible: float
    hypotheses: tuple[str, ...]
    test: tuple[int, ...]
    reader: CtcReader

    @property
    def decodability(self) -> float:
        """1 - CER, as the paper reports it."""
        return 1 - self.cer


def symbols_needed(text: str) -> int:
    """Shortest CTC path of a text: its characters and a blank between equal neighbours."""
    return len(text) + sum(a == b for a, b in pairwise(text))


def sufficient_rate(positions: Sequence[int], texts: Sequence[str], share: float = 1.0) -> int:
    """The smallest r at which `share` of the texts, in (0, 1], fit their positions."""
    if not texts or min(positions) < 1:
        raise AnalysisError("every utterance needs at least one position")
    needed = sorted(-(-symbols_needed(t) // n) for n, t in zip(positions, texts, strict=True))
    return max(1, needed[math.ceil(share * len(needed)) - 1])


def ctc_probe(
    states: Sequence[Any],
    texts: Sequence[str],
    *,
    symbols: int,
    speakers: NDArray[Any] | None = None,
    hidden: int = 0,
    held_out: float = 0.2,
    seed: int = 0,
) -> CtcProbe:
    """Fit a layer from each position to `symbols` characters with CTC, decode held-out utterances greedily.

    states: per utterance (positions, d), z-scored on the training positions; texts: normalised alike (case,
    punctuation). hidden: units of one hidden ReLU layer, 0 for the linear probe. Whole utterances are held out, whole
    speakers where they are known (at least five). AdamW, early stopping on a tenth of the training utterances.

    With several symbols the collapse of CTC itself computes a little (two symbols, either of them blank, can spell the
    XOR of two bits), so "linear" is exact at r = 1 alone: compare layers and systems at the same r.
    """
    arrays = _checked(states, texts)
    known = speakers is not None and len(np.unique(speakers)) >= 5
    groups = speakers if known and speakers is not None else np.arange(len(texts))
    split = split_by_group(groups, held_out, seed)
    reader = _fit(arrays, texts, split.train, groups, symbols, hidden, seed)
    heard = [reader.read(arrays[i]) for i in split.test]
    return _scored(
        reader, [texts[i] for i in split.test], heard, [len(arrays[i]) for i in split.test], split.test, seed
    )


def _fit(
    arrays: Sequence[Floats],
    texts: Sequence[str],
    rows: Ints,
    groups: NDArray[Any],
    symbols: int,
    hidden: int,
    seed: int,
) -> CtcReader:
    inner = split_by_group(groups[rows], 0.1, seed)
    train, watched = rows[inner.train], rows[inner.test]
    scale = Scale.of(np.concatenate([arrays[i] for i in train]))
    letters = sorted({letter for i in train for letter in texts[i]})
    index = {letter: number + 1 for number, letter in enumerate(letters)}
    inputs = {int(i): torch.from_numpy(scale(arrays[i])).float() for i in rows}
    # A character that no training text has cannot be emitted: it counts as an error, not as a target.
    targets = {int(i): torch.tensor([index[c] for c in texts[i] if c in index], dtype=torch.long) for i in rows}
    generator = torch.Generator().manual_seed(seed)
    sizes = [inputs[int(rows[0])].shape[1], *([hidden] if hidden else []), symbols * (len(letters) + 1)]
    layers = tuple(
        (
            (torch.randn(wide, narrow, generator=generator) / wide**0.5).requires_grad_(),
            torch.zeros(narrow, requires_grad=True),
        )
        for wide, narrow in pairwise(sizes)
    )

    def loss(which: Sequence[int]) -> Tensor:
        lengths = [len(inputs[i]) * symbols for i in which]
        emitted = _emissions(layers, torch.cat([inputs[i] for i in which]), len(letters) + 1)
        value: Tensor = torch.nn.functional.ctc_loss(
            torch.nn.utils.rnn.pad_sequence(list(torch.split(emitted, lengths))),
            torch.cat([targets[i] for i in which]),
            torch.tensor(lengths),
            torch.tensor([len(targets[i]) for i in which]),
            zero_infinity=True,
        )
        return value

    parameters = [p for layer in layers for p in layer]
    optimiser = torch.optim.AdamW(parameters, lr=1e-2, weight_decay=1e-2)
    best, lowest, patience = layers, float("inf"), 0
    for _ in range(_EPOCHS):
        for batch in torch.split(torch.randperm(len(train), generator=generator), _BATCH):
            optimiser.zero_grad()
            loss(train[batch.numpy()].tolist()).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        with torch.no_grad():
            now = float(loss(watched.tolist()))
        if now < lowest:
            best = tuple((w.detach().clone(), b.detach().clone()) for w, b in layers)
            lowest, patience = now, 0
        else:
            patience += 1
            if patience == _PATIENCE:
                break
    return CtcReader(scale, best, tuple(letters), symbols)


def _emissions(layers: Sequence[tuple[Tensor, Tensor]], rows: Tensor, outputs: int) -> Tensor:
    for number, (weight, bias) in enumerate(layers):
        rows = rows @ weight + bias
        rows = rows.relu() if number + 1 < len(layers) else rows
    return rows.reshape(-1, outputs).log_softmax(-1)


def _checked(states: Sequence[Any], texts: Sequence[str]) -> list[Floats]:
    arrays = [np.asarray(s, dtype=np.float64) for s in states]
    if len(arrays) != len(texts) or len(texts) < 10:
        raise AnalysisError(f"{len(arrays)} utterances of states, {len(texts)} texts: a CTC probe needs ten of each")
    for number, (array, text) in enumerate(zip(arrays, texts, strict=True)):
        if array.ndim != 2 or not len(array) or not text.strip():
            raise AnalysisError(f"utterance {number} has no positions or no text: leave it out")
        if not np.isfinite(array).all():
            raise AnalysisError(f"the states of utterance {number} are NaN or infinite: leave it out")
    return arrays


def _scored(
    reader: CtcReader, truth: Sequence[str], heard: Sequence[str], positions: Sequence[int], test: Any, seed: int
) -> CtcProbe:
    import jiwer

    counts = [jiwer.process_characters(a, b) for a, b in zip(truth, heard, strict=True)]
    edits = np.array([c.substitutions + c.deletions + c.insertions for c in counts], dtype=np.float64)
    lengths = np.array([c.hits + c.substitutions + c.deletions for c in counts], dtype=np.float64)
    weights = np.random.default_rng(seed).multinomial(len(truth), np.full(len(truth), 1 / len(truth)), size=1000)
    low, high = np.percentile((weights @ edits) / (weights @ lengths), [2.5, 97.5])
    short = [symbols_needed(t) > n * reader.symbols for t, n in zip(truth, positions, strict=True)]
    return CtcProbe(
        symbols=reader.symbols,
        cer=float(edits.sum() / lengths.sum()),
        low=float(low),
        high=float(high),
        impossible=float(np.mean(short)),
        hypotheses=tuple(heard),
        test=tuple(int(i) for i in test),
        reader=reader,
    )


def bags(texts: Sequence[str], letters: str | None = None) -> Floats:
    """Counts of each letter in each text, (texts, letters); default: all letters that occur, sorted."""
    columns = letters or "".join(sorted(set("".join(texts)) - {" "}))
    return np.array([[Counter(text)[c] for c in columns] for text in texts], dtype=np.float64)


def bag_probe(
    states: Sequence[Any],
    texts: Sequence[str],
    *,
    speakers: NDArray[Any] | None = None,
    held_out: float = 0.2,
    seed: int = 0,
    kind: Kind = "linear",
) -> Probe:
    """R² of the character counts of an utterance from the sum of its positions' states (sums, since counts add up)."""
    arrays = _checked(states, texts)
    known = speakers is not None and len(np.unique(speakers)) >= 5
    groups = speakers if known and speakers is not None else np.arange(len(texts))
    pooled = np.stack([a.sum(0) for a in arrays])
    fit = ridge_probe if kind == "linear" else mlp_probe
    return fit(pooled, bags(texts), groups, split_by_group(groups, held_out, seed), seed=seed)
