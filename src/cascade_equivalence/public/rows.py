"""From a data set's row to a row of the manifest: one function a data set, the original always kept in `meta`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cascade_equivalence.errors import UsageError
from cascade_equivalence.public import text
from cascade_equivalence.public.sets import PublicSet
from cascade_equivalence.tasks.parsing import normalise_answer

Row = Mapping[str, Any]
Made = dict[str, Any]


def manifest_rows(chosen: PublicSet, rows: Iterable[Row], labels: tuple[str, ...] = ()) -> Iterable[Made]:
    """The manifest's rows, one at a time, in the order of the data; a row that is the same question again is left out.

    Sound stays under `audio` as it came. labels: names of integer labels that the file records. Raises `UsageError`
    naming the row.
    """
    make = _READERS[chosen.reader]
    seen: set[str] = set()
    for number, row in enumerate(rows):
        made = make(chosen, row, number, labels)
        if chosen.reader == "trivia":
            asked = normalise_answer(made["text"])
            if asked in seen:
                continue
            seen.add(asked)
        yield {"choices": list(chosen.labels), **made} if chosen.labels else made


def shuffled(chosen: PublicSet, rows: list[Made]) -> list[Made]:
    """The rows in an order that a hash of their ids gives, so that the first n of them are a random sample."""
    return sorted(rows, key=lambda row: hashlib.sha256(f"{chosen.name}\x1f{row['id']}".encode()).digest())


def _label(chosen: PublicSet, value: Any, number: int, names: tuple[str, ...] = ()) -> str:
    names = chosen.labels or names
    if isinstance(value, int) and not isinstance(value, bool) and names:
        if 0 <= value < len(names):
            return names[value]
        raise _wrong(chosen, number, f"label {value} is not one of 0 to {len(names) - 1} ({', '.join(names)})")
    if chosen.labels and value not in chosen.labels:
        raise _wrong(chosen, number, f"label {value!r} is not among {', '.join(chosen.labels)}")
    return str(value)


def _wrong(chosen: PublicSet, number: int, message: str) -> UsageError:
    return UsageError(f"{chosen.name}, row {number}: {message}; this is not the data set that is meant ({chosen.hub})")


def _words(chosen: PublicSet, value: str, number: int) -> str:
    if not any(c.isalnum() for c in value):
        raise _wrong(chosen, number, "there are no words in it")
    return value


def _news(chosen: PublicSet, row: Row, number: int, _: tuple[str, ...]) -> Made:
    return {
        "id": f"agnews-{chosen.hub.split}-{number:04d}",
        "text": _words(chosen, text.news(row["text"]), number),
        "question": "Which topic is this news story about?",
        "label": _label(chosen, row["label"], number),
        "meta": {"row": number, "original": row["text"]},
    }


def _review(chosen: PublicSet, row: Row, number: int, _: tuple[str, ...]) -> Made:
    return {
        "id": f"sst2-{chosen.hub.split}-{row['idx']:04d}",
        "text": _words(chosen, text.detokenised(row["sentence"]), number),
        "question": "Is the sentiment of this sentence positive or negative?",
        "label": _label(chosen, row["label"], number),
        "meta": {"row": number, "original": row["sentence"]},
    }


def _commonsense(chosen: PublicSet, row: Row, number: int, _: tuple[str, ...]) -> Made:
    options = dict(zip(row["choices"]["label"], row["choices"]["text"], strict=True))
    if row["answerKey"] not in options:
        raise _wrong(chosen, number, f"answerKey {row['answerKey']!r} is not among {', '.join(options)}")
    asked = _words(chosen, text.question(row["question"]), number)
    return {
        "id": row["id"],
        "text": asked,
        "question": asked,
        "choices": [{"label": label, "text": option} for label, option in options.items()],
        "label": row["answerKey"],
        "meta": {"row": number, "original": row["question"], "concept": row.get("question_concept")},
    }


def _trivia(chosen: PublicSet, row: Row, number: int, _: tuple[str, ...]) -> Made:
    asked = _words(chosen, text.question(row["question"]), number)
    answer = row["answer"]
    aliases = [answer["value"], *answer["normalized_aliases"], *answer["aliases"]]
    accepted = list({normalise_answer(alias): alias for alias in reversed(aliases) if alias and alias.strip()}.values())
    if not accepted:
        raise _wrong(chosen, number, "it has no answer (a test split hides them)")
    made: Made = {
        "id": row["question_id"],
        "text": asked,
        "question": asked,
        "label": accepted[::-1],
        "meta": {"row": number, "original": row["question"], "aliases": list(answer["aliases"])},
    }
    return made | _sound(chosen, row)


def _dialogue(chosen: PublicSet, row: Row, number: int, _: tuple[str, ...]) -> Made:
    return {
        "id": f"dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}",
        "text": _words(chosen, text.line(row["Utterance"]), number),
        "question": "Which emotion does the speaker show?",
        "label": _label(chosen, row["Emotion"].strip().lower(), number),
        "speaker": row["Speaker"],
        "group": f"dia{row['Dialogue_ID']}",
        "meta": {
            "row": number,
            "original": row["Utterance"],
            "sentiment": row["Sentiment"],
            "season": row["Season"],
            "episode": row["Episode"],
        },
    } | _sound(chosen, row)


def _sarcasm(chosen: PublicSet, row: Row, number: int, _: tuple[str, ...]) -> Made:
    return {
        "id": str(row["file"]).rpartition("/")[2].rpartition(".")[0] or str(row["file"]),
        "text": _words(chosen, text.line(row["utterance"]), number),
        "question": "Is the speaker being sarcastic?",
        "label": chosen.labels[0 if row["label"] else 1],
        "speaker": row["speaker"],
        # The label is confounded with the show: figures are wanted show by show, and four shows are no clusters.
        "stratum": row["show"],
        "meta": {
            "row": number,
            "original": row["utterance"],
            "show": row["show"],
            "context": list(row["context"] or ()),
            "context_speakers": list(row["context_speakers"] or ()),
        },
    } | _sound(chosen, row)


def _columns(chosen: PublicSet, row: Row, number: int, names: tuple[str, ...]) -> Made:
    """Any other data set: its columns as they are."""

    def of(key: str) -> Any:
        value: Any = row
        for part in chosen.fields[key].split(".") if key in chosen.fields else ():
            value = value[part] if isinstance(value, Mapping) else None
        return value if key in chosen.fields else None

    made: Made = {"id": str(number) if of("id") is None else str(of("id")), "meta": {"row": number}}
    if of("text") is not None:
        made["text"] = _words(chosen, text.spaced(text.straight(of("text"))), number)
        made["meta"]["original"] = of("text")
    for key in ("question", "speaker", "group"):
        if of(key) is not None:
            made[key] = str(of(key))
    if (choices := of("choices")) is not None:
        if isinstance(choices, Mapping):
            pairs = zip(choices["label"], choices["text"], strict=True)
            choices = [{"label": str(label), "text": str(option)} for label, option in pairs]
        made["choices"] = list(choices)
    if (label := of("label")) is not None:
        if isinstance(label, int) and not isinstance(label, bool) and not (chosen.labels or names) and choices:
            made["label"] = made["choices"][label]
        else:
            made["label"] = list(label) if isinstance(label, list) else _label(chosen, label, number, names)
        if "choices" not in made and not isinstance(label, list) and (chosen.labels or names):
            made["choices"] = list(chosen.labels or names)
    return made | _sound(chosen, row)


def _sound(chosen: PublicSet, row: Row) -> Made:
    return {"audio": row[chosen.audio]} if chosen.audio else {}


_READERS: dict[str, Callable[[PublicSet, Row, int, tuple[str, ...]], Made]] = {
    "news": _news,
    "review": _review,
    "commonsense": _commonsense,
    "trivia": _trivia,
    "dialogue": _dialogue,
    "sarcasm": _sarcasm,
    "columns": _columns,
}
