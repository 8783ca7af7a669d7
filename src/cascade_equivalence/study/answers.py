"""The answers of a run as a table: one row an answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, overload

from cascade_equivalence.study.load import Recorded
from cascade_equivalence.study.records import Answer, ItemRecord, TaskRecord
from cascade_equivalence.study.word_errors import words_wrong

if TYPE_CHECKING:
    import pandas
    import polars


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One arm's answer on one item under one condition (of a gold arm: `text`, asked once for all of them).

    label: as the study calibrates it, or INVALID; note says why it is INVALID. gold: the right label, the first of
    several; right: whether the label is; None without gold. tie: whether the best two labels were equal. scores:
    label → raw mean log-likelihood per token, before calibration; None where the answer was generated. said: the text
    that was generated. spoken: the item's words; heard: an ASR's transcript of them, None for an arm that has none;
    wer: its word errors over the words spoken, after Whisper's English normaliser, None where either is not known.
    seconds: of the models, as if nothing had been shared with another arm. clip: hash of what was heard; clip_seconds:
    its length.
    """

    task: str
    item: str
    condition: str
    arm: str
    label: str
    gold: str | None
    right: bool | None
    tie: bool
    scores: Mapping[str, float | None] | None
    said: str | None
    note: str | None
    spoken: str | None
    heard: str | None
    wer: float | None
    seconds: float
    clip: str | None
    clip_seconds: float | None
    group: str | int | None
    speaker: str | int | None


COLUMNS = tuple(column.name for column in fields(AnswerRow))


@dataclass(frozen=True, slots=True)
class Answers(Sequence[AnswerRow]):
    """Rows in the order of the study: task, arm, condition, item."""

    rows: tuple[AnswerRow, ...]

    @overload
    def __getitem__(self, index: int) -> AnswerRow: ...

    @overload
    def __getitem__(self, index: slice) -> Answers: ...

    def __getitem__(self, index: int | slice) -> AnswerRow | Answers:
        return Answers(self.rows[index]) if isinstance(index, slice) else self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[AnswerRow]:
        return iter(self.rows)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Each row as a dict by column."""
        return [{name: getattr(row, name) for name in COLUMNS} for row in self.rows]

    def to_pandas(self) -> pandas.DataFrame:
        """A data frame; needs pandas."""
        import pandas

        return pandas.DataFrame(self.to_dicts(), columns=list(COLUMNS))

    def to_polars(self) -> polars.DataFrame:
        """A data frame; needs polars. Scores are a list of structs `label`, `score`, as tasks differ in labels."""
        import polars

        rows = self.to_dicts()
        for row in rows:
            if row["scores"] is not None:
                row["scores"] = [{"label": label, "score": score} for label, score in row["scores"].items()]
        return polars.DataFrame(rows, infer_schema_length=None)


def answers_of(run: Recorded) -> Answers:
    """All answers of a run that are there, those of option orders included."""
    seconds = {row.sha256: row.seconds for row in run.clips}
    rows = []
    for task in (*run.tasks, *run.variants):
        items = {item.id: item for item in task.items}
        for arm in run.arms:
            for answer in run.given[arm.name][task.name]:
                if answer is not None:
                    rows.append(_row(task, items[answer.item], arm.name, answer, seconds))
    return Answers(tuple(rows))


def _row(task: TaskRecord, item: ItemRecord, arm: str, answer: Answer, seconds: Mapping[str, float]) -> AnswerRow:
    heard = None if answer.transcript is None else answer.transcript.text
    scores = None
    if answer.scores is not None and len(answer.scores) == len(item.choices):
        scores = dict(zip(item.choices, answer.scores, strict=True))
    return AnswerRow(
        task=task.name,
        item=item.id,
        condition=answer.condition,
        arm=arm,
        label=answer.label,
        gold=item.accepted[0] if item.accepted else None,
        right=task.right(item, answer.label),
        tie=answer.tie,
        scores=scores,
        said=answer.said,
        note=answer.note,
        spoken=item.text,
        heard=heard,
        wer=None if heard is None or not item.text else _word_errors(item.text, heard),
        seconds=answer.compute_s,
        clip=answer.clip,
        clip_seconds=seconds.get(answer.clip or ""),
        group=item.group,
        speaker=item.speaker,
    )


@cache
def _normaliser() -> Any:
    from whisper_normalizer.english import EnglishTextNormalizer

    return EnglishTextNormalizer()


@cache
def _word_errors(spoken: str, heard: str) -> float | None:
    said, read = _normaliser()(spoken), _normaliser()(heard)
    return words_wrong(said, read) / len(said.split()) if said else None
