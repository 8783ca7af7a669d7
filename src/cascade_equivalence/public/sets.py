"""The public data sets that a study can name: where they are, what they must hold, how they are read.

Revisions are commits of the hub's repositories. Where `revision` is None, no commit is known, and the columns and the
number of rows are what tells that the data set is the one meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cascade_equivalence.errors import UsageError

Kind = Literal["text", "integer", "boolean", "texts", "audio", "any"]
"""What a column holds; `texts` is a list of strings, `audio` the hub's struct of bytes and path."""

Reader = Literal["news", "review", "commonsense", "trivia", "dialogue", "sarcasm", "columns"]
"""How a row becomes an item (`rows.py`)."""


@dataclass(frozen=True, slots=True)
class Hub:
    """A place on the hub: repository, commit (None: the newest), configuration (a folder of it) and split."""

    id: str
    revision: str | None
    split: str
    config: str | None = None

    def __str__(self) -> str:
        return (
            f"{self.id}@{(self.revision or 'main')[:12]}"
            + (f" {self.config}" if self.config else "")
            + f" {self.split}"
        )


@dataclass(frozen=True, slots=True)
class PublicSet:
    """One data set.

    form: the shipped form that words its prompts (None: the general wording). columns: name (dots reach into structs) →
    kind, asserted. rows: number of rows of the split, asserted (None: not known). labels: in the order of the choices.
    audio: the column with the sound, or None where the text is spoken. paper: items that the paper is taken to use.
    download_mb: what the hub holds of the split. seconds: of speech in an item, about. fields: for `columns` sets, our
    field → column.
    """

    name: str
    what: str
    form: str | None
    hub: Hub
    reader: Reader
    columns: Mapping[str, Kind]
    rows: int | None
    licence: str
    labels: tuple[str, ...] = ()
    audio: str | None = None
    paper: int | None = None
    download_mb: float = 0.0
    seconds: float = 5.0
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def spoken(self) -> bool:
        """Whether its texts must be spoken, since it brings no sound."""
        return self.audio is None


_TRIVIA: Mapping[str, Kind] = {
    "question": "text",
    "question_id": "text",
    "answer.value": "text",
    "answer.aliases": "texts",
    "answer.normalized_aliases": "texts",
}

SETS: dict[str, PublicSet] = {
    one.name: one
    for one in (
        PublicSet(
            "ag_news",
            "news stories, four topics",
            "topic",
            Hub("fancyzhx/ag_news", "eb185aade064a813bc0b7f42de02595523103ca4", "test"),
            "news",
            {"text": "text", "label": "integer"},
            7_600,
            "not stated; the source asks for non-commercial use",
            labels=("World", "Sports", "Business", "Sci/Tech"),
            paper=1_000,
            download_mb=1.2,
            seconds=16,
        ),
        PublicSet(
            "sst2",
            "sentences of film reviews, two sentiments",
            "sentiment",
            Hub("stanfordnlp/sst2", "8d51e7e4887a4caaa95b3fbebbf53c0490b58bbb", "validation"),
            "review",
            {"idx": "integer", "sentence": "text", "label": "integer"},
            872,
            "not stated",
            labels=("negative", "positive"),
            paper=872,
            download_mb=0.1,
            seconds=7,
        ),
        PublicSet(
            "commonsenseqa",
            "questions of common sense, five options each",
            "commonsense",
            Hub("tau/commonsense_qa", "94630fe30dad47192a8546eb75f094926d47e155", "validation"),
            "commonsense",
            {"id": "text", "question": "text", "choices.label": "texts", "choices.text": "texts", "answerKey": "text"},
            1_221,
            "MIT",
            paper=500,
            download_mb=0.2,
            seconds=5,
        ),
        PublicSet(
            "triviaqa",
            "trivia questions, open answers",
            "trivia",
            Hub("mandarjoshi/trivia_qa", "0f7faf33a3908546c6fd5b73a660e0f8ff173c2f", "validation", "rc.nocontext"),
            "trivia",
            _TRIVIA,
            17_944,
            "not stated",
            paper=500,
            download_mb=5.0,
            seconds=6,
        ),
        PublicSet(
            "trivia_qa-audio",
            "trivia questions spoken by Fixie.ai, open answers (rc.wikipedia, not rc.nocontext)",
            "trivia",
            Hub("fixie-ai/trivia_qa-audio", None, "validation", "rc.wikipedia"),
            "trivia",
            {**_TRIVIA, "question_audio": "audio"},
            1_000,
            "not stated",
            audio="question_audio",
            download_mb=153,
            seconds=5,
        ),
        PublicSet(
            "meld",
            "lines of a TV series, seven emotions",
            "emotion",
            Hub("TwinkStart/MELD", "9124a1a10ddc194e8c28d13748cdf8a0b844093e", "test"),
            "dialogue",
            {
                "Utterance": "text",
                "Speaker": "text",
                "Emotion": "text",
                "Sentiment": "text",
                "Dialogue_ID": "integer",
                "Utterance_ID": "integer",
                "Season": "integer",
                "Episode": "integer",
                "audio": "audio",
            },
            2_610,
            "GPL-3.0 (annotations); the clips are from TV",
            labels=("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"),
            audio="audio",
            paper=2_610,
            download_mb=1_531,
            seconds=3.5,
        ),
        PublicSet(
            "mustard",
            "lines of TV series, sarcastic or not",
            "sarcasm",
            Hub("DynamicSuperb/SarcasmDetection_Mustard", "d5c325e746da0387b4e91133e2059efab4589da5", "test"),
            "sarcasm",
            {
                "file": "text",
                "audio": "audio",
                "utterance": "text",
                "speaker": "text",
                "context": "texts",
                "context_speakers": "texts",
                "show": "text",
                "label": "boolean",
            },
            690,
            "MIT (annotations); the clips are from TV",
            labels=("sarcastic", "not sarcastic"),
            audio="audio",
            paper=690,
            download_mb=115,
            seconds=5,
        ),
    )
}


def public_set(name: str) -> PublicSet:
    """The data set of that name. Raises `UsageError` listing the names there are."""
    if name not in SETS:
        raise UsageError(
            f"no data set '{name}'; by name there are: {', '.join(SETS)} "
            "(any other: dataset: {hub: <id>, split: …, columns: {text: …, label: …}})"
        )
    return SETS[name]


FIELDS = ("id", "text", "audio", "label", "question", "choices", "speaker", "group")
"""What the columns of any other data set can be read as."""


def other_set(
    hub: str,
    columns: Mapping[str, str],
    split: str = "test",
    revision: str | None = None,
    config: str | None = None,
    labels: tuple[str, ...] = (),
) -> PublicSet:
    """Any data set on the hub: `columns` says which of its columns are read as which of `FIELDS`.

    labels: the names of integer labels, in order (default: those that the file itself records). Raises `UsageError`.
    """
    if unknown := [key for key in columns if key not in FIELDS]:
        raise UsageError(f"dataset '{hub}': columns names '{unknown[0]}'; there are: {', '.join(FIELDS)}")
    if "text" not in columns and "audio" not in columns:
        raise UsageError(f"dataset '{hub}': columns needs text: <column>, audio: <column>, or both")
    kinds: Mapping[str, Kind] = {"text": "text", "audio": "audio", "question": "text"}
    return PublicSet(
        hub.rpartition("/")[2],
        f"{hub} by columns",
        None,
        Hub(hub, revision, split, config),
        "columns",
        {column: kinds.get(key, "any") for key, column in columns.items()},
        None,
        "see its card",
        labels=labels,
        audio=columns.get("audio"),
        fields=dict(columns),
    )
