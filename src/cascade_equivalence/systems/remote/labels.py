"""Label scores from the log-probabilities that a server gives: the labels' tokens as a trie, one request a node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Ids = tuple[int, ...]


def nodes(labels: Sequence[Ids]) -> dict[Ids, tuple[int, ...]]:
    """Each prefix that must be asked → the tokens wanted behind it, the empty prefix first."""
    wanted: dict[Ids, dict[int, None]] = {}
    for label in labels:
        for place, token in enumerate(label):
            wanted.setdefault(label[:place], {})[token] = None
    return {prefix: tuple(tokens) for prefix, tokens in sorted(wanted.items(), key=lambda pair: len(pair[0]))}


def means(labels: Sequence[Ids], logprobs: Mapping[Ids, Mapping[int, float]]) -> tuple[float, ...]:
    """Mean log-likelihood per token of each label from the log-probabilities at each node."""
    return tuple(
        sum(logprobs[label[:place]][token] for place, token in enumerate(label)) / len(label) for label in labels
    )


def spare(tokens: Sequence[int]) -> int:
    """A token that is none of those wanted.

    Servers of one generation let the sampled token displace the last one requested: a spare one is requested last.
    """
    return next(token for token in range(len(tokens) + 1) if token not in tokens)


def by_token(answer: Mapping[str, Any]) -> dict[str, float]:
    """Token → log-probability at the first position of a choice, of `/chat/completions` or `/completions`."""
    found: dict[str, float] = {}
    logprobs = answer.get("logprobs") or {}
    if content := logprobs.get("content"):
        first = content[0]
        for entry in (first, *(first.get("top_logprobs") or ())):
            _keep(found, entry.get("token"), entry.get("logprob"))
    elif tops := logprobs.get("top_logprobs"):
        for token, value in (tops[0] or {}).items():
            _keep(found, token, value)
    return found


def by_id(answer: Mapping[str, Any]) -> dict[int, float]:
    """Token id → log-probability, of an answer with `return_tokens_as_token_ids`."""
    found = {}
    for token, value in by_token(answer).items():
        name, _, number = token.partition(":")
        if name == "token_id" and number.isdigit():
            found[int(number)] = value
    return found


def seen(labels: Sequence[str], tokens: Mapping[str, float]) -> tuple[float | None, ...]:
    """The log-probability of each label that is a token by itself, as it stands in the prompt or without its space."""
    bare: dict[str, float] = {}
    for token, value in tokens.items():
        bare[token.strip()] = max(value, bare.get(token.strip(), value))
    return tuple(tokens.get(label, bare.get(label.strip())) for label in labels)


def _keep(found: dict[str, float], token: Any, value: Any) -> None:
    if isinstance(token, str) and isinstance(value, int | float):
        found.setdefault(token, float(value))
