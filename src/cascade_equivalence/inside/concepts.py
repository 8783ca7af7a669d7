"""Concepts at the audio positions of the fitting pool, and the erasers of all layers for every condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cascade_equivalence.audio.clip import RATE, Clip
from cascade_equivalence.errors import AnalysisError, ModelError
from cascade_equivalence.inside.material import spoken_words
from cascade_equivalence.inside.session import Session
from cascade_equivalence.mechanism.concepts import repeated, text_proxy
from cascade_equivalence.mechanism.ctc_probe import CtcProbe, CtcReader, bags, ctc_probe, sufficient_rate
from cascade_equivalence.mechanism.erasure import LeaceEraser
from cascade_equivalence.mechanism.fitting import (
    FittedErasure,
    fitted,
    permuted_over_utterances,
    random_eraser,
    science_fitter,
    variance_matched_eraser,
)
from cascade_equivalence.mechanism.pitch import pitch
from cascade_equivalence.mechanism.targets import energy, position_pitch
from cascade_equivalence.systems.speech.adapter import Adapter

CTC_ROWS = 64
"""Components of the CTC concept: a reader with several symbols has hundreds of outputs."""
ENOUGH = 0.98
"""Share of the utterances that r symbols per position can spell: one clip in which a connector heard a single token
would set r for all, and the work grows with it."""


def sound_of(
    adapter: Adapter, memo: dict[Any, Any], clips: Sequence[Clip], positions: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Energy, and pitch (NaN where unvoiced too), at each position of the clips, (sum of positions,) each; NaN behind
    a clip's end. Raises `ModelError` where positions have no time of their own, or it would have to be guessed.
    """
    step = 1 / adapter.tokens_per_s
    loud, high = [], []
    for clip, count in zip(clips, positions, strict=True):
        there = adapter.in_time(clip.seconds, count)
        if (key := ("pitch", clip.sha256)) not in memo:
            memo[key] = pitch(clip.samples, RATE)
        behind = np.full(count - there, np.nan)
        loud.append(np.r_[energy(clip.samples, RATE, there, step), behind])
        high.append(np.r_[position_pitch(clip.samples, RATE, there, step, track=memo[key]), behind])
    return torch.from_numpy(np.concatenate(loud)), torch.from_numpy(np.concatenate(high))


def acoustic(adapter: Adapter, memo: dict[Any, Any], clips: Sequence[Clip], positions: Sequence[int]) -> Tensor:
    """The acoustic concept, (sum of positions, 3): energy (silence behind a clip's end), voiced or not, pitch. Raises
    as `sound_of`."""
    loud, high = sound_of(adapter, memo, clips, positions)
    inside, voiced = torch.isfinite(loud), torch.isfinite(high)
    centre = high[voiced].mean() if bool(voiced.any()) else torch.tensor(0.0)
    # An unvoiced position has no pitch: it gets the mean, and a column of its own says that it is unvoiced.
    return torch.stack(
        [torch.where(inside, loud, loud[inside].min()), voiced.double(), torch.where(voiced, high, centre)], 1
    )


@dataclass(frozen=True, slots=True)
class Once:
    """The first utterance of every text of the pool: numbers in it, words, and speakers where all are known."""

    numbers: tuple[int, ...]
    texts: tuple[str, ...]
    speakers: np.ndarray | None

    @classmethod
    def of(cls, session: Session) -> Once:
        chosen = tuple(i for i, u in enumerate(session.pool) if u.first)
        items = [session.pool[i].item for i in chosen]
        speakers = [item.speaker for item in items]
        known = np.array([str(s) for s in speakers]) if all(speakers) else None
        return cls(chosen, tuple(spoken_words(item.text) for item in items), known)


def spelling(session: Session, layer: int) -> CtcProbe:
    """The linear CTC probe of a layer with enough symbols: reported as it is, and what the CTC concept is made of."""
    if layer not in session.spellings:
        once, every = Once.of(session), session.fit_states(layer)
        states = [every[i].numpy() for i in once.numbers]
        symbols = sufficient_rate([len(s) for s in states], once.texts, ENOUGH)
        session.spellings[layer] = ctc_probe(states, once.texts, symbols=symbols, speakers=once.speakers)
    return session.spellings[layer]


@dataclass(frozen=True)
class Concepts:
    """Targets at the positions of the pool, by name: the proxy, and the others that the settings name.

    The CTC concept depends on the layer. utterances: (rows,). left_out: target → why there is none.
    """

    targets: Mapping[str, Tensor]
    utterances: np.ndarray
    positions: tuple[int, ...]
    left_out: Mapping[str, str]

    @classmethod
    def of(cls, session: Session, counts: Sequence[int]) -> Concepts:
        """Those of the settings, and the proxy in any case."""
        texts = tuple(spoken_words(u.item.text) for u in session.pool)
        tokens = [session.bench.text(u.item.text or "")[0] for u in session.pool]
        found = {"proxy": text_proxy(session.bench.table(), tokens, counts)}
        left_out: dict[str, str] = {}
        if "bag" in session.settings.concepts:
            found["bag"] = repeated(torch.from_numpy(bags(texts)), counts)
        if "acoustic" in session.settings.concepts:
            adapter, memo = session.bench.arm.speech.adapter, session.around.memo
            try:
                found["acoustic"] = acoustic(adapter, memo, session.fit_clips, counts)
            except ModelError as error:
                left_out["acoustic"] = str(error)
        utterances = np.repeat(np.arange(len(counts)), counts)
        found["permuted"] = permuted_over_utterances(found["proxy"], utterances, 0)
        return cls(found, utterances, tuple(counts), left_out)

    def erased(self, session: Session, layer: int, states: Sequence[Tensor]) -> dict[str, Tensor]:
        """The targets that are erased at a layer, by condition."""
        names = {*session.settings.concepts, "permuted"}
        found = {name: z for name, z in self.targets.items() if name in names}
        if "ctc" in names:
            found["ctc"] = self._ctc(spelling(session, layer).reader, states)
        return found

    @staticmethod
    def _ctc(reader: CtcReader, states: Sequence[Tensor]) -> Tensor:
        """What a CTC reader of these states emits, its leading components, (rows, at most 64)."""
        emitted = torch.cat([reader.emissions(s.numpy()).exp().reshape(len(s), -1) for s in states]).double()
        centred = emitted - emitted.mean(0)
        _, vectors = torch.linalg.eigh(centred.T @ centred)
        leading: Tensor = centred @ vectors[:, -CTC_ROWS:]
        return leading


@dataclass(frozen=True)
class Fitted:
    """Condition → layer → eraser, float32, and what each takes away.

    rows: positions it was fitted on. left_out: condition → why it could not be fitted at all layers.
    """

    erasers: Mapping[str, Mapping[int, LeaceEraser]]
    shares: Mapping[str, Mapping[int, float]]
    ranks: Mapping[str, Mapping[int, int]]
    rows: int
    left_out: Mapping[str, str]


def fit_all(session: Session) -> tuple[Fitted, Concepts]:
    """Erasers of all layers on the pool: concepts, and the controls of the proxy's rank."""
    settings, layers = session.settings, session.bench.layers
    concepts: Concepts | None = None
    erasers: dict[str, dict[int, LeaceEraser]] = {}
    shares: dict[str, dict[int, float]] = {}
    ranks: dict[str, dict[int, int]] = {}
    left_out: dict[str, str] = {}
    for layer in layers:
        states = session.fit_states(layer)
        concepts = concepts or Concepts.of(session, [len(s) for s in states])
        stacked = torch.cat(states).double()
        made, error = erasers_of(stacked, concepts.erased(session, layer, states), settings.seeds)
        if error:
            left_out["variance-matched"] = f"layer {layer}: {error}"
        total = float(stacked.var(0).sum())
        for name, eraser in made.items():
            erasers.setdefault(name, {})[layer] = eraser.to("cpu", torch.float32)
            ranks.setdefault(name, {})[layer] = eraser.rank
            moved = stacked - eraser(stacked)
            shares.setdefault(name, {})[layer] = float(moved.var(0).sum()) / total
    for name in left_out:
        erasers.pop(name, None)
    assert concepts is not None
    return Fitted(erasers, shares, ranks, int(sum(concepts.positions)), {**concepts.left_out, **left_out}), concepts


def erasers_of(states: Tensor, targets: Mapping[str, Tensor], seeds: int) -> tuple[dict[str, LeaceEraser], str | None]:
    """Condition → eraser of states (rows, d) in float64: one for each target, `seeds` Haar-random subspaces and one
    that removes the same variance, all of the proxy's rank (the first target's where it is not erased) and centred
    alike; and why there is none of that variance, if so."""
    found = _fit(states, targets)
    model = found.get("proxy") or next(iter(found.values()))
    rank, bias = model.eraser.rank, model.eraser.bias
    made = {name: fit.eraser for name, fit in found.items()}
    for seed in range(seeds):
        made[f"random {seed + 1}"] = random_eraser(states.shape[1], rank, seed, bias)
    try:
        made["variance-matched"] = variance_matched_eraser(torch.cov(states.T), rank, model.removed, 0, bias)
    except AnalysisError as error:
        return made, str(error)
    return made, None


def _fit(states: Tensor, targets: Mapping[str, Tensor]) -> dict[str, FittedErasure]:
    """One pass over the states for all concepts: they share its covariance."""
    scaled = {name: _scaled(z) for name, z in targets.items()}
    widths = [z.shape[1] for z in scaled.values()]
    both = science_fitter(states.shape[1], sum(widths)).update(states, torch.cat(list(scaled.values()), 1))
    found = {}
    for name, z, crossed in zip(scaled, scaled.values(), torch.split(both.sigma_xz_, widths, 1), strict=True):
        one = science_fitter(states.shape[1], z.shape[1])
        one.n, one.mean_x, one.mean_z = both.n, both.mean_x, z.mean(0)
        one.sigma_xx_, one.sigma_xz_ = both.sigma_xx_, crossed
        found[name] = fitted(one)
    return found


def _scaled(z: Tensor) -> Tensor:
    target = z.reshape(len(z), -1).double()
    deviation = target.std(0)
    varying = deviation > 1e-12 * target.abs().amax(0)
    return target[:, varying] / deviation[varying]
