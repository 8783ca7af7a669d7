"""Erasure: what is left of the answers without the concept, and what else broke."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from cascade_equivalence.inside.concepts import Concepts, erasers_of, fit_all
from cascade_equivalence.inside.material import sentences
from cascade_equivalence.inside.session import Session
from cascade_equivalence.mechanism.erasure import LeaceEraser
from cascade_equivalence.mechanism.interventions import Scope, erasing
from cascade_equivalence.mechanism.probes import mlp_probe, ridge_probe
from cascade_equivalence.mechanism.splits import Split, split_by_group
from cascade_equivalence.systems.backbone import Query

DECODED_ROWS = 3000
DECODED_COLUMNS = 8
"""Positions and leading components of the proxy that decodability after erasure is measured on."""


def erasure(session: Session) -> dict[str, Any]:
    """Labels, generated labels, decodability and perplexity under every condition and scope."""
    fitted, concepts = fit_all(session)
    _, plain = sentences(session.around.plan, session.settings)
    conditions = [{"name": "none", "scope": "audio", **_answers(session, {}, "audio")}]
    damage = {"none": _perplexities(session, plain, {})}
    for name, erasers in fitted.erasers.items():
        for scope in session.settings.scopes:
            used = _centred(erasers, scope)
            said = _answers(session, used, scope, generated=not name.startswith("random") or name == "random 1")
            conditions.append({"name": name, "scope": scope, **said})
        damage[name] = _perplexities(session, plain, _centred(erasers, "all"))
    return {
        "trials": session.named_trials(),
        "generated_on": min(session.settings.generate, len(session.trials)),
        "fit": len(session.pool),
        "fit_outside": sum(u.outside for u in session.pool),
        "fit_words": sum(u.first for u in session.pool),
        "fit_rows": fitted.rows,
        "layers": list(session.bench.layers),
        "left_out": dict(fitted.left_out),
        "conditions": conditions,
        "ranks": {name: max(by.values()) for name, by in fitted.ranks.items()},
        "removed": {name: float(np.mean(list(by.values()))) for name, by in fitted.shares.items()},
        "damage": damage,
        "decodability": _decodability(session, concepts),
    }


def _centred(erasers: Mapping[int, LeaceEraser], scope: Scope) -> dict[int, LeaceEraser]:
    """At text positions the audio's mean would be brought along: there nothing is centred."""
    if scope == "audio":
        return dict(erasers)
    return {layer: LeaceEraser(e.proj_left, e.proj_right, None) for layer, e in erasers.items()}


def _hooks(session: Session, erasers: Mapping[int, LeaceEraser], scope: Scope) -> AbstractContextManager[None]:
    device = session.bench.backbone.device
    placed = {layer: eraser.to(device) for layer, eraser in erasers.items()}
    return erasing(session.bench.blocks, placed, session.bench.stage, scope)


def _answers(
    session: Session, erasers: Mapping[int, LeaceEraser], scope: Scope, generated: bool = True
) -> dict[str, Any]:
    variant = "erased" if erasers and scope == "all" else ""
    found: dict[str, Any] = {}
    with _hooks(session, erasers, scope):
        if erasers:
            replies = session.bench.ask(session.trials, session.heard, variant=variant)
            found["labels"] = session.labels(session.trials, replies)
        else:
            found["labels"] = session.answers
        if generated and (most := session.settings.generate):
            trials, heard = (
                session.trials[:: _every(session, most)][:most],
                session.heard[:: _every(session, most)][:most],
            )
            written = session.bench.ask(trials, heard, "generate", variant)
            found["generated"] = session.labels(trials, written)
            found["generated_golds"] = [item.label for _, item in trials]
    return found


def _every(session: Session, most: int) -> int:
    return max(1, len(session.trials) // most)


def _perplexities(session: Session, texts: Sequence[str], erasers: Mapping[int, LeaceEraser]) -> list[list[float]]:
    """Log-likelihood and number of tokens of each sentence, with the erasers at all of its positions."""
    bench = session.bench
    found = []
    with _hooks(session, erasers, "all"), bench.watching("erased" if erasers else ""):
        for start in range(0, len(texts), bench.size):
            read = [bench.text(text)[0] for text in texts[start : start + bench.size]]
            first = bench.backbone.encode("", start=True) or bench.backbone.encode("\n")
            queries = [Query(bench.backbone.embed(first), (tuple(ids),)) for ids in read]
            scores = bench.backbone.score((), queries)
            found += [[score[0] * len(ids), float(len(ids))] for score, ids in zip(scores, read, strict=True)]
    return found


def _decodability(session: Session, concepts: Concepts) -> list[dict[str, Any]]:
    """R² of the proxy's leading components on held-out utterances, linear and MLP, before and after each erasure.

    Of each layer's own states, so that what one eraser leaves is not mixed with what others did below it; the erasers
    are fitted again without the held-out fifth of the utterances, on which erasure would be exact by construction.
    (The reader whose emissions are the CTC concept has seen some of them.)
    """
    split = split_by_group(concepts.utterances, 0.2, 0)
    rng = np.random.default_rng(0)
    train = np.sort(rng.permutation(split.train)[: DECODED_ROWS * 4 // 5])
    test = np.sort(rng.permutation(split.test)[: DECODED_ROWS // 5])
    rows = torch.from_numpy(np.concatenate([train, test]))
    parts = Split(np.arange(len(train)), np.arange(len(train), len(rows)))
    proxy = concepts.targets["proxy"]
    target, groups = proxy[rows, :DECODED_COLUMNS].numpy(), concepts.utterances[rows.numpy()]
    layers = session.bench.layers
    places = np.linspace(0, len(layers) - 1, session.settings.decode + 2).round().astype(int)[1:-1]
    found, kept = [], torch.from_numpy(split.train)
    for layer in sorted({layers[i] for i in places}):
        each = session.fit_states(layer)
        states = torch.cat(each).double()
        targets = {name: z[kept] for name, z in concepts.erased(session, layer, each).items()}
        made, _ = erasers_of(states[kept], targets, 1)
        erasers: dict[str, LeaceEraser | None] = {"none": None, **made}
        for name, eraser in erasers.items():
            seen = states[rows] if eraser is None else eraser(states[rows])
            linear = ridge_probe(seen.numpy(), target, groups, parts)
            mlp = mlp_probe(seen.numpy(), target, groups, parts)
            name = "random" if name == "random 1" else name
            found.append({"layer": layer, "name": name, "linear": asdict(linear), "mlp": asdict(mlp)})
    return found
