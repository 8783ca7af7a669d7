"""A second server implementation (`transformers serve`): the same text requests, and transcripts of a real Whisper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cascade_equivalence.audio.clip import read_clip
from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems.prompting import Style, render, spoken_text
from cascade_equivalence.systems.remote.chat import ChatEndpoint
from cascade_equivalence.systems.remote.endpoint import Endpoint
from cascade_equivalence.systems.remote.speech_to_text import SpeechToText
from cascade_equivalence.tasks.task import Task, load_task
from tests.models import backbone, directory, whisper
from tests.systems.remote.questions import endpoint
from tests.systems.remote.real_servers import transformers_serve

pytestmark = pytest.mark.slow

BODY = {"repetition_penalty": None}
"""The one parameter that this server refuses; all others are those of any request."""


@pytest.fixture(scope="module")
def llm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with transformers_serve(directory("smollm2-135m"), tmp_path_factory.mktemp("llm") / "log") as url:
        yield url


@pytest.fixture(scope="module")
def ears(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with transformers_serve(directory("whisper-tiny.en"), tmp_path_factory.mktemp("ears") / "log") as url:
        yield url


def served(url: str, name: str = "smollm2-135m", **keys: object) -> Endpoint:
    settings = {"model": str(directory(name)), "body": BODY, "timeout_s": 600.0, "parallel": 2, **keys}
    return endpoint(url, **settings)


def local(task: Task, contents: list[str], style: Style) -> list[str]:
    model, found = backbone(), []
    for item, content in zip(task.items, contents, strict=True):
        prompt = render(model, style, task, item)
        states = model.embed([*model.encode(spoken_text(content)), *prompt.after])
        (reply,) = model.generate(prompt.before, [states], task.form.max_new_tokens, prompt.stop)
        found.append(reply.text)
    return found


@pytest.mark.parametrize(("text", "style"), [("chat", "chat"), ("completions", "plain")])
def test_the_same_text_requests_are_answered_as_here(llm: str, text: str, style: Style) -> None:
    """Greedy words of a plain prompt are those of the same weights here, unless the model begins with a new line, which
    ends the answer at the server; a chat's prompt is the server's own (ours begins the model's turn with the cue), so
    there only that all are answered."""
    task = load_task("trivia", limit=4)
    contents = [item.text or "" for item in task.items]
    replies = ChatEndpoint(served(llm, text=text)).reply(task, task.items, contents, "generate")
    assert all(reply and reply.ended != "refused" and reply.read > 10 and reply.written > 0 for reply in replies)
    if style == "plain":
        here = local(task, contents, style)
        pairs = [(reply.text, ours) for reply, ours in zip(replies, here, strict=True) if reply and reply.text]
        print(f"the same words on {sum(a == b for a, b in pairs)} of {len(pairs)}")
        assert pairs and all(a == b for a, b in pairs)
    else:
        assert all(reply and reply.text for reply in replies)


def test_what_it_does_not_know_is_refused_with_the_cure(llm: str) -> None:
    task = load_task("trivia", limit=1)
    with pytest.raises(ModelError, match=r"repetition_penalty.*body: \{key: null\}"):
        ChatEndpoint(served(llm, body={})).reply(task, task.items, ["word"], "generate")


def test_transcripts_are_those_of_the_reference_runtime(ears: str, tmp_path: Path) -> None:
    """Six clips by `/v1/audio/transcriptions`; the server ignores `language` and `temperature`, being greedy."""
    task = load_task("topic", limit=6)
    clips = [read_clip(item.audio) for item in task.items if item.audio]
    there = SpeechToText(served(ears, "whisper-tiny.en", body={})).transcribe(clips)
    here = whisper("whisper-tiny.en", padding="stock").transcribe(clips)
    same = sum(a.text.strip() == b.text.strip() for a, b in zip(there, here, strict=True))
    print(f"the same text on {same} of {len(clips)}")
    assert same >= len(clips) - 1
