"""What a run will ask of an endpoint, said before the first request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cascade_equivalence.systems.remote.endpoint import Endpoint
from cascade_equivalence.systems.remote.wording import plain_text, user_text
from cascade_equivalence.systems.system import Mode
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.task import Task

LETTERS_PER_TOKEN = 4.0


@dataclass(frozen=True, slots=True)
class Question:
    """One question that is to be asked. text: what is read, if words are; seconds: of the sound, 0 for none."""

    task: Task
    item: Item
    mode: Mode
    text: str | None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Account:
    """What is asked of whom. cost: dollars, None without prices. at_least: labels of several tokens take more."""

    name: str
    model: str
    hosts: tuple[str, ...]
    requests: int
    seconds: float
    cost: float | None
    at_least: bool
    sends_audio: bool

    def words(self) -> str:
        """One line, for before the first request."""
        number = f"{'at least ' if self.at_least else 'up to '}{self.requests:,} requests"
        sound = f" with {self.seconds / 60:.0f} min of audio" if self.sends_audio else " of text alone"
        cost = "at no price that the study names" if self.cost is None else f"about ${self.cost:.2f}"
        return f"{self.name}: {number}{sound} to {self.model} at {', '.join(self.hosts)}, {cost}"


def account(endpoint: Endpoint, questions: Iterable[Question]) -> Account:
    """Requests, seconds of audio and estimated cost of questions; repeats after faults come on top."""
    requests, seconds, cost = 0, 0.0, 0.0
    for question in questions:
        requests += 1
        seconds += question.seconds
        cost += estimate(endpoint, question)
    priced = cost if endpoint.prices else None
    return Account(
        endpoint.name,
        endpoint.model,
        endpoint.hosts,
        requests,
        seconds,
        priced,
        endpoint.scores == "token-ids",
        seconds > 0,
    )


def account_of_sounds(endpoint: Endpoint, seconds: Sequence[float]) -> Account:
    """The same of sounds that are to be transcribed, one request each."""
    total = sum(seconds)
    cost = endpoint.prices.of(0, total * endpoint.audio_rate, 0) if endpoint.prices else None
    return Account(endpoint.name, endpoint.model, endpoint.hosts, len(seconds), total, cost, False, True)


def estimate(endpoint: Endpoint, question: Question) -> float:
    """Dollars that a question costs at most, roughly: four letters a token, and as many tokens written as may be."""
    if endpoint.prices is None:
        return 0.0
    task, item = question.task, question.item
    plain = endpoint.text != "chat" and question.text is not None
    said = plain_text(task, item, question.text or "") if plain else user_text(task, item, question.text)
    written = 1 if question.mode == "labels" else task.form.max_new_tokens
    audio = question.seconds * endpoint.audio_rate
    return endpoint.prices.of(len(said) / LETTERS_PER_TOKEN + 16, audio, written)
