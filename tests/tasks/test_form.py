"""Prompts: the same words for everybody, split where the content goes."""

from __future__ import annotations

from cascade_equivalence.tasks.forms import FORMS
from cascade_equivalence.tasks.item import Choice, Item
from cascade_equivalence.tasks.task import load_task, shipped_tasks


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
