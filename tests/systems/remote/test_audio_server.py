"""A tiny speech LLM behind a real server (vLLM) against our own adapter on the same directory."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from cascade_equivalence.audio.clip import Clip, read_clip
from cascade_equivalence.systems.backbone import Query
from cascade_equivalence.systems.loading import Placement
from cascade_equivalence.systems.prompting import render
from cascade_equivalence.systems.remote.chat import ChatEndpoint
from cascade_equivalence.systems.speech.loading import load_speech_llm
from cascade_equivalence.tasks.task import Task, load_task
from tests.models import directory
from tests.systems.remote.questions import endpoint
from tests.systems.remote.real_servers import interpreter, vllm

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint in Qwen2-Audio's layout; CEQ_TINY_QWEN2_AUDIO names one that is there already."""
    if there := os.environ.get("CEQ_TINY_QWEN2_AUDIO"):
        return Path(there)
    out = tmp_path_factory.mktemp("checkpoint")
    maker = Path(__file__).parent / "make_qwen2_audio.py"
    subprocess.run([interpreter(), maker, directory("smollm2-135m"), out], check=True, capture_output=True)
    return out


@pytest.fixture(scope="module")
def url(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server; CEQ_AUDIO_SERVER_URL names one that serves the checkpoint already, in float32 as `served`."""
    if running := os.environ.get("CEQ_AUDIO_SERVER_URL"):
        yield running
        return
    log = tmp_path_factory.mktemp("server") / "log"
    with vllm(checkpoint, log, "--dtype", "float32", "--max-model-len", "2048") as started:
        yield started


def topic(count: int) -> tuple[Task, list[Clip]]:
    task = load_task("topic", limit=count)
    return task, [read_clip(item.audio) for item in task.items if item.audio]


def test_label_scores_with_sound_are_those_of_our_adapter(url: str, checkpoint: Path) -> None:
    task, clips = topic(50)
    speech = load_speech_llm("tiny", checkpoint, Placement("cpu", "float32", 8))
    served = ChatEndpoint(endpoint(url, model="served", prefill=True, scores="token-ids", timeout_s=600.0, parallel=4))
    largest, same, spread = 0.0, 0, []
    for item, clip, reply in zip(task.items, clips, served.reply(task, task.items, clips, "labels"), strict=True):
        prompt = render(speech.backbone, "chat", task, item)
        states = torch.cat([speech.hear([clip])[0], speech.backbone.embed(prompt.after)])
        (ours,) = speech.backbone.score(prompt.before, [Query(states, prompt.continuations)])
        assert reply and reply.scores
        assert reply.read == len(prompt.before) + len(states)
        largest = max(largest, *(abs(a - b) for a, b in zip(ours, reply.scores, strict=True)))
        same += ours.index(max(ours)) == reply.scores.index(max(reply.scores))
        spread.append(reply.scores[0])
    print(
        f"same label on {same} of 50, largest difference of a score {largest:.2e}, spread over clips "
        f"{max(spread) - min(spread):.2e}"
    )
    assert largest < 1e-3
    assert same == 50
    # The scores depend on the sound far more than they differ.
    assert max(spread) - min(spread) > 20 * largest


def test_the_self_cascade_is_a_text_request_to_the_same_model(url: str, checkpoint: Path) -> None:
    task, _ = topic(8)
    speech = load_speech_llm("tiny", checkpoint, Placement("cpu", "float32", 8))
    served = ChatEndpoint(endpoint(url, model="served", prefill=True, scores="token-ids", timeout_s=600.0))
    contents = [item.text or "" for item in task.items]
    from cascade_equivalence.systems.prompting import spoken_text

    for item, content, reply in zip(
        task.items, contents, served.reply(task, task.items, contents, "labels"), strict=True
    ):
        prompt = render(speech.matched, "chat", task, item)
        states = speech.matched.embed([*speech.matched.encode(spoken_text(content)), *prompt.after])
        (ours,) = speech.matched.score(prompt.before, [Query(states, prompt.continuations)])
        assert reply and reply.scores == pytest.approx(ours, abs=1e-3)


def test_words_and_choices_with_sound(url: str) -> None:
    task, clips = topic(3)
    words = {c.text for c in task.form.choices(task.items[0])}
    forced = ChatEndpoint(endpoint(url, model="served", choice=True, timeout_s=600.0))
    assert all(r and r.text in words for r in forced.reply(task, task.items, clips, "generate"))
    free = ChatEndpoint(endpoint(url, model="served", timeout_s=600.0))
    replies = free.reply(task, task.items, clips, "generate")
    assert all(r and r.text and r.written for r in replies)


def test_no_sound_is_asked_too(url: str) -> None:
    task, _ = topic(2)
    served = ChatEndpoint(endpoint(url, model="served", prefill=True, scores="token-ids", timeout_s=600.0))
    assert all(r and r.scores for r in served.reply(task, task.items, [None, None], "labels"))
