"""An OpenAI-compatible server as a system: audio and text by chat messages, text by plain prompts too."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems.remote.endpoint import Endpoint
from cascade_equivalence.systems.remote.faults import Trouble
from cascade_equivalence.systems.remote.http import Http, message_of
from cascade_equivalence.systems.remote.labels import by_id, by_token, means, nodes, seen, spare
from cascade_equivalence.systems.remote.patience import Patience
from cascade_equivalence.systems.remote.remote import Remote
from cascade_equivalence.systems.remote.tally import Tally, Used
from cascade_equivalence.systems.remote.wording import continuations, cue, plain_parts, plain_text, user_content
from cascade_equivalence.systems.system import Ended, Mode, Reply, Stimulus
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.task import Task

TOP = 20
"""Most probable tokens that are asked for: the most that OpenAI's own API gives."""
_NEUTRAL = {"temperature": 0, "top_p": 1, "frequency_penalty": 0, "presence_penalty": 0, "repetition_penalty": 1.0}
"""Sent with every request: a server may apply those of the checkpoint's generation_config otherwise, greedy or not."""


class ChatEndpoint(Remote):
    """A system behind `/chat/completions` (and `/completions`, `/tokenize`, where the study asks for them)."""

    def __init__(self, endpoint: Endpoint, tally: Tally | None = None, patience: Patience | None = None) -> None:
        super().__init__(endpoint, tally, patience)
        self._http = Http(endpoint)
        self._ids: dict[tuple[str, bool], list[int]] = {}
        self._asking_ids = threading.Lock()

    def answer(
        self, task: Task, item: Item, given: Stimulus, mode: Mode, cost: float, stop: threading.Event
    ) -> tuple[Reply, Used]:
        """See `Remote.answer`."""
        question = _Question(self, task, item, given, mode, cost, stop)
        reply = question.labels() if mode == "labels" else question.words()
        return reply, question.used

    def close(self) -> None:
        """See `Remote.close`."""
        self._http.close()

    def tokens(self, text: str, start: bool, stop: threading.Event) -> list[int]:
        """The server's own token ids of a text, kept; `start`: with what its tokenizer puts before a text."""
        if (text, start) not in self._ids:
            with self._asking_ids:
                if (text, start) not in self._ids:
                    self._ids[text, start] = self.tokenized(text, start, stop)
        return self._ids[text, start]

    def tokenized(self, text: str, start: bool, stop: threading.Event) -> list[int]:
        """The same, asked anew."""
        body = {"model": self.endpoint.model, "prompt": text, "add_special_tokens": start}

        def call(url: str) -> tuple[list[int], Used]:
            found = self._http.post(f"{url.rstrip('/').removesuffix('/v1')}/tokenize", body).get("tokens")
            if not isinstance(found, list) or not all(isinstance(token, int) for token in found):
                raise ModelError(
                    f"model '{self.endpoint.name}': the server's /tokenize gives no token ids; it is no vLLM: write "
                    "scores: top-logprobs (or leave it out) and text: completions"
                )
            return found, Used()

        return self.asking.ask(call, 0.0, f"tokens:{text}", stop)

    def post(
        self, path: str, body: Mapping[str, Any], cost: float, seed: str, stop: threading.Event
    ) -> tuple[dict[str, Any], dict[str, Any], Used, float]:
        """The answer to a request, its first choice, the tokens used, and seconds."""
        whole = {"model": self.endpoint.model, **_NEUTRAL, **body, **self.endpoint.body}
        whole = {key: value for key, value in whole.items() if value is not None}

        def call(url: str) -> tuple[tuple[dict[str, Any], dict[str, Any], Used, float], Used]:
            begun = time.perf_counter()
            answer = self._http.post(f"{url.rstrip('/')}/{path}", whole)
            seconds = time.perf_counter() - begun
            choices = answer.get("choices")
            if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
                said = message_of(str(answer.get("error") or "").encode())
                raise Trouble(f"the answer has no choices{said}", billed=True)
            used = used_of(answer)
            return (answer, choices[0], used, seconds), used

        return self.asking.ask(call, cost, seed, stop)


class _Question:
    """One question, over all the requests that it takes."""

    def __init__(
        self,
        system: ChatEndpoint,
        task: Task,
        item: Item,
        given: Stimulus,
        mode: Mode,
        cost: float,
        stop: threading.Event,
    ) -> None:
        self._system, self._endpoint = system, system.endpoint
        self._task, self._item, self._given, self._cost, self._stop = task, item, given, cost, stop
        self._plain = isinstance(given, str) and self._endpoint.text != "chat"
        # Labels are walked in token ids, so the prompt before them is in ids too.
        self._as_string = self._endpoint.text == "completions" and (mode, self._endpoint.scores) != (
            "labels",
            "token-ids",
        )
        self._seed = f"{task.name}:{item.id}"
        self.used = Used()
        self._spent_s = 0.0
        self._served: str | None = None
        self._ids: list[int] | None = None
        # Made once: the sound in base64 is the largest thing here.
        self._content = None if self._plain else user_content(task, item, given)

    def words(self) -> Reply:
        """The answer as the model says it, greedily; one of the choices where the server is to force it."""
        form = self._task.form
        body: dict[str, Any] = {"max_tokens": form.max_new_tokens}
        if self._endpoint.choice and form.kind != "open":
            space = " " if self._plain or self._endpoint.prefill else ""
            body["structured_outputs"] = {"choice": [f"{space}{c.text}" for c in form.choices(self._item)]}
        if self._plain:
            body["stop"] = ["\n"]
        choice = self._ask(body, ())
        text, reason = said(choice)
        ended: Ended = "limit" if choice.get("finish_reason") == "length" else "end"
        if reason is not None:
            text, ended = reason, "refused"
        text = self._endpoint.key.redact(text.strip())
        return Reply(None, text, self.used.read, self.used.written, ended, self._served, self._spent_s)

    def labels(self) -> Reply:
        """The log-likelihood of each label."""
        wanted = continuations(self._task, self._item)
        if not (self._plain or self._endpoint.prefill):
            wanted = tuple(label.lstrip() for label in wanted)
        scores = self._by_ids(wanted) if self._endpoint.scores == "token-ids" else self._by_top(wanted)
        text, ended = None, "end"
        if scores is None:
            ended = "refused"
            text = f"not every label is one of the {TOP} most probable tokens; see scores: in the documentation"
        return Reply(scores, text, self.used.read, self.used.written, ended, self._served, self._spent_s)  # type: ignore[arg-type]

    def _by_ids(self, wanted: Sequence[str]) -> tuple[float, ...]:
        labels = [tuple(self._system.tokens(label, False, self._stop)) for label in wanted]
        found = {}
        for prefix, tokens in nodes(labels).items():
            asked = [*tokens, spare(tokens)]
            choice = self._ask({"logprob_token_ids": asked, "return_tokens_as_token_ids": True}, prefix, len(asked))
            found[prefix] = by_id(choice)
            if missing := [token for token in tokens if token not in found[prefix]]:
                raise ModelError(
                    f"model '{self._endpoint.name}': the server gave no log-probability for token {missing[0]} of "
                    f"item '{self._item.id}'; logprob_token_ids needs vLLM of July 2026 or later: write "
                    "scores: top-logprobs, or answer: generate"
                )
        return means(labels, found)

    def _by_top(self, wanted: Sequence[str]) -> tuple[float, ...] | None:
        scores = seen(wanted, by_token(self._ask({}, (), TOP)))
        return None if None in scores else scores  # type: ignore[return-value]

    def _ask(self, body: dict[str, Any], prefix: tuple[int, ...], top: int | None = None) -> dict[str, Any]:
        """The first choice of the answer, after the tokens `prefix` of the model's own turn."""
        if top is not None:
            body |= {"max_tokens": 1}
            body |= {"logprobs": top} if self._plain else {"logprobs": True, "top_logprobs": top}
        if self._plain:
            path, body = "completions", body | {"prompt": self._prompt(prefix)}
        else:
            path, body = "chat/completions", body | self._turns(prefix)
        answer, choice, used, seconds = self._system.post(path, body, self._cost, self._seed, self._stop)
        audio = None if used.audio is None else used.audio + (self.used.audio or 0)
        self.used = Used(self.used.text + used.text, audio, self.used.written + used.written)
        self._spent_s += seconds
        served = [str(answer[key]) for key in ("model", "system_fingerprint") if answer.get(key)]
        self._served = " ".join(served) or None
        return choice

    def _prompt(self, prefix: tuple[int, ...]) -> str | list[int]:
        """The few-shot prompt; in token ids it is a local model's, encoded piece by piece."""
        assert isinstance(self._given, str)
        if self._as_string:
            return plain_text(self._task, self._item, self._given)
        if self._ids is None:
            before, content, after = plain_parts(self._task, self._item, self._given)
            # Contents differ from question to question and are not kept.
            read = self._system.tokenized(content, False, self._stop)
            begun = self._system.tokens(before, True, self._stop)
            self._ids = [*begun, *read, *self._system.tokens(after, False, self._stop)]
        return [*self._ids, *prefix]

    def _turns(self, prefix: tuple[int, ...]) -> dict[str, Any]:
        """The messages: the user's, and the beginning of the model's own where it is begun for it."""
        user = {"role": "user", "content": self._content}
        if not (self._endpoint.prefill or prefix):
            return {"messages": [user]}
        begun = cue(self._task, self._item) if self._endpoint.prefill else ""
        begun += self._text_of(prefix) if prefix else ""
        own = {"role": "assistant", "content": begun}
        return {"messages": [user, own], "add_generation_prompt": False, "continue_final_message": True}

    def _text_of(self, prefix: tuple[int, ...]) -> str:
        """The text of the first tokens of a label. Raises `ModelError` if they would be read as other tokens."""
        for label in continuations(self._task, self._item):
            label = label if self._endpoint.prefill else label.lstrip()
            if tuple(self._system.tokens(label, False, self._stop))[: len(prefix)] != prefix:
                continue
            for end in range(1, len(label)):
                if tuple(self._system.tokens(label[:end], False, self._stop)) == prefix:
                    return label[:end]
        raise ModelError(
            f"model '{self._endpoint.name}': a label of item '{self._item.id}' is several tokens, and its beginning "
            "cannot be written as text; write answer: generate"
        )


def said(choice: Mapping[str, Any]) -> tuple[str, str | None]:
    """The text of a choice, and the reason of a refusal where it is one."""
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    content = message.get("content", choice.get("text"))
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    if refusal := message.get("refusal"):
        return "", f"refused: {refusal}"
    if choice.get("finish_reason") == "content_filter":
        return "", "filtered by the server"
    return str(content or ""), None


def used_of(answer: Mapping[str, Any]) -> Used:
    """The tokens that an answer used, by the server's own count."""
    usage = answer.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    details = usage.get("prompt_tokens_details")
    audio = details.get("audio_tokens") if isinstance(details, dict) else None
    read, written = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
    return Used(read - int(audio or 0), None if audio is None else int(audio), written)
