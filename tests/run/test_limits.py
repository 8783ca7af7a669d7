"""What a run does where memory or arithmetic give out: smaller batches, one LLM at a time, INVALID answers."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from cascade_equivalence.audio.clip import Clip
from cascade_equivalence.audio.store import ClipStore
from cascade_equivalence.errors import RunError
from cascade_equivalence.run.execute import execute
from cascade_equivalence.run.executors import Executor, Here
from cascade_equivalence.run.journal import AnswerRow, Journal, ReplyRow, Row
from cascade_equivalence.run.layout import JOURNAL
from cascade_equivalence.run.models import Models
from cascade_equivalence.run.plan import Plan
from cascade_equivalence.run.progress import Silent
from cascade_equivalence.run.run import open_run
from cascade_equivalence.run.work import Work
from cascade_equivalence.study.build import build_plan
from cascade_equivalence.study.go import run_plan
from cascade_equivalence.study.record import record
from cascade_equivalence.study.spec import Study
from cascade_equivalence.systems.backbone import Backbone, Query
from cascade_equivalence.systems.planted import reader
from cascade_equivalence.systems.speech.own import OwnSpeechLLM
from cascade_equivalence.systems.speech.speech_llm import SpeechLLM
from tests.systems.speech.tiny import write_llm, write_qwen2_audio

WORDS = "the train left at noon"


def study(llm: Path, **keys: object) -> Study:
    return Study.model_validate(
        {
            "tasks": ["topic"],
            "limit": 16,
            "models": {"llm": {"id": str(llm), "prompt": "plain", "batch_size": 16}},
            "arms": {"mine": {"speech_llm": "mine"}},
            "dtype": "float32",
            "resamples": 100,
            "checks": {"hearing": 0, "repeats": 0, "latency": 0},
        }
        | keys
    )


@pytest.fixture(scope="module")
def llm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("llm")
    write_llm(directory)
    return directory


def test_a_batch_that_does_not_fit_is_never_tried_again(llm: Path, tmp_path: Path) -> None:
    tried: list[int] = []

    def text_of(clips: Sequence[Clip]) -> list[str]:
        tried.append(len(clips))
        if len(clips) > 3:
            raise torch.OutOfMemoryError("no room for so many")
        return [WORDS] * len(clips)

    own = OwnSpeechLLM("llm", lambda backbone: reader("small", backbone, text_of), {"planted": "small"})
    both = study(llm, tasks=["topic", "sentiment"])
    assert run_plan(both, tmp_path, tmp_path / "out", Silent(), {"mine": own}).total == 0
    assert [size for size in tried if size > 3] == [16, 8, 4]
    journal = Journal(tmp_path / "out" / JOURNAL, create=False)
    assert len(journal.rows(AnswerRow)) == 2 * 16


class Broken(Backbone):
    """A language model one of whose label scores is no number, as in a precision that overflows."""

    def score(self, before: Sequence[int], queries: Sequence[Query]) -> list[tuple[float, ...]]:
        return [(float("nan"), *scores[1:]) for scores in super().score(before, queries)]


def broken(backbone: Backbone) -> SpeechLLM:
    speech = reader("broken", backbone, lambda clips: [WORDS] * len(clips))
    return replace(speech, backbone=Broken(backbone.name, backbone.model, backbone.tokenizer))


def test_scores_that_are_no_numbers_are_invalid_answers(llm: Path, tmp_path: Path) -> None:
    own = OwnSpeechLLM("llm", broken, {"planted": "broken"})
    assert run_plan(study(llm), tmp_path, tmp_path / "out", Silent(), {"mine": own}).total == 0
    journal = Journal(tmp_path / "out" / JOURNAL, create=False)
    answers = list(journal.rows(AnswerRow).values())
    assert {row.label for row in answers} == {"INVALID"}
    assert {row.note for row in answers} == {"a label's score is no finite number"}
    replies = [row for row in journal.rows(ReplyRow).values() if row.asker == "mine"]
    assert all(json.loads(row.scores or "")[0] is None for row in replies)


def test_calibration_on_scores_that_are_no_numbers_names_the_model(llm: Path, tmp_path: Path) -> None:
    own = OwnSpeechLLM("llm", broken, {"planted": "broken"})
    with pytest.raises(RunError, match=r"task 'topic': label scores .* no finite numbers"):
        run_plan(study(llm, calibration="own"), tmp_path, tmp_path / "out", Silent(), {"mine": own})


class Watching(Here):
    """Remembers which speech LLMs were in memory after each piece of work."""

    def __init__(self, plan: Plan, models: Models, store: ClipStore) -> None:
        super().__init__(plan, models, store)
        self.models = models
        self.seen: list[frozenset[str]] = []

    def map(self, work: Sequence[Work], in_turn: bool = False) -> Iterator[list[Row]]:
        for rows in super().map(work, in_turn):
            self.seen.append(frozenset(self.models._speech))
            yield rows


def test_two_language_models_are_never_in_memory_together(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_qwen2_audio(tmp_path / name)
    weights = tmp_path / "b" / "model.safetensors"
    tensors = load_file(weights)
    save_file({key: value + 0.01 for key, value in tensors.items()}, weights, {"format": "pt"})
    two = Study.model_validate(
        {
            "tasks": ["topic"],
            "limit": 4,
            "models": {name: {"id": str(tmp_path / name), "prompt": "plain", "dtype": "float32"} for name in "ab"}
            | {"asr": {"id": "whisper-tiny.en"}},
            "arms": {f"speech-{name}": {"speech_llm": name} for name in "ab"}
            | {f"self-{name}": {"asr": "asr", "llm": {"of": f"speech-{name}"}} for name in "ab"},
            "resamples": 100,
            "checks": {"hearing": 4, "repeats": 4, "latency": 2},
        }
    )
    plan = build_plan(two, tmp_path, print)
    made: list[Watching] = []

    def executor(here: Executor, plan: Plan, store: ClipStore) -> Watching:
        made.append(Watching(plan, Models(plan, print), store))
        return made[0]

    with open_run(tmp_path / "run", plan, Silent(), executor) as run:
        record(two, plan, run.journal)
        assert execute(run) == 0
    held = made[0].seen
    assert {frozenset("a"), frozenset("b")} <= set(held)
    assert all(len(names) <= 1 for names in held)
    # Each is loaded once: what comes after it has gone never asks for it again.
    order = [next(iter(names)) for names in held if names]
    assert order == sorted(order)


def weights_in_memory() -> int:
    """Bytes of all parameters that are alive, shared ones once."""
    gc.collect()
    found = [thing for thing in gc.get_objects() if type(thing) is torch.nn.Parameter]
    return sum({p.untyped_storage().data_ptr(): p.untyped_storage().nbytes() for p in found}.values())


class Weighing(Here):
    """Weighs what is in memory after each piece of work."""

    def __init__(self, plan: Plan, models: Models, store: ClipStore) -> None:
        super().__init__(plan, models, store)
        self.seen: list[int] = []

    def map(self, work: Sequence[Work], in_turn: bool = False) -> Iterator[list[Row]]:
        for rows in super().map(work, in_turn):
            self.seen.append(weights_in_memory())
            yield rows


@pytest.mark.slow
def test_three_speech_llms_on_three_llms_take_the_memory_of_the_largest(tmp_path: Path) -> None:
    sizes = {}
    for step, name in enumerate("abc"):
        weights = write_qwen2_audio(tmp_path / name) / "model.safetensors"
        tensors = {key: value + 0.01 * step for key, value in load_file(weights).items()}
        save_file(tensors, weights, {"format": "pt"})
        sizes[name] = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    three = Study.model_validate(
        {
            "tasks": ["topic"],
            "limit": 4,
            "models": {name: {"id": str(tmp_path / name), "prompt": "plain", "dtype": "float32"} for name in "abc"},
            "arms": {f"speech-{name}": {"speech_llm": name} for name in "abc"}
            | {f"gold-{name}": {"transcript": "gold", "llm": {"of": f"speech-{name}"}} for name in "abc"},
            "resamples": 100,
            "checks": {"hearing": 4, "repeats": 4, "latency": 2},
        }
    )
    plan = build_plan(three, tmp_path, print)
    before = weights_in_memory()
    made: list[Weighing] = []
    at_loading: list[int] = []

    def executor(here: Executor, plan: Plan, store: ClipStore) -> Weighing:
        # What is there when the next is about to be loaded, and what after each piece of work.
        models = Models(plan, lambda line: at_loading.append(weights_in_memory()))
        made.append(Weighing(plan, models, store))
        return made[0]

    with open_run(tmp_path / "run", plan, Silent(), executor) as run:
        record(three, plan, run.journal)
        assert execute(run) == 0
    peak = max(made[0].seen) - before
    assert 0.8 * max(sizes.values()) <= peak <= 1.2 * max(sizes.values())
    # A speech LLM that is loaded beside its own language model finds that alone, never another.
    assert max(at_loading) - before <= 1.2 * max(sizes.values())
    assert len(at_loading) >= 3
