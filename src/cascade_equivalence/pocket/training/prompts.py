"""Prompts around the audio while `pocket-frames` is trained. None of them is used in a study."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prompt:
    """`before` + content + `after`; with `repeat`, the content once more behind it. weight: how often it is drawn."""

    before: str
    after: str
    repeat: bool
    chat: bool
    weight: float


PROMPTS = (
    Prompt(
        "Sentence: The kettle is on the stove.\nAgain: The kettle is on the stove.\n\n"
        "Sentence: Nobody saw the letter fall behind the desk.\nAgain: Nobody saw the letter fall behind the desk.\n\n"
        "Sentence:",
        "\nAgain:",
        True,
        False,
        0.5,
    ),
    Prompt(
        "What is it about?\n\nText: The soup needs more salt.\nSubject: cooking\n\n"
        "Text: My cousin got married in June.\nSubject: family\n\n"
        "Text: The trains are late because of snow.\nSubject: transport\n\nText:",
        "\nSubject:",
        False,
        False,
        0.2,
    ),
    Prompt(
        "How does the speaker feel?\n\nText: I could sing all day.\nFeeling: happy\n\n"
        "Text: They lost my suitcase again.\nFeeling: angry\n\n"
        "Text: The shop opens at nine.\nFeeling: calm\n\nText:",
        "\nFeeling:",
        False,
        False,
        0.15,
    ),
    Prompt(
        "<|im_start|>user\nSomeone said:",
        "\nWhat do they mean?<|im_end|>\n<|im_start|>assistant\nThey mean that",
        False,
        True,
        0.15,
    ),
)
