"""Prompts around the audio while `pocket-frames` is trained. None of them is used in a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prompt:
    """`before` + content + `after`; with `repeat`, the content once more behind it. weight: how often it is drawn."""

    before: str
    after: str
    repeat: bool
    chat: bool
    weight: float


def _shots(task: str, content: str, answer: str, shots: Sequence[tuple[str, str]]) -> Prompt:
    """A prompt that shows how it is done, ending where the answer begins."""
    shown = "".join(f"{content}: {text}\n{answer}: {label}\n\n" for text, label in shots)
    return Prompt(f"{task}\n\n{shown}{content}:", f"\n{answer}:", repeat=False, chat=False, weight=0.06)


PROMPTS = (
    Prompt(
        "Sentence: The kettle is on the stove.\nAgain: The kettle is on the stove.\n\n"
        "Sentence: Nobody saw the letter fall behind the desk.\nAgain: Nobody saw the letter fall behind the desk.\n\n"
        "Sentence:",
        "\nAgain:",
        repeat=True,
        chat=False,
        weight=0.4,
    ),
    Prompt(
        "<|im_start|>user\nSomeone said:",
        "\nWhat do they mean?<|im_end|>\n<|im_start|>assistant\nThey mean that",
        repeat=False,
        chat=True,
        weight=0.06,
    ),
    _shots(
        "What is it about?",
        "Text",
        "Subject",
        [
            ("The soup needs more salt.", "cooking"),
            ("My cousin got married in June.", "family"),
            ("The trains are late because of snow.", "transport"),
        ],
    ),
    _shots(
        "Which page of the magazine is it from: food, music, law or weather?",
        "Text",
        "Page",
        [
            ("The judge sent the file back to the clerk.", "law"),
            ("Roast the peppers until the skin turns black.", "food"),
            ("Fog will stay in the valleys all morning.", "weather"),
            ("The second violins come in too early.", "music"),
            ("The lease ends when both have signed.", "law"),
        ],
    ),
    _shots(
        "Is each note for the farm, the school or the hospital?",
        "Note",
        "For",
        [
            ("The pupils need new desks.", "school"),
            ("Two cows broke through the fence.", "farm"),
            ("The night nurse asked for more gloves.", "hospital"),
            ("The barley is ready to cut.", "farm"),
        ],
    ),
    _shots(
        "Who would care most: a sailor, a gardener or a banker?",
        "Text",
        "Reader",
        [
            ("The roses have black spots again.", "gardener"),
            ("Gales are expected off the northern cape.", "sailor"),
            ("The loan falls due in March.", "banker"),
        ],
    ),
    _shots(
        "How does the speaker feel?",
        "Text",
        "Feeling",
        [
            ("I could sing all day.", "happy"),
            ("They lost my suitcase again.", "angry"),
            ("The shop opens at nine.", "calm"),
        ],
    ),
    _shots(
        "Would the speaker come back, yes or no?",
        "Said",
        "Back",
        [
            ("The waiter was rude and the plates were dirty.", "no"),
            ("Best haircut I have had in years.", "yes"),
            ("We left before the second act.", "no"),
            ("The beds were soft and the view was lovely.", "yes"),
        ],
    ),
    _shots(
        "Is it praise or a complaint?",
        "Text",
        "Kind",
        [
            ("The zip broke on the first day.", "complaint"),
            ("This lamp gives a warm light and looks great.", "praise"),
            ("Our guide knew every street and every story.", "praise"),
            ("Nobody answers the phone there.", "complaint"),
        ],
    ),
    _shots(
        "How many stars, from 1 to 5?",
        "Review",
        "Stars",
        [
            ("It fell apart after a week.", "1"),
            ("A perfect evening from start to end.", "5"),
            ("It does what it should.", "3"),
        ],
    ),
    _shots(
        "Is the mood bright or dark?",
        "Line",
        "Mood",
        [
            ("The children ran laughing into the sea.", "bright"),
            ("No letter came that winter, or the next.", "dark"),
            ("She buried the dog under the oak.", "dark"),
            ("At last the sun reached the kitchen table.", "bright"),
        ],
    ),
)
