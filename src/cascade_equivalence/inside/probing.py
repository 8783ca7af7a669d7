"""Probes of every layer, with Whisper's encoder beside them as the control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cascade_equivalence.audio.clip import Clip
from cascade_equivalence.errors import AnalysisError, ModelError
from cascade_equivalence.inside.concepts import ENOUGH, Once, sound_of, spelling
from cascade_equivalence.inside.session import Session
from cascade_equivalence.mechanism.ctc_probe import bag_probe, ctc_probe, sufficient_rate
from cascade_equivalence.mechanism.layers import default_layers, output_of
from cascade_equivalence.mechanism.probes import Probed, probe, types_of
from cascade_equivalence.systems.speech.adapter import Adapter
from cascade_equivalence.systems.speech.pocket import PocketEars

FRAMES_PER_S = 50
ROWS = 4000
TYPES = 50
HIDDEN = 64


def probes(session: Session) -> dict[str, Any]:
    """Energy, pitch, CTC and bag by layer, on the first utterance of every text of the pool."""
    once = Once.of(session)
    clips = [session.fit_clips[i] for i in once.numbers]
    layers = _spaced(session.bench.layers, session.settings.probe_layers)
    by_layer = {}
    for layer in layers:
        states = session.fit_states(layer)
        by_layer[layer] = [states[i] for i in once.numbers]
    adapter = session.bench.arm.speech.adapter
    rows, left_out = _probed(session, "llm", by_layer, clips, once, adapter)
    rows = rows + _control(session, clips, once)
    speakers = 0 if once.speakers is None else len(set(once.speakers))
    return {"n": len(clips), "speakers": speakers, "rows": rows, "left_out": left_out}


def _spaced(layers: Sequence[int], most: int | None) -> list[int]:
    if most is None or most >= len(layers):
        return list(layers)
    return sorted({layers[int(i)] for i in np.linspace(0, len(layers) - 1, most).round()})


def _probed(
    session: Session,
    where: str,
    by_layer: dict[int, list[Tensor]],
    clips: Sequence[Clip],
    once: Once,
    adapter: Adapter,
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Rows of all layers, and why there are none of energy and pitch where positions have no time."""
    first = next(iter(by_layer.values()))
    counts = [len(states) for states in first]
    utterances = np.repeat(np.arange(len(counts)), counts)
    texts, known = once.texts, once.speakers
    left_out: dict[str, str] = {}
    targets: list[tuple[str, np.ndarray]] = []
    try:
        loud, high = sound_of(adapter, session.around.memo, clips, counts)
        targets = [("energy", loud.numpy()), ("pitch", high.numpy())]
    except ModelError as error:
        left_out = dict.fromkeys(("energy", "pitch"), str(error))
    enough = sufficient_rate(counts, texts, ENOUGH)
    picked = np.sort(np.random.default_rng(0).permutation(len(utterances))[:ROWS])
    types = types_of(torch.cat(first).numpy()[picked], TYPES, 0)
    rows = []
    for layer, states in by_layer.items():
        stacked = torch.cat(states).numpy()
        arrays = [s.numpy() for s in states]
        for name, target in targets:
            there = np.isfinite(target[picked])
            use = picked[there]
            people = known[utterances[use]] if known is not None else None
            out = probe(stacked[use], target[use], utterances[use], speakers=people, types=types[there])
            rows.append({"where": where, "layer": layer, "target": name, **_row(out)})
        for symbols, hidden in dict.fromkeys([(1, 0), (enough, 0), (enough, HIDDEN)]):
            if where == "llm" and (symbols, hidden) == (enough, 0):
                read = spelling(session, layer)
            else:
                read = ctc_probe(arrays, texts, symbols=symbols, speakers=known, hidden=hidden)
            rows.append(
                {
                    "where": where,
                    "layer": layer,
                    "target": "ctc",
                    "symbols": symbols,
                    "hidden": hidden,
                    "value": read.decodability,
                    "low": 1 - read.high,
                    "high": 1 - read.low,
                    "impossible": read.impossible,
                }
            )
        linear, mlp = bag_probe(arrays, texts, speakers=known), bag_probe(arrays, texts, speakers=known, kind="mlp")
        rows.append({"where": where, "layer": layer, "target": "bag", "linear": asdict(linear), "mlp": asdict(mlp)})
    return rows, left_out


def _row(out: Probed) -> dict[str, Any]:
    return {"linear": asdict(out.linear), "mlp": asdict(out.mlp), "selectivity": out.selectivity}


def _control(session: Session, clips: Sequence[Clip], once: Once) -> list[dict[str, Any]]:
    """Probes of Whisper's encoder, once for all arms that share it and its rate; none of another kind of encoder."""
    speech = session.bench.arm.speech
    try:
        tower = speech.module(speech.adapter.audio_tower)
    except AttributeError:
        return []
    inner = getattr(tower, "encoder", tower)
    layers, ends = getattr(inner, "layers", None), getattr(inner, "conv2", None)
    if not isinstance(layers, nn.ModuleList) or ends is None:
        return []
    key, memo = ("encoder probes", id(tower), speech.adapter.tokens_per_s, once.numbers), session.around.memo
    if key not in memo:
        # The encoder's own states lie in time, whatever the connector makes of them.
        adapter = replace(speech.adapter, positions="clip")
        memo[key], _ = _probed(session, "encoder", _encoder(session, layers, clips), clips, once, adapter)
    found: list[dict[str, Any]] = memo[key]
    return found


def _encoder(session: Session, layers: nn.ModuleList, clips: Sequence[Clip]) -> dict[int, list[Tensor]]:
    """States of the encoder's layers at the rate of the adapter's positions."""
    speech = session.bench.arm.speech
    chosen = _spaced(default_layers(len(layers)), session.settings.probe_layers)
    seen: dict[int, Tensor] = {}
    handles = [
        layers[i].register_forward_hook(lambda _m, _in, out, i=i: seen.update({i: output_of(out)[0].detach()}))
        for i in chosen
    ]
    # The connector is not needed here, and finding words takes longer than the encoder.
    listen = speech.ears.encoder.encode if isinstance(speech.ears, PocketEars) else speech.ears.hear
    fold = max(1, round(FRAMES_PER_S / speech.adapter.tokens_per_s))
    found: dict[int, list[Tensor]] = {layer: [] for layer in chosen}
    try:
        for clip in clips:
            session.around.run.models.forget()
            seen.clear()
            listen([clip])
            if not seen:
                raise AnalysisError(f"'{speech.name}': its encoder did not run when it heard a clip")
            frames = -(-len(clip.samples) // 320)
            for layer, states in seen.items():
                found[layer].append(_pooled(states[:frames].float().cpu().clone(), fold))
    finally:
        for handle in handles:
            handle.remove()
        session.around.run.models.forget()
    return found


def _pooled(states: Tensor, fold: int) -> Tensor:
    """Mean over `fold` frames each, the last ones over what is there."""
    return torch.stack([part.mean(0) for part in torch.split(states, fold)])
