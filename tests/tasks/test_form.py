"""Prompts: the same words for everybody, split where the content goes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cascade_equivalence.errors import UsageError
from cascade_equivalence.systems.prompting import render, wording
from cascade_equivalence.tasks.form import Wording
from cascade_equivalence.tasks.forms import FORMS
from cascade_equivalence.tasks.item import Choice, Item
from cascade_equivalence.tasks.task import load_task, shipped_tasks
from tests.models import backbone


def item(identifier: str, text: str, label: str, *labels: str) -> Item:
    return Item(identifier, text, None, tuple(Choice(x, x) for x in labels), (label,))


TOPIC = item("t", "Shares fell.", "Business", "World", "Sports", "Business", "Sci/Tech")


def test_plain_prompt_holds_instruction_shots_and_cue_but_not_the_content() -> None:
    form = FORMS["topic"]
    prompt = form.plain(TOPIC, [item("s", "A new chip.", "Sci/Tech", "Business", "Sci/Tech")])
    assert prompt.before.startswith(form.instruction)
    assert f"{form.heard} A new chip.\n{form.asked} {dict(form.words)['Sci/Tech']}\n" in prompt.before
    assert prompt.before.endswith(f"\n\n{form.heard}")
    assert prompt.after == f"\n{form.asked}"
    assert "Shares" not in prompt.before + prompt.after


def test_labels_keep_their_names_while_words_are_scored() -> None:
    prompt = FORMS["topic"].plain(TOPIC, ())
    assert prompt.labels == ("World", "Sports", "Business", "Sci/Tech")
    assert len(set(prompt.continuations)) == 4
    assert all(c.startswith(" ") for c in prompt.continuations)


def test_every_shipped_task_is_whole() -> None:
    for name in shipped_tasks():
        task = load_task(name)
        dev = {i.id for i in task.dev}
        assert set(task.form.shots) <= dev, name
        assert not dev & {i.id for i in task.items}, name
        assert all(i.audio and i.audio.is_file() for i in task.items), name
        if task.form.kind == "labels":
            assert set(dict(task.form.words)) <= set(task.labels), name
            shown = {i.label for i in task.shots}
            assert not task.shots or shown == set(task.labels), f"{name}: a label is never shown"


def test_chat_prompt_names_the_options() -> None:
    choices = (Choice("A", "bank"), Choice("B", "mall"))
    asked = Item("q", "Where is money kept?", None, choices, ("A",), question="Where is money kept?")
    _, ask, cue = FORMS["commonsense"].chat(asked)
    assert "A. bank\nB. mall" in ask
    assert "Where is money kept" not in ask
    assert cue == "Answer:"


YES_NO = {"choices": ["yes", "no"], "label": "yes"}
KINDS: dict[str, dict[str, Any]] = {
    "labels": YES_NO,
    "options": {"choices": [{"label": "A", "text": "bank"}, {"label": "B", "text": "mall"}], "label": "A"},
    "open": {"label": ["Paris", "paris"]},
}
QUESTIONS = ("Is it raining there?", "Who is speaking to whom?", "What was bought?")


def manifest(tmp_path: Path, *rows: dict[str, Any], name: str = "mine") -> Path:
    path = tmp_path / f"{name}.jsonl"
    path.write_text(
        "".join(json.dumps({"id": str(i), "text": f"Words {i}.", **row}) + "\n" for i, row in enumerate(rows))
    )
    return path


def asked_of(kind: str) -> list[dict[str, Any]]:
    rows = [KINDS[kind] | {"question": question} for question in QUESTIONS]
    if kind == "options":
        rows[1] = rows[1] | {"choices": ["river", "bridge"], "label": "river"}
    return rows


@pytest.mark.parametrize("style", ["plain", "chat"])
@pytest.mark.parametrize("form", [None, Wording("Think well.", words=())])
@pytest.mark.parametrize("kind", KINDS)
def test_every_items_question_stands_in_its_prompt(tmp_path: Path, kind: str, form: Wording | None, style: Any) -> None:
    rows = asked_of(kind)
    shot = rows[0] | {
        "question": "What was eaten?",
        "split": "shot",
        "label": "Paris" if kind == "open" else rows[0]["label"],
    }
    task = load_task("mine", manifest(tmp_path, *rows, shot), form=form)
    assert task.form.kind == kind
    llm = backbone()
    prompts = []
    for item, question in zip(task.items, QUESTIONS, strict=True):
        made = render(llm, style, task, item)
        said = llm.tokenizer.decode([*made.before, *made.after])
        prompts.append(said)
        assert said.count(question) == 1
        assert not any(other in said for other in QUESTIONS if other != question)
        if form and form.instruction:
            assert form.instruction in said
        if style == "plain":
            assert said.index("What was eaten?") < said.index(question)
    assert len({wording(style, task, item) for item in task.items}) == len(QUESTIONS)


@pytest.mark.parametrize("kind", KINDS)
def test_one_question_for_all_is_the_instruction(tmp_path: Path, kind: str) -> None:
    rows = [KINDS[kind] | {"question": QUESTIONS[0]} for _ in range(3)]
    task = load_task("mine", manifest(tmp_path, *rows))
    for item in task.items:
        prompt = task.form.plain(item, ())
        assert prompt.before.startswith(QUESTIONS[0])
        assert (
            (prompt.before + prompt.after).count(QUESTIONS[0]) == "".join(task.form.chat(item)).count(QUESTIONS[0]) == 1
        )


@pytest.mark.parametrize("kind", KINDS)
def test_a_question_that_is_spoken_is_not_written_too(tmp_path: Path, kind: str) -> None:
    rows = [row | {"text": row["question"]} for row in asked_of(kind)]
    task = load_task("mine", manifest(tmp_path, *rows))
    for item in task.items:
        prompt = task.form.plain(item, ())
        assert item.text and item.text not in prompt.before + prompt.after + "".join(task.form.chat(item))


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_with_questions_and_without_is_refused(tmp_path: Path, kind: str) -> None:
    rows = asked_of(kind)
    del rows[1]["question"]
    with pytest.raises(UsageError, match="item '1' has no question and others have"):
        load_task("mine", manifest(tmp_path, *rows))


def test_a_files_name_decides_nothing(tmp_path: Path) -> None:
    rows = [{"label": label, "choices": ["positive", "negative"]} for label in ("positive", "negative")]
    forms = [load_task(n, manifest(tmp_path, *rows, name=n)).form for n in ("sentiment", "mine")]
    assert [(f.instruction, f.sufficient) for f in forms] == [("Listen and answer.", None)] * 2
    named = load_task("mine", manifest(tmp_path, *rows), form="sentiment").form
    assert (named.instruction, named.sufficient) == (FORMS["sentiment"].instruction, True)


def test_words_of_ones_own(tmp_path: Path) -> None:
    rows = [{"label": label, "choices": ["1", "2"]} for label in ("1", "2")]
    own = Wording("Is the caller content?", "Call:", "The caller is", (("1", "content"), ("2", "angry")), True, 5)
    task = load_task("calls", manifest(tmp_path, *rows), form=own)
    prompt = task.form.plain(task.items[0], ())
    assert prompt.before == "Is the caller content?\n\nCall:"
    assert prompt.after == "\nThe caller is"
    assert prompt.continuations == (" content", " angry") and prompt.labels == ("1", "2")
    assert "Answer with one of: content, angry." in task.form.chat(task.items[0])[1]
    assert (task.form.sufficient, task.form.max_new_tokens) == (True, 5)


@pytest.mark.parametrize(
    ("row", "form", "message"),
    [
        ({"label": "happy", "choices": ["happy", "sad"]}, "sentiment", "label 'happy' is not one of form 'sentiment'"),
        ({"label": ["a", "b"]}, "topic", "item '0' has no choices, and form 'topic' asks for one"),
        (YES_NO, "weather", "no form 'weather'; there are: topic"),
        (
            YES_NO,
            Wording(words=(("maybe", "perhaps"),)),
            "words has 'maybe', which is no label here; there are: yes, no",
        ),
        (YES_NO, Wording(words=(("yes", "so"), ("no", "so"))), "words shows two labels as 'so'"),
    ],
)
def test_a_form_whose_labels_are_not_the_files_is_refused(tmp_path: Path, row: Any, form: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_task("mine", manifest(tmp_path, row), form=form)


def test_a_form_without_shipped_items_serves_a_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = (("urgent", "urgent"), ("calm", "not urgent"))
    mine = replace(FORMS["sentiment"], name="urgency", instruction="Is it urgent?", words=words, shots=())
    monkeypatch.setitem(FORMS, "urgency", mine)
    rows = [
        {"id": "a", "text": "Help, fire!", "label": "urgent", "choices": ["urgent", "calm"]},
        {"id": "b", "text": "A calm day.", "label": "calm", "choices": ["urgent", "calm"]},
    ]
    path = tmp_path / "own.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert load_task("mine", path, form="urgency").form.instruction == "Is it urgent?"
    with pytest.raises(UsageError, match="not one of form 'urgency'"):
        path.write_text(path.read_text(encoding="utf-8").replace("calm", "later"), encoding="utf-8")
        load_task("mine", path, form="urgency")
