"""Gemini by its real SDK against a local server. SIMULATED: the server's answers are built from the SDK's own response
types; no answer here was recorded from Google's."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from cascade_equivalence.errors import ModelError, UsageError
from cascade_equivalence.systems.remote.endpoint import Endpoint
from cascade_equivalence.systems.remote.gemini import GeminiEndpoint, least_thinking, serves, takes_temperature
from cascade_equivalence.systems.remote.wav import wav
from tests.systems.remote.questions import LABELS, QUICK, colours, texts, tone
from tests.systems.remote.server import Answer, Seen, Sent, Server, serving

types = pytest.importorskip("google.genai.types")
MODEL = "gemini-3.5-flash-lite"
SECRET = "planted-AIza-31415926"


def said(
    text: str = "red", finish: str = "STOP", version: str = MODEL, audio: int | None = None, **more: Any
) -> types.GenerateContentResponse:
    details = [types.ModalityTokenCount(modality="TEXT", token_count=20)]
    if audio is not None:
        details.append(types.ModalityTokenCount(modality="AUDIO", token_count=audio))
    usage = types.GenerateContentResponseUsageMetadata(
        prompt_token_count=20 + (audio or 0), candidates_token_count=2, prompt_tokens_details=details
    )
    content = types.Content(role="model", parts=[types.Part(text=text)])
    candidate = types.Candidate(content=content if text else None, finish_reason=finish)
    made = {"candidates": [candidate], "usage_metadata": usage, "model_version": version}
    return types.GenerateContentResponse(**{**made, **more})


def sent(response: types.GenerateContentResponse) -> Sent:
    return Sent(raw=response.model_dump_json(by_alias=True, exclude_none=True).encode())


def error(code: int, status: str, message: str, **detail: Any) -> Sent:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", **detail}] if detail else []
    return Sent({"error": {"code": code, "status": status, "message": message, "details": details}}, code)


def gemini(server: Server, **settings: Any) -> GeminiEndpoint:
    url = server.url.removesuffix("/v1")
    made = {"name": "g", "wire": "gemini", "model": MODEL, "key_env": "GEMINI_TEST_KEY", "timeout_s": 5.0, **settings}
    return GeminiEndpoint(Endpoint(urls=(url,), **made), patience=QUICK)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_TEST_KEY", SECRET)


def only(answer: Answer, given: Any = "item 0.", **settings: Any) -> tuple[Any, GeminiEndpoint, list[Seen]]:
    task = colours(1)
    with serving(answer) as server:
        system = gemini(server, **settings)
        (reply,) = system.reply(task, task.items, [given], "generate")
        return reply, system, server.seen


def test_sound_goes_inline_between_the_words_and_its_tokens_are_counted() -> None:
    clip = tone(2.0)
    reply, system, seen = only(lambda _: sent(said(audio=64)), clip, choice=True)
    heard, sound, ask = seen[0].body["contents"][0]["parts"]
    assert heard["text"] == "Text:" and ask["text"].startswith("\n\nWhich colour?")
    assert "audio/wav" in sound["inlineData"].values()
    assert base64.urlsafe_b64decode(sound["inlineData"]["data"]) == wav(clip)
    assert (reply.text, reply.read, reply.written, reply.served, reply.ended) == ("red", 84, 2, MODEL, "end")
    assert (system.tally.audio_s, system.tally.audio_tokens, system.tally.deaf) == (2.0, 64, 0)


def test_a_server_that_counts_no_audio_is_noticed() -> None:
    _, system, _ = only(lambda _: sent(said(audio=0)), tone())
    assert system.tally.deaf == 1


def test_what_is_asked_of_the_model() -> None:
    _, _, seen = only(lambda _: sent(said()), choice=True, seed=7)
    config = seen[0].body["generationConfig"]
    assert config["responseMimeType"] == "text/x.enum"
    assert config["responseSchema"] == {"type": "STRING", "enum": list(LABELS)}
    assert [level.upper() for level in config["thinkingConfig"].values()] == ["MINIMAL"]
    assert config["seed"] == 7
    assert "temperature" not in config
    assert config["maxOutputTokens"] > 8


def test_older_models_get_a_temperature_and_a_budget() -> None:
    _, _, seen = only(lambda _: sent(said(version="gemini-2.5-flash")), model="gemini-2.5-flash")
    config = seen[0].body["generationConfig"]
    assert config["temperature"] == 0
    assert list(config["thinkingConfig"].values()) == [0]
    assert config["maxOutputTokens"] == 8
    assert [takes_temperature(m) for m in ("gemini-3.1-pro", "gemini-3.6-flash", "gemini-4-argon")] == [
        True,
        False,
        False,
    ]
    assert [least_thinking(m) for m in ("gemini-2.5-pro", "gemini-3.6-flash", "gemini-3.8-flash")] == [
        128,
        "minimal",
        "low",
    ]


@pytest.mark.parametrize("reason", ["SAFETY", "RECITATION", "PROHIBITED_CONTENT", "SPII", "BLOCKLIST"])
def test_a_filtered_answer_is_refused_with_its_reason(reason: str) -> None:
    reply, system, seen = only(lambda _: sent(said("", reason)))
    assert (reply.ended, reply.text, reply.scores) == ("refused", f"ended with {reason}", None)
    assert (len(seen), system.tally.refused) == (1, 1)


def test_a_blocked_prompt_is_refused_with_its_reason() -> None:
    feedback = types.GenerateContentResponsePromptFeedback(block_reason="PROHIBITED_CONTENT")
    reply, _, _ = only(lambda _: sent(said(candidates=[], prompt_feedback=feedback)))
    assert (reply.ended, reply.text) == ("refused", "blocked: PROHIBITED_CONTENT")


def test_thoughts_are_no_part_of_the_answer_but_are_paid_for() -> None:
    parts = [types.Part(text="is it green?", thought=True), types.Part(text=" blue ")]
    candidate = types.Candidate(content=types.Content(role="model", parts=parts), finish_reason="MAX_TOKENS")
    usage = types.GenerateContentResponseUsageMetadata(
        prompt_token_count=20, candidates_token_count=1, thoughts_token_count=30
    )
    reply, _, _ = only(lambda _: sent(said(candidates=[candidate], usage_metadata=usage)))
    assert (reply.text, reply.ended, reply.written) == ("blue", "limit", 31)


@pytest.mark.parametrize(
    "fault",
    [
        error(429, "RESOURCE_EXHAUSTED", "quota", retryDelay="0.05s"),
        error(503, "UNAVAILABLE", "overloaded"),
        error(500, "INTERNAL", "internal"),
        Sent(raw=b'{"candidates": ['),
        sent(said(candidates=[])),
        sent(said("", "MALFORMED_RESPONSE")),
        Sent(raw=b"{}", cut=True),
        Sent(raw=b"{}", wait_s=12.0),
    ],
    ids=["429", "503", "500", "json", "empty", "malformed", "cut", "time-out"],
)
def test_a_fault_that_passes_is_asked_again(fault: Sent) -> None:
    reply, system, seen = only(lambda s: sent(said()) if s.before else fault, timeout_s=4.0)
    assert reply and reply.text == "red"
    assert (len(seen), system.tally.again) == (2, 1)


def test_another_served_model_stops_the_run() -> None:
    with pytest.raises(ModelError, match=r"asked for gemini-3\.5-flash-lite, but gemini-3\.8-flash answers"):
        only(lambda _: sent(said(version="gemini-3.8-flash")))
    reply, _, _ = only(lambda _: sent(said(version="gemini-3.8-flash")), served="gemini-3.8-flash")
    assert reply.served == "gemini-3.8-flash"
    assert serves("gemini-3.5-flash", "gemini-3.5-flash-001") and serves("gemini-3.5-flash", "models/gemini-3.5-flash")
    assert not serves("gemini-3.5-flash", "gemini-3.5-flash-lite")


def test_a_wrong_request_names_what_the_server_says() -> None:
    with pytest.raises(ModelError, match="Thinking level is not supported"):
        only(lambda _: error(400, "INVALID_ARGUMENT", "Thinking level is not supported"))


def test_no_label_scores() -> None:
    task = colours(1)
    with serving(lambda _: sent(said())) as server, pytest.raises(UsageError, match="answer: generate"):
        gemini(server).reply(task, task.items, texts(task), "labels")


def test_the_key_is_shown_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    task = colours(2)
    with serving(lambda _: error(500, "INTERNAL", f"bad {SECRET}")) as server:
        system = gemini(server, attempts=2)
        replies = system.reply(task, task.items, texts(task), "generate")
        assert SECRET in json.dumps([str(seen) for seen in server.seen]) or server.count == 4
        assert SECRET not in repr((replies, system, system.tally, system.endpoint, system.tally.words()))
    with (
        serving(lambda _: error(403, "PERMISSION_DENIED", f"bad {SECRET}")) as server,
        pytest.raises(ModelError) as raised,
    ):
        gemini(server).reply(task, task.items, texts(task), "generate")
    assert SECRET not in str(raised.value) and "GEMINI_TEST_KEY" in str(raised.value)
    assert SECRET not in "".join(capfd.readouterr())
