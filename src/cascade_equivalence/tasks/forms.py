"""The forms that ship: the paper's six tasks, and the same-words task.

Wording and shots were chosen on development items only (corpus/prompts.md has the figures).
"""

from __future__ import annotations

from cascade_equivalence.tasks.form import Form

FORMS: dict[str, Form] = {
    form.name: form
    for form in (
        Form(
            "topic",
            "labels",
            sufficient=True,
            instruction="Say what each text is about: politics, sports, business or science.",
            heard="Text:",
            asked="This text is about",
            words=(
                ("World", "politics"),
                ("Sports", "sports"),
                ("Business", "business"),
                ("Sci/Tech", "science"),
            ),
            shots=("topic-175", "topic-008", "topic-220", "topic-173"),
            asks=("Which topic is this news story about?",),
        ),
        Form(
            "sentiment",
            "labels",
            sufficient=True,
            instruction="Is the feeling of each text positive or negative?",
            heard="Text:",
            asked="Feeling:",
            shots=("sentiment-268", "sentiment-073"),
            asks=("Is the sentiment of this sentence positive or negative?",),
        ),
        Form(
            "commonsense",
            "options",
            sufficient=True,
            instruction="Answer each question with common sense.",
            heard="Question:",
            asked="Answer:",
        ),
        Form(
            "trivia",
            "open",
            sufficient=True,
            instruction="Answer each question in a few words.",
            heard="Question:",
            asked="Answer:",
            max_new_tokens=64,
        ),
        Form(
            "emotion",
            "labels",
            sufficient=False,
            instruction="Which emotion does the speaker show: neutral, joy, surprise, anger, sadness, disgust or fear?",
            heard="Text:",
            asked="Emotion:",
            asks=("Which emotion does the speaker show?", "What is the speaker's emotion?"),
        ),
        Form(
            "sarcasm",
            "labels",
            sufficient=False,
            instruction="Is the speaker sarcastic or sincere?",
            heard="Text:",
            asked="The speaker is",
            words=(("not sarcastic", "sincere"),),
            asks=("Is the speaker being sarcastic?",),
        ),
        Form(
            "rendering",
            "labels",
            sufficient=False,
            instruction="How is the text spoken?",
            heard="Text:",
            asked="Voice:",
        ),
    )
}
