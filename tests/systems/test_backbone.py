"""The engine against transformers' own forward pass and generate, on the embedded LLM."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from cascade_equivalence.systems.backbone import Query
from cascade_equivalence.systems.local import TextSystem
from cascade_equivalence.systems.prompting import render, spoken_text, style_of
from cascade_equivalence.tasks.forms import FORMS
from cascade_equivalence.tasks.task import Task, load_task
from tests.models import backbone, directory

BEFORE = "Name the topic of each text.\n\nText: The match ended in a draw.\nTopic: Sports\n\nText:"
TEXTS = [
    "The central bank left interest rates alone again.",
    "A new telescope has spotted water on a distant planet, say astronomers in Chile.",
    "Goal!",
    "Voters in Chile have thrown out the draft constitution for a second time.",
]
LABELS = [" World", " Sports", " Sci/Tech", " Personal finance and taxes"]


def queries(texts: list[str]) -> list[Query]:
    llm = backbone()
    continuations = tuple(tuple(llm.encode(label)) for label in LABELS)
    return [Query(llm.embed(llm.encode(spoken_text(t)) + llm.encode("\nTopic:")), continuations) for t in texts]


def plain_scores(text: str) -> list[float]:
    """Each label on its own behind the whole prompt, by the model's own forward pass."""
    llm = backbone()
    prompt = llm.encode(BEFORE + spoken_text(text) + "\nTopic:", start=True)
    scores = []
    for label in LABELS:
        tokens = llm.encode(label)
        with torch.inference_mode():
            logprobs = llm.model(torch.tensor([prompt + tokens])).logits[0].log_softmax(-1)
        scores.append(float(np.mean([logprobs[len(prompt) - 1 + i, t] for i, t in enumerate(tokens)])))
    return scores


def test_label_scores_equal_a_forward_pass_per_label() -> None:
    before = backbone().encode(BEFORE, start=True)
    scores = backbone().score(before, queries(TEXTS))
    assert np.allclose(scores, [plain_scores(t) for t in TEXTS], atol=1e-4)


def test_batch_equals_single_in_any_order() -> None:
    before = backbone().encode(BEFORE, start=True)
    batch = backbone().score(before, queries(TEXTS))
    alone = [backbone().score(before, queries([t]))[0] for t in TEXTS]
    turned = backbone().score(before, queries(TEXTS[::-1]))[::-1]
    assert np.allclose(batch, alone, atol=1e-4)
    assert np.allclose(batch, turned, atol=1e-4)


def test_works_without_a_prefix() -> None:
    llm = backbone()
    whole = [Query(llm.embed(llm.encode(BEFORE + spoken_text(t) + "\nTopic:", start=True)), q.continuations)
             for t, q in zip(TEXTS, queries(TEXTS), strict=True)]  # fmt: skip
    assert np.allclose(llm.score([], whole), [plain_scores(t) for t in TEXTS], atol=1e-4)


def test_segments_tokenise_as_the_joined_prompt_does() -> None:
    llm = backbone()
    for text in TEXTS:
        parts = llm.encode(BEFORE, start=True) + llm.encode(spoken_text(text)) + llm.encode("\nTopic:")
        assert parts == llm.encode(BEFORE + spoken_text(text) + "\nTopic:", start=True)


def test_greedy_answers_equal_generate() -> None:
    llm = backbone()
    before = llm.encode(BEFORE, start=True)
    states = [q.states for q in queries(TEXTS)]
    said = llm.generate(before, states, 12, None)
    for text, answer in zip(TEXTS, said, strict=True):
        ids = torch.tensor([before + llm.encode(spoken_text(text)) + llm.encode("\nTopic:")])
        out = llm.model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False, pad_token_id=0
        )
        assert answer.text == llm.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True).strip()


def test_generation_stops_at_the_stop_text() -> None:
    llm = backbone()
    (said,) = llm.generate(llm.encode(BEFORE, start=True), [queries(TEXTS[:1])[0].states], 30, "\n")
    assert said.complete
    assert "\n" not in said.text
    assert said.tokens < 30


def topic() -> Task:
    task = load_task("topic", limit=4)
    return replace(task, form=FORMS["topic"])


def test_arms_differ_only_in_what_they_read() -> None:
    task = topic()
    arm = TextSystem(backbone(), "plain")
    texts = [item.text or "" for item in task.items]
    replies = arm.reply(task, task.items, texts, "labels")
    assert [len(r.scores or ()) for r in replies] == [4] * 4
    same = arm.reply(task, task.items[::-1], texts[::-1], "labels")[::-1]
    assert np.allclose([r.scores for r in replies], [r.scores for r in same], atol=1e-4)


def test_chat_template_is_split_where_the_content_goes() -> None:
    task = topic()
    prompt = render(backbone(), "chat", task, task.items[0])
    decode = backbone().tokenizer.decode
    assert decode(prompt.before).endswith(f"<|im_start|>user\n{task.form.heard}")
    assert decode(prompt.after).endswith(f"<|im_start|>assistant\n{task.form.asked}")


def test_style_follows_the_model_directory() -> None:
    assert style_of("llm", directory("smollm2-135m"), "auto") == "chat"
    assert style_of("llm", directory("smollm2-135m"), "plain") == "plain"


@pytest.mark.parametrize("missing", ["", "/nonexistent"])
def test_unknown_model(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from cascade_equivalence.errors import ModelError
    from cascade_equivalence.systems.loading import locate

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="neither embedded"):
        locate(missing or "nobody/no-such-model", print)
