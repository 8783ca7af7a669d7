"""What three readers read from the audio positions of every layer: the raw logit lens and two readouts of text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cascade_equivalence.hashing import digest_of
from cascade_equivalence.inside.material import sentences
from cascade_equivalence.inside.session import Session
from cascade_equivalence.mechanism.lens import TopTokens, bag_scores, content_classes, lens_words, logit_lens
from cascade_equivalence.mechanism.readouts import Readout, text_lens, token_centroids

READERS = ("raw", "text", "centroids")
TOP = 5
BLIND = 0.1
"""Share of plain-text positions below which a reader reads nothing."""
PICTURES = 3
PLAIN = 2000
"""Plain-text positions that the raw lens is tried on: each costs a whole unembedding."""


def lens(session: Session) -> dict[str, Any]:
    """Bag precision and recall against their null by reader and layer, the readers on text, and pictures."""
    found = readings(session)
    classes = classes_of(session)
    said = [said_tokens(session, item.text or "") for _, item in session.trials]
    rows = [
        {
            "reader": row["reader"],
            "layer": row["layer"],
            "on_text": row["on_text"],
            "blind": row["on_text"] < BLIND,
            **asdict(bag_scores(row["ids"], said, classes)),
        }
        for row in found["rows"]
    ]
    return {"n": len(said), "sentences": found["sentences"], "rows": rows, "pictures": found["pictures"]}


def readings(session: Session) -> dict[str, Any]:
    """Best token ids of each trial by reader and layer; kept in the journal for the implicit cascade."""
    key = f"mechanism-readings:{digest_of([session.states.directory.name, session.settings.model_dump(mode='json')])}"
    known: dict[str, Any] | None = session.around.run.journal.fact(key)
    if known is None:
        known = _read(session)
        session.around.run.journal.put_fact(key, known)
    return known


def _read(session: Session) -> dict[str, Any]:
    texts, _ = sentences(session.around.plan, session.settings)
    norm, unembed = session.bench.lens_parts()
    readers_of = _readers(session, texts, norm, unembed)
    names = _names(session)
    rows: list[dict[str, Any]] = []
    cells: list[dict[str, Any]] = []
    shown = range(min(PICTURES, len(session.trials)))
    for layer in session.bench.layers:
        fitted = readers_of[layer]
        positions = session.trial_states(layer)
        counts = [len(p) for p in positions]
        flat = torch.cat(positions)
        readers: list[tuple[str, TopTokens, float]] = [
            ("raw", logit_lens(flat, norm, unembed, TOP), fitted.raw),
            ("text", fitted.ridge.read(flat, TOP), fitted.ridge.accuracy),
            ("centroids", fitted.centroid.read(flat, min(TOP, len(fitted.centroid.ids))), fitted.centroid.accuracy),
        ]
        for reader, best, on_text in readers:
            parts = torch.split(best.ids[:, 0], counts)
            rows.append(
                {"reader": reader, "layer": layer, "on_text": on_text, "ids": [part.tolist() for part in parts]}
            )
            tops, scores = torch.split(best.ids, counts), torch.split(best.scores, counts)
            for index in shown:
                cells.append(
                    {
                        "trial": index,
                        "reader": reader,
                        "layer": layer,
                        "tokens": [[names[t] for t in top] for top in tops[index].tolist()],
                        "scores": [round(float(s), 3) for s in scores[index][:, 0]],
                    }
                )
    pictures = [
        {
            "task": session.trials[index][0].name,
            "item": session.trials[index][1].id,
            "text": session.trials[index][1].text,
            "rows": [{k: v for k, v in cell.items() if k != "trial"} for cell in cells if cell["trial"] == index],
        }
        for index in shown
    ]
    return {"sentences": len(texts), "rows": rows, "pictures": pictures}


@dataclass(frozen=True)
class _Readers:
    """What reads plain text at a layer. raw: share of its positions where the raw lens names the token or the next."""

    raw: float
    ridge: Readout
    centroid: Readout


def _readers(session: Session, texts: Sequence[str], norm: Callable[..., Any], unembed: Callable[..., Any]) -> Any:
    """Readers by layer, fitted once for all arms on one language model with one prompt."""
    bench, memo = session.bench, session.around.memo
    key = ("readers", id(bench.backbone), bench.layers, bench.beginning(session.tasks[0]))
    if key not in memo:
        ids, by_layer = _text_states(session, texts)
        tokens = torch.tensor([token for row in ids for token in row])
        following = torch.tensor([token for row in ids for token in (*row[1:], -1)])
        groups = np.repeat(np.arange(len(ids)), [len(row) for row in ids])
        table, found = bench.table(), dict[int, _Readers]()
        shared: Tensor | None = None
        for layer in bench.layers:
            states = by_layer.pop(layer)
            plain = logit_lens(states[:PLAIN], norm, unembed).ids[:, 0]
            # At the last layers the lens names the token that comes next, at the first ones that which stands there.
            right = (plain == tokens[:PLAIN]) | (plain == following[:PLAIN])
            ridge = text_lens(states, tokens, table, groups)
            # The directions are those of the vocabulary: one copy serves all layers.
            shared = ridge.directions if shared is None else shared
            found[layer] = _Readers(
                float(right.float().mean()),
                replace(ridge, directions=shared),
                token_centroids(states, tokens, groups, least=2),
            )
        memo[key] = found
    return memo[key]


def _text_states(session: Session, texts: Sequence[str]) -> tuple[list[list[int]], dict[int, Tensor]]:
    """Token ids of the sentences, and the states of each layer where audio would stand, sentence after sentence."""
    bench = session.bench
    read = [bench.text(text) for text in texts]
    found: dict[int, dict[int, Tensor]] = {}
    bench.collect(
        bench.beginning(session.tasks[0]),
        [states for _, states in read],
        [(0, len(states)) for _, states in read],
        lambda index, by_layer: found.update({index: dict(by_layer)}),
    )
    return [ids for ids, _ in read], {
        layer: torch.cat([found[i][layer] for i in range(len(read))]) for layer in bench.layers
    }


def _names(session: Session) -> list[str]:
    """The text of each entry of the LLM's vocabulary."""
    backbone, memo = session.bench.backbone, session.around.memo
    key = ("names", id(backbone))
    if key not in memo:
        entries = backbone.model.get_input_embeddings().weight.shape[0]
        memo[key] = [backbone.tokenizer.decode([i]) for i in range(entries)]
    names: list[str] = memo[key]
    return names


def classes_of(session: Session) -> Any:
    """Content classes of the LLM's vocabulary."""
    backbone = session.bench.backbone
    key = ("classes", id(backbone))
    if key not in session.around.memo:
        special = set(backbone.tokenizer.all_special_ids)
        session.around.memo[key] = content_classes(_names(session), special)
    return session.around.memo[key]


def said_tokens(session: Session, text: str) -> list[int]:
    """What was said, as the LLM's tokens."""
    return session.bench.text(text)[0]


def implicit(session: Session, text_arm: Any, cascade: Sequence[str] | None) -> dict[str, Any]:
    """What the LLM answers to the words that each layer's lens reads, in order, in shuffled order, and to another's.

    The raw lens is given to it where it reads plain text, and at the last layer as in the paper; the text lens too.
    text_arm: the backbone as it reads; cascade: labels of the matched cascade on the trials, where the study has one.
    """
    classes = classes_of(session)
    decode = session.bench.backbone.tokenizer.decode
    tasks = [task.name for task, _ in session.trials]
    memo: dict[tuple[str, str, str], str] = {}
    rng = np.random.default_rng(0)
    order = _donors(tasks, rng)
    rows = []
    last = session.bench.layers[-1]
    for row in readings(session)["rows"]:
        if row["reader"] == "centroids" or (row["on_text"] < BLIND and (row["reader"], row["layer"]) != ("raw", last)):
            continue
        words = [lens_words(ids, classes) for ids in row["ids"]]
        shuffled = [[w[i] for i in rng.permutation(len(w))] for w in words]
        said = {
            "lens": [" ".join(decode(w).split()) for w in words],
            "shuffled": [" ".join(decode(w).split()) for w in shuffled],
        }
        said["wrong clip"] = [said["lens"][donor] for donor in order]
        rows.append(
            {
                "reader": row["reader"],
                "layer": row["layer"],
                "empty": sum(not w for w in words),
                "labels": {name: _answered(session, text_arm, texts, memo) for name, texts in said.items()},
            }
        )
    return {
        "trials": session.named_trials(),
        "own": session.answers,
        "cascade": None if cascade is None else list(cascade),
        "rows": rows,
    }


def _donors(tasks: Sequence[str], rng: np.random.Generator) -> list[int]:
    """For each trial another one of its task (a random cycle)."""
    donors = list(range(len(tasks)))
    for name in dict.fromkeys(tasks):
        here = rng.permutation([i for i, task in enumerate(tasks) if task == name])
        for index, donor in zip(here, np.roll(here, 1), strict=True):
            donors[int(index)] = int(donor)
    return donors


def _answered(
    session: Session, text_arm: Any, texts: Sequence[str], memo: dict[tuple[str, str, str], str]
) -> list[str]:
    """Labels of the backbone's answers to texts, each asked once: on a task of fixed labels by its text alone."""
    keys = []
    for (task, item), text in zip(session.trials, texts, strict=True):
        keys.append((task.name, "" if task.form.kind == "labels" else item.id, text))
    todo = list({key: i for i, key in enumerate(keys) if key not in memo}.values())
    for name in dict.fromkeys(session.trials[i][0].name for i in todo):
        here = sorted((i for i in todo if session.trials[i][0].name == name), key=lambda i: (len(texts[i]), i))
        for start in range(0, len(here), session.bench.size):
            part = here[start : start + session.bench.size]
            trials = [session.trials[i] for i in part]
            replies = text_arm.reply(trials[0][0], [item for _, item in trials], [texts[i] for i in part], "labels")
            memo.update(zip([keys[i] for i in part], session.labels(trials, replies), strict=True))
    return [memo[key] for key in keys]
