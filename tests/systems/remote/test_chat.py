"""An OpenAI-compatible server as a system: what is sent, what is made of the answers, and every fault on the way."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import sys
import threading
import time
import wave
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from cascade_equivalence.audio.clip import pcm16
from cascade_equivalence.errors import ModelError, UsageError
from cascade_equivalence.systems.remote.account import Question, account
from cascade_equivalence.systems.remote.chat import ChatEndpoint
from cascade_equivalence.systems.remote.endpoint import Endpoint, Prices
from tests.systems.remote.questions import LABELS, QUICK, colours, endpoint, texts, tone
from tests.systems.remote.server import Seen, Sent, completion, number, serving


def right(seen: Seen) -> Sent:
    return Sent(completion(LABELS[number(seen) % 3]))


def test_words_are_asked_as_a_message_and_answers_come_in_order() -> None:
    task = colours(20)
    with serving(right) as server:
        system = ChatEndpoint(endpoint(server.url), patience=QUICK)
        replies = system.reply(task, task.items, texts(task), "generate")
        assert [r and r.text for r in replies] == [item.label for item in task.items]
        assert {r and r.served for r in replies} == {"served-model"}
        body = server.seen[0].body
    assert body["messages"][0]["content"].startswith("Text: item ")
    assert "Answer with one of: red, green, blue." in body["messages"][0]["content"]
    neutral = {"temperature": 0, "top_p": 1, "frequency_penalty": 0, "presence_penalty": 0, "repetition_penalty": 1.0}
    assert neutral.items() <= body.items()
    assert body["max_tokens"] == 8


def test_sound_is_sent_sample_by_sample_between_the_words() -> None:
    task, clip = colours(1), tone(0.25)

    def answer(seen: Seen) -> Sent:
        return Sent(completion("red"))

    with serving(answer) as server:
        ChatEndpoint(endpoint(server.url)).reply(task, task.items, [clip], "generate")
        heard, sound, ask = server.seen[0].body["messages"][0]["content"]
    assert (heard["text"], ask["text"][:2]) == ("Text:", "\n\n")
    assert sound["input_audio"]["format"] == "wav"
    with wave.open(io.BytesIO(base64.b64decode(sound["input_audio"]["data"]))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert np.array_equal(samples, pcm16(clip.samples))


def test_without_sound_nothing_stands_in_its_place() -> None:
    task = colours(1)
    with serving(lambda seen: Sent(completion("red"))) as server:
        ChatEndpoint(endpoint(server.url)).reply(task, task.items, [None], "generate")
        assert server.seen[0].body["messages"][0]["content"].startswith("Text:\n\n")


def test_plain_prompts_reach_the_server_as_they_are() -> None:
    task = colours(1)
    with serving(right) as server:
        ChatEndpoint(endpoint(server.url, text="completions")).reply(task, task.items, texts(task), "generate")
        seen = server.seen[0]
    assert seen.path == "/v1/completions"
    assert seen.body["prompt"] == "Which colour?\n\nText: item 0.\nColour:"
    assert seen.body["stop"] == ["\n"]


def test_a_parameter_can_be_added_or_left_out() -> None:
    task = colours(1)
    with serving(right) as server:
        body = {"repetition_penalty": None, "modalities": ["text"]}
        ChatEndpoint(endpoint(server.url, body=body)).reply(task, task.items, texts(task), "generate")
        sent = server.seen[0].body
    assert "repetition_penalty" not in sent
    assert sent["modalities"] == ["text"]


def test_a_choice_can_be_forced() -> None:
    task = colours(1)
    with serving(right) as server:
        ChatEndpoint(endpoint(server.url, choice=True)).reply(task, task.items, texts(task), "generate")
        assert server.seen[0].body["structured_outputs"] == {"choice": list(LABELS)}


def test_label_scores_from_the_most_probable_tokens() -> None:
    task = colours(2)

    def answer(seen: Seen) -> Sent:
        tops = [{"token": t, "logprob": v} for t, v in [("green", -0.5), (" red", -1.5), ("x", -2.0), ("blue", -3.0)]]
        tops = tops[:3] if number(seen) else tops
        value = completion("green")
        value["choices"][0]["logprobs"] = {"content": [{**tops[0], "top_logprobs": tops}]}
        return Sent(value)

    with serving(answer) as server:
        system = ChatEndpoint(endpoint(server.url, scores="top-logprobs"))
        seen, unseen = system.reply(task, task.items, texts(task), "labels")
        assert server.seen[0].body["top_logprobs"] == 20
    assert seen and seen.scores == (-1.5, -0.5, -3.0)
    assert unseen and unseen.scores is None and unseen.ended == "refused"
    assert not any(label in (unseen.text or "") for label in LABELS)


def test_labels_are_no_way_of_a_server_without_scores() -> None:
    task = colours(1)
    with pytest.raises(UsageError, match="answer: generate"):
        ChatEndpoint(endpoint("http://127.0.0.1:9/v1")).reply(task, task.items, texts(task), "labels")


@pytest.mark.parametrize(
    "fault",
    [
        Sent({"error": {"message": "slow down"}}, 429),
        Sent({"error": {"message": "slow down"}}, 429, {"Retry-After": "0"}),
        Sent({}, 500),
        Sent(raw=b"<html>gateway</html>", status=502),
        Sent(completion("red"), cut=True),
        Sent(raw=b'{"choices": [', status=200),
        Sent(raw=b"[1]"),
        Sent({"choices": []}),
        Sent({"error": {"message": "overloaded"}}),
        Sent(completion("red"), wait_s=9.0),
        Sent(completion("red"), drip_s=0.1),
    ],
    ids=["429", "429-after", "500", "502", "cut", "json", "list", "empty", "error", "time-out", "drip"],
)
def test_a_fault_that_passes_is_asked_again(fault: Sent) -> None:
    task = colours(1)
    with serving(lambda seen: right(seen) if seen.before else fault) as server:
        system = ChatEndpoint(endpoint(server.url, timeout_s=3.0), patience=QUICK)
        (reply,) = system.reply(task, task.items, texts(task), "generate")
        assert reply and reply.text == "red"
        assert (server.count, system.tally.again, system.tally.in_vain) == (2, 1, 0)


def test_a_fault_that_stays_leaves_the_answer_missing() -> None:
    task = colours(3)
    with serving(lambda seen: Sent({}, 500) if number(seen) == 1 else right(seen)) as server:
        system = ChatEndpoint(endpoint(server.url, attempts=3), patience=QUICK)
        replies = system.reply(task, task.items, texts(task), "generate")
        assert [r and r.text for r in replies] == ["red", None, "blue"]
        assert server.count == 2 + 3
    assert system.tally.in_vain == 1
    assert "1 questions without an answer" in system.tally.words() and "HTTP 500" in system.tally.words()


def test_a_server_that_asks_to_wait_is_waited_for_by_all() -> None:
    times: dict[int, list[float]] = {}

    def answer(seen: Seen) -> Sent:
        times.setdefault(number(seen), []).append(time.monotonic())
        if number(seen) == 0 and not seen.before:
            return Sent({}, 429, {"Retry-After": "1"})
        return replace(right(seen), wait_s=0.05)

    task = colours(12)
    with serving(answer) as server:
        ChatEndpoint(endpoint(server.url, parallel=2), patience=QUICK).reply(task, task.items, texts(task), "generate")
    assert times[0][1] - times[0][0] >= 1.0
    # Two were in flight when the server asked for a pause; nobody else was let through before it was over.
    early = [n for n, found in times.items() if n and found[0] - times[0][0] < 0.95]
    assert len(early) <= 2


def test_refusals_and_lengths_are_answers() -> None:
    said = {
        0: Sent(completion("", refusal="I cannot help with that")),
        1: Sent(completion("", "content_filter")),
        2: Sent(completion("red and then", "length")),
        3: Sent({"error": {"message": "This model's maximum context length is 2048 tokens"}}, 400),
        4: Sent({"error": {"code": "content_filter", "message": "no"}}, 400),
        5: Sent(completion("blue")),
    }
    task = colours(len(said))
    with serving(lambda seen: said[number(seen)]) as server:
        system = ChatEndpoint(endpoint(server.url), patience=QUICK)
        replies = system.reply(task, task.items, texts(task), "generate")
        assert server.count == len(said)
    assert [r and r.ended for r in replies] == ["refused", "refused", "limit", "refused", "refused", "end"]
    assert all(r and r.text for r in replies)
    assert (system.tally.refused, system.tally.answered) == (4, 2)


@pytest.mark.parametrize(
    ("status", "cure"), [(401, "let us in"), (404, "url: and model:"), (400, "body:"), (302, "not accepted")]
)
def test_a_wrong_request_stops_with_its_cure_after_what_was_under_way(status: int, cure: str) -> None:
    task = colours(40)
    with serving(lambda seen: Sent({"error": "no"}, status) if number(seen) == 20 else right(seen)) as server:
        system = ChatEndpoint(endpoint(server.url, parallel=4), patience=QUICK)
        found = {}
        with pytest.raises(ModelError, match=cure):
            for index, reply in system.replies(task, task.items, texts(task), "generate"):
                found[index] = reply
        assert len(found) >= 20 and all(found.values())
        assert server.count < 40


def test_a_thousand_requests_with_a_tenth_of_faults_end_complete() -> None:
    faults = [
        Sent({}, 429),
        Sent({}, 429, {"Retry-After": "0"}),
        Sent({}, 500),
        Sent(completion("green"), cut=True),
        Sent(raw=b"{"),
        Sent({"choices": []}),
    ]
    slow = {7: Sent(completion("red"), wait_s=15.0), 17: Sent(completion("red"), drip_s=0.05)}
    good: Counter[int] = Counter()
    lock = threading.Lock()

    def answer(seen: Seen) -> Sent:
        n = number(seen)
        if n % 10 == 7 and seen.before < 1 + n % 2:
            return slow.get(n, faults[n // 10 % len(faults)])
        with lock:
            good[n] += 1
        return right(seen)

    task = colours(1000)
    with serving(answer) as server:
        system = ChatEndpoint(endpoint(server.url, timeout_s=5.0), patience=QUICK)
        came: Counter[int] = Counter()
        for index, reply in system.replies(task, task.items, texts(task), "generate"):
            came[index] += 1
            assert reply and reply.text == task.items[index].label
    assert came == Counter(range(1000))
    assert good == Counter(range(1000))
    assert system.tally.requests == server.count == 1000 + system.tally.again
    assert system.tally.again >= 100


def test_another_server_takes_over() -> None:
    task = colours(30)
    with serving(right) as up, serving(lambda seen: Sent({}, 503)) as down:
        system = ChatEndpoint(endpoint(down.url, up.url, parallel=4), patience=QUICK)
        replies = system.reply(task, task.items, texts(task), "generate")
        assert all(replies)
        assert up.count == 30


def test_several_servers_share_the_work() -> None:
    task = colours(60)
    slow = lambda seen: replace(right(seen), wait_s=0.02)  # noqa: E731
    with serving(slow) as one, serving(slow) as two:
        ChatEndpoint(endpoint(one.url, two.url, parallel=8)).reply(task, task.items, texts(task), "generate")
        assert one.count + two.count == 60
        assert min(one.count, two.count) >= 15


def test_a_dead_server_is_given_up() -> None:
    task = colours(500)
    with serving(lambda seen: Sent({}, 500)) as server:
        system = ChatEndpoint(endpoint(server.url, attempts=2, parallel=4), patience=QUICK)
        assert not any(system.reply(task, task.items, texts(task), "generate"))
        assert server.count < 60
    assert system.tally.in_vain == 500
    assert "in a row" in system.tally.words()


def test_no_more_requests_than_allowed() -> None:
    task = colours(50)
    with serving(right) as server:
        system = ChatEndpoint(endpoint(server.url, max_requests=20), patience=QUICK)
        replies = system.reply(task, task.items, texts(task), "generate")
        assert server.count == 20
    assert sum(reply is not None for reply in replies) == 20
    assert "max_requests" in system.tally.words()


def test_no_more_cost_than_allowed() -> None:
    prices = Prices(text=1000.0, written=1000.0)
    task = colours(100)

    def answer(seen: Seen) -> Sent:
        return replace(right(seen), wait_s=0.01)

    with serving(answer) as server:
        system = ChatEndpoint(endpoint(server.url, max_cost=1.0, prices=prices), patience=QUICK)
        system.reply(task, task.items, texts(task), "generate")
        # Each answer costs 22 tokens at $1000 a million: $.022.
        assert system.tally.cost == pytest.approx(0.022 * server.count)
        assert 0.6 < system.tally.cost <= 1.0
    assert "max_cost" in system.tally.words()


def test_what_will_be_asked_is_said_before() -> None:
    task = colours(10)
    wanted = [Question(task, item, "generate", None, 6.0) for item in task.items]
    prices = Prices(text=0.3, audio=0.6, written=2.5)
    priced = account(endpoint("http://gpu.example:8000/v1", prices=prices, audio_rate=32), wanted)
    words = priced.words()
    assert "10 requests with 1 min of audio" in words and "gpu.example:8000" in words and "$0.00" in words
    assert priced.cost == pytest.approx(10 * (6 * 32 * 0.6 + 8 * 2.5) / 1e6, rel=0.2)
    free = account(endpoint("http://gpu.example:8000/v1"), [Question(task, task.items[0], "generate", "item 0.")])
    assert "text alone" in free.words() and free.cost is None


def test_memory_does_not_grow_with_the_number_of_requests() -> None:
    # In a process of its own, so that the client is measured and not the server.
    code = """
import resource, sys
from tests.systems.remote.questions import colours, endpoint, tone
from cascade_equivalence.systems.remote.chat import ChatEndpoint
import dataclasses
task = colours(1)
system, clip = ChatEndpoint(endpoint(sys.argv[1])), tone(2.0)
def ask(count):
    items, given = [task.items[0]] * count, [clip] * count
    assert all(reply for _, reply in system.replies(task, items, given, "generate"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
first = ask(200)
print((ask(int(sys.argv[2])) - first) / 1024)
"""
    with serving(lambda seen: Sent(completion("red")), forget=True) as server:
        done = subprocess.run(
            [sys.executable, "-c", code, server.url, "600"], capture_output=True, text=True, check=True, env=os.environ
        )
    assert float(done.stdout) < 20


def test_a_key_is_seen_by_its_server_alone(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    secret = "sk-planted-2718281828"
    monkeypatch.setenv("X_KEY", secret)
    task = colours(3)

    def answer(seen: Seen) -> Sent:
        assert seen.authorization == f"Bearer {secret}"
        if number(seen) == 0:
            return Sent({"error": {"message": f"bad key {secret} for you"}}, 500)
        return Sent(completion(f"you are {secret}"))

    with serving(answer) as server:
        settings = endpoint(server.url, key_env="X_KEY", attempts=2)
        system = ChatEndpoint(settings, patience=QUICK)
        replies = system.reply(task, task.items, texts(task), "generate")
        assert secret not in repr((replies, settings, settings.identity(), system, system.tally, system.tally.words()))
        assert "[key]" in system.tally.words()
    with (
        serving(lambda seen: Sent({"error": {"message": f"no such key: {secret}"}}, 401)) as server,
        pytest.raises(ModelError) as error,
    ):
        ChatEndpoint(endpoint(server.url, key_env="X_KEY")).reply(task, task.items, texts(task), "generate")
    assert secret not in str(error.value) and "X_KEY" in str(error.value)
    assert secret not in "".join(capfd.readouterr())


def test_a_missing_key_is_named_before_any_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("X_KEY", raising=False)
    with pytest.raises(UsageError, match="X_KEY is not set"):
        ChatEndpoint(endpoint("http://127.0.0.1:9/v1", key_env="X_KEY"))


@pytest.mark.parametrize(
    ("settings", "cure"),
    [
        ({"urls": ()}, "needs url"),
        ({"urls": ("https://user:pw@host/v1",)}, "key_env"),
        ({"urls": ("https://host/v1?key=abc",)}, "key_env"),
        ({"urls": ("ftp://host",)}, "http"),
        ({"max_cost": 1.0}, "prices"),
        ({"parallel": 0}, "at least 1"),
    ],
)
def test_settings_that_cannot_work_name_their_cure(settings: dict[str, object], cure: str) -> None:
    with pytest.raises(UsageError, match=cure) as error:
        endpoint(**{"urls": ("http://h/v1",), **settings})  # type: ignore[arg-type]
    assert "pw" not in str(error.value) and "abc" not in str(error.value)


def test_an_identity_tells_settings_that_change_answers() -> None:
    one = endpoint("http://h:1/v1")
    same = replace(one, parallel=1, timeout_s=9.0, max_requests=5, name="y")
    assert one.identity().weights is None
    assert one.identity().digest() == same.identity().digest()
    others: list[Endpoint] = [
        replace(one, model="z"),
        replace(one, urls=("http://h:2/v1",)),
        replace(one, choice=True),
        replace(one, body={"top_k": 1}),
    ]
    assert len({e.identity().digest() for e in [one, *others]}) == 5


def test_a_listener_that_leaves_stops_the_questions() -> None:
    task = colours(200)
    with serving(lambda seen: replace(right(seen), wait_s=0.01)) as server:
        system = ChatEndpoint(endpoint(server.url, parallel=4), patience=QUICK)
        replies = system.replies(task, task.items, texts(task), "generate")
        next(replies)
        replies.close()  # type: ignore[attr-defined]
        time.sleep(0.3)
        assert server.count < 40
