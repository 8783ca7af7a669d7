"""Label scores over HTTP against the language model that a simulated server of vLLM's kind is made of."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems.remote.chat import ChatEndpoint
from cascade_equivalence.systems.remote.labels import means, nodes, spare
from cascade_equivalence.tasks.item import Choice, Item
from cascade_equivalence.tasks.task import Task
from tests.systems.remote.questions import QUICK, colours, endpoint
from tests.systems.remote.server import Seen, Sent, completion, serving

WORDS = ("red", "green", "red and green", "reddish")


def tokenize(text: str) -> list[int]:
    """Two letters a token, from the left."""
    return [sum(ord(c) << (8 * i) for i, c in enumerate(text[at : at + 2])) for at in range(0, len(text), 2)]


def logprob(context: Any, token: int) -> float:
    """Of a token after a context: any fixed function will do."""
    return -8 * random.Random(f"{context}|{token}").random() - 0.1


def vllm(kind: str, seen_requests: list[dict[str, Any]]) -> Any:
    """What vLLM answers. kind: `first` lets the sampled token displace the last one requested, `later` does not, `old`
    knows no logprob_token_ids."""

    def answer(seen: Seen) -> Sent:
        body = seen.body
        if seen.path == "/tokenize":
            return Sent({"tokens": tokenize(body["prompt"])})
        seen_requests.append(body)
        if "prompt" in body:
            context: Any = body["prompt"]
        else:
            own = body["messages"][1]["content"] if len(body["messages"]) > 1 else ""
            context = [body["messages"][0]["content"], own]
        asked = [] if kind == "old" else body["logprob_token_ids"]
        sampled = 999_999
        if kind == "first":
            asked = asked[:-1]
        found = {f"token_id:{t}": logprob(context, t) for t in [sampled, *asked]}
        value = completion("x")
        tops = [{"token": t, "logprob": v} for t, v in found.items()]
        if "prompt" in body:
            value["choices"][0]["logprobs"] = {"top_logprobs": [found]}
        else:
            value["choices"][0]["logprobs"] = {"content": [{**tops[0], "top_logprobs": tops}]}
        return Sent(value)

    return answer


def several() -> Task:
    task = colours(1)
    item = task.items[0]
    choices = tuple(Choice(word, word) for word in WORDS)
    return Task("colours", task.form, (Item(item.id, item.text, None, choices, ("red",)),), ())


@pytest.mark.parametrize("kind", ["first", "later"])
def test_labels_are_walked_token_by_token_after_a_plain_prompt(kind: str) -> None:
    task, requests = several(), []  # type: ignore[var-annotated]
    with serving(vllm(kind, requests)) as server:
        system = ChatEndpoint(endpoint(server.url, text="token-ids", scores="token-ids"), patience=QUICK)
        (reply,) = system.reply(task, task.items, ["item 0."], "labels")
    plain = task.form.plain(task.items[0], task.shots)
    prompt = [*tokenize(plain.before), *tokenize(" item 0."), *tokenize(plain.after)]
    expected = []
    for word in plain.continuations:
        ids = tokenize(word)
        expected.append(sum(logprob([*prompt, *ids[:n]], token) for n, token in enumerate(ids)) / len(ids))
    assert reply and reply.scores == pytest.approx(expected)
    distinct = {tuple(tokenize(word)[:n]) for word in plain.continuations for n in range(len(tokenize(word)))}
    assert len(requests) == len(distinct)
    assert all(request["max_tokens"] == 1 and request["repetition_penalty"] == 1.0 for request in requests)


def test_labels_are_walked_in_the_models_own_turn_of_a_chat() -> None:
    task, requests = several(), []  # type: ignore[var-annotated]
    with serving(vllm("later", requests)) as server:
        system = ChatEndpoint(endpoint(server.url, prefill=True, scores="token-ids"), patience=QUICK)
        (reply,) = system.reply(task, task.items, ["item 0."], "labels")
    user, cue = requests[0]["messages"][0]["content"], task.form.chat(task.items[0])[2]
    expected = []
    for word in task.form.plain(task.items[0], ()).continuations:
        ids = tokenize(word)
        scores = [logprob([user, cue + word[: 2 * n]], token) for n, token in enumerate(ids)]
        expected.append(sum(scores) / len(ids))
    assert reply and reply.scores == pytest.approx(expected)
    assert all(r["continue_final_message"] and not r["add_generation_prompt"] for r in requests)


def test_a_server_that_gives_other_tokens_is_named_with_its_cure() -> None:
    task = colours(1)
    with (
        serving(vllm("old", [])) as server,
        pytest.raises(ModelError, match=r"logprob_token_ids.*top-logprobs"),
    ):
        system = ChatEndpoint(endpoint(server.url, text="token-ids", scores="token-ids"), patience=QUICK)
        system.reply(task, task.items, ["item 0."], "labels")


def test_the_trie_gives_the_mean_of_each_label() -> None:
    labels = [(1,), (1, 2), (1, 2, 3), (4, 2)]
    wanted = nodes(labels)
    assert wanted == {(): (1, 4), (1,): (2,), (4,): (2,), (1, 2): (3,)}
    found = {prefix: {t: math.log(0.1 * (t + len(prefix))) for t in tokens} for prefix, tokens in wanted.items()}
    a, b, c = math.log(0.1), math.log(0.3), math.log(0.5)
    assert means(labels, found) == pytest.approx((a, (a + b) / 2, (a + b + c) / 3, (math.log(0.4) + b) / 2))
    assert spare((0, 1, 3)) == 2 and spare((5,)) == 0
