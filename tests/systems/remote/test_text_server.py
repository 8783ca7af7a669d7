"""The embedded LLM behind a real server (vLLM) against the same weights here: labels and label scores."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from cascade_equivalence.audio.clip import read_clip
from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems.backbone import Query
from cascade_equivalence.systems.prompting import render, spoken_text
from cascade_equivalence.systems.remote.chat import ChatEndpoint
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.task import Task, load_task
from tests.models import backbone, directory, whisper
from tests.systems.remote.questions import endpoint
from tests.systems.remote.real_servers import vllm

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server; CEQ_SERVER_URL names one that runs already, serving the embedded LLM in float32 as `served`."""
    if running := os.environ.get("CEQ_SERVER_URL"):
        yield running
        return
    log = tmp_path_factory.mktemp("server") / "log"
    with vllm(directory("smollm2-135m"), log, "--dtype", "float32", "--max-model-len", "1024") as started:
        yield started


def local_scores(task: Task, items: list[Item], contents: list[str]) -> list[tuple[float, ...]]:
    model, scores = backbone(), []
    for item, content in zip(items, contents, strict=True):
        prompt = render(model, "plain", task, item)
        states = model.embed([*model.encode(spoken_text(content)), *prompt.after])
        scores += model.score(prompt.before, [Query(states, prompt.continuations)])
    return scores


def test_a_cascade_over_http_answers_as_the_local_one(url: str) -> None:
    task = load_task("topic")
    items = list(task.items[:240])
    clips = [read_clip(item.audio) for item in items if item.audio]
    asr = whisper("whisper-tiny.en", padding="short")
    heard = [t.text for start in range(0, 240, 16) for t in asr.transcribe(clips[start : start + 16])]
    local = local_scores(task, items, heard)
    served = ChatEndpoint(endpoint(url, model="served", text="token-ids", scores="token-ids", timeout_s=600.0))
    replies = served.reply(task, items, heard, "labels")
    assert len(replies) == len(items) == 240
    same, largest = 0, 0.0
    for ours, reply in zip(local, replies, strict=True):
        assert reply and reply.scores and reply.served and reply.served.startswith("served vllm-")
        largest = max(largest, *(abs(a - b) for a, b in zip(ours, reply.scores, strict=True)))
        same += ours.index(max(ours)) == reply.scores.index(max(reply.scores))
    print(f"same label on {same} of 240, largest difference of a score {largest:.2e}")
    assert same >= 0.98 * 240
    assert largest < 1e-3


def test_labels_of_several_tokens_are_walked(url: str) -> None:
    task = load_task("commonsense", limit=6)
    contents = [item.text or "" for item in task.items]
    model = backbone()
    assert any(len(c) > 1 for c in render(model, "plain", task, task.items[0]).continuations)
    served = ChatEndpoint(endpoint(url, model="served", text="token-ids", scores="token-ids", timeout_s=600.0))
    for ours, reply in zip(
        local_scores(task, list(task.items), contents), served.reply(task, task.items, contents, "labels"), strict=True
    ):
        assert reply and reply.scores == pytest.approx(ours, abs=1e-3)


def test_chat_with_the_cue_begun_is_the_local_chat_prompt(url: str) -> None:
    task = load_task("commonsense", limit=4)
    contents = [item.text or "" for item in task.items]
    model = backbone()
    served = ChatEndpoint(endpoint(url, model="served", prefill=True, scores="token-ids", timeout_s=600.0))
    for item, content, reply in zip(
        task.items, contents, served.reply(task, task.items, contents, "labels"), strict=True
    ):
        prompt = render(model, "chat", task, item)
        states = model.embed([*model.encode(spoken_text(content)), *prompt.after])
        (ours,) = model.score(prompt.before, [Query(states, prompt.continuations)])
        assert reply and reply.scores == pytest.approx(ours, abs=1e-3)


def test_greedy_words_are_the_local_ones(url: str) -> None:
    task = load_task("trivia", limit=12)
    contents = [item.text or "" for item in task.items]
    model = backbone()
    served = ChatEndpoint(endpoint(url, model="served", text="token-ids", timeout_s=600.0))
    replies = served.reply(task, task.items, contents, "generate")
    same = 0
    for item, content, reply in zip(task.items, contents, replies, strict=True):
        prompt = render(model, "plain", task, item)
        states = model.embed([*model.encode(spoken_text(content)), *prompt.after])
        (ours,) = model.generate(prompt.before, [states], task.form.max_new_tokens, prompt.stop)
        assert reply
        same += ours.text == reply.text
    assert same >= 11


def test_a_choice_is_forced(url: str) -> None:
    task = load_task("topic", limit=4)
    served = ChatEndpoint(endpoint(url, model="served", choice=True, timeout_s=600.0))
    words = {c.text for c in task.form.choices(task.items[0])}
    for reply in served.reply(task, task.items, [item.text or "" for item in task.items], "generate"):
        assert reply and reply.text in words


def test_a_prompt_over_length_is_refused_and_a_wrong_model_named(url: str) -> None:
    task = load_task("topic", limit=1)
    (reply,) = ChatEndpoint(endpoint(url, model="served")).reply(task, task.items, ["word " * 3000], "generate")
    assert reply and reply.ended == "refused"
    with pytest.raises(ModelError, match="model:"):
        ChatEndpoint(endpoint(url, model="other")).reply(task, task.items, ["word"], "generate")
