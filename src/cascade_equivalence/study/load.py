"""From the journal to records: the answers that the study wants, and what stands beside them. Needs no models."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

from cascade_equivalence.errors import RunError
from cascade_equivalence.run.journal import AnswerRow, ClipRow, Journal, ReplyRow, TranscriptRow
from cascade_equivalence.run.layout import JOURNAL
from cascade_equivalence.study.arms import Arm
from cascade_equivalence.study.mechanism.facts import Analyses
from cascade_equivalence.study.records import (
    Answer,
    ArmRecord,
    Given,
    HearingTrials,
    Identity,
    LatencyRecord,
    MatchGrade,
    Repeats,
    StudyRecord,
    TaskRecord,
    Transcript,
    damaged,
    decode,
)

R = TypeVar("R")
Row = TypeVar("Row", AnswerRow, ReplyRow, TranscriptRow, ClipRow)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run as its journal describes it.

    tasks: as the study names them; variants: the same with options in other orders. given: the answers that the study
    wants, those of earlier versions of it left out; clips: what they heard. gated: whether arms had to show that they
    hear (journals from before the hearing check: no).
    """

    study: StudyRecord
    tasks: tuple[TaskRecord, ...]
    variants: tuple[TaskRecord, ...]
    arms: tuple[Arm, ...]
    matches: tuple[MatchGrade, ...]
    environment: Mapping[str, str]
    given: Given
    clips: tuple[ClipRow, ...]
    gated: bool


def load(directory: Path) -> Recorded:
    """Read a run. Raises `RunError` where there is none, nothing in it yet, or what is there is damaged."""
    journal = Journal(directory / JOURNAL, create=False)
    try:
        journal.check()
        if journal.fact("study") is None:
            raise RunError(f"{directory}: the run has not recorded its study yet; run it first")
        return _Loader(journal).load()
    finally:
        journal.close()


@dataclass(frozen=True, slots=True)
class _Loader:
    journal: Journal
    same: dict[str, str] = field(default_factory=dict)
    """One object for equal strings: names, hashes and texts stand in many answers."""
    sound: set[tuple[type, ...]] = field(default_factory=set)
    """A kind of row and its values' types, where they are those of its columns."""

    def load(self) -> Recorded:
        study = self._required(StudyRecord, "study")
        every = tuple(
            # Tasks had no conditions of their own at first.
            replace(task, conditions=task.conditions or study.conditions)
            for task in self._required(tuple[TaskRecord, ...], "tasks")
        )
        recorded = self._optional(dict[str, ArmRecord], "arms")
        wanted = self._required(dict[str, dict[str, tuple[str, ...]]], "wanted")
        given = self._given(wanted)
        if not any(answer for per in given.values() for answers in per.values() for answer in answers):
            raise RunError(f"{self.journal.path.parent}: no answers in the journal yet; run the study again to go on")
        arms = tuple(self._arms(recorded or _before_speech_llms(study), wanted))
        for arm in arms:
            if missing := [task.name for task in every if task.name not in given.get(arm.name, {})]:
                raise self._damaged(f"fact 'wanted' has no answers of arm '{arm.name}' on '{missing[0]}'")
        tasks = tuple(task for task in every if not task.variant_of)
        for task in every:
            if task.variant_of and task.variant_of not in {other.name for other in tasks}:
                raise self._damaged(f"task '{task.name}' is a variant of '{task.variant_of}', which is not there")
        heard = {answer.clip for per in given.values() for rows in per.values() for answer in rows if answer}
        clips = self.journal.rows(ClipRow).values()
        return Recorded(
            study=study,
            tasks=tasks,
            variants=tuple(task for task in every if task.variant_of),
            arms=arms,
            matches=self._optional(tuple[MatchGrade, ...], "matches") or (),
            environment=self._optional(dict[str, str], "environment") or {},
            given=given,
            clips=tuple(self._typed(row) for row in clips if row.sha256 in heard),
            gated=recorded is not None,
        )

    def _arms(
        self, recorded: Mapping[str, ArmRecord], wanted: Mapping[str, Mapping[str, tuple[str, ...]]]
    ) -> Iterator[Arm]:
        identities = self._required(dict[str, Identity], "identities")
        timed = decode(tuple[LatencyRecord, ...], self.journal.facts("latency:"), self._where("latency:"))
        for name, arm in recorded.items():
            for key in (arm.asr, arm.llm):
                if key is not None and key not in identities:
                    raise self._damaged(f"fact 'identities' has no '{key}', a model of arm '{name}'")
            yield Arm(
                name=name,
                kind=arm.kind,
                asr=identities[arm.asr] if arm.asr else None,
                llm=identities[arm.llm] if arm.llm else None,
                asr_key=arm.asr,
                llm_key=arm.llm,
                latency=self._latency(name, arm, timed, wanted.get(name, {})),
                speech=arm.speech,
                parts=arm.parts,
                same=arm.same,
                hearing=self._optional(HearingTrials, arm.hearing),
                repeats=self._optional(Repeats, arm.retest),
                analyses=decode(
                    Analyses,
                    {name: fact for name, key in arm.mechanism.items() if (fact := self.journal.fact(key)) is not None},
                    self._where("arms", f"the analyses of '{name}'"),
                ),
                planted=arm.planted,
                bytes=arm.bytes,
            )

    def _latency(
        self, name: str, arm: ArmRecord, timed: tuple[LatencyRecord, ...], wanted: Mapping[str, tuple[str, ...]]
    ) -> tuple[Mapping[str, float], ...]:
        """Of the arm's timed items those of the study as it is now; in a journal that does not say which, the last."""
        own = self._optional(LatencyRecord, arm.latency)
        if own is None and arm.latency is not None:
            # What stands under the name may be another system's, whose place this one took.
            return ()
        if own is None:
            keys = (f"latency:{key}" for keys in wanted.values() for key in keys)
            there = any(record.arm == name for record in timed)
            found = next((fact for key in keys if there and (fact := self.journal.fact(key))), None)
            own = None if found is None else decode(LatencyRecord, found, self._where("latency:"))
        mine = [own] if own else [record for record in timed if record.arm == name]
        return mine[-1].stages if mine else ()

    def _given(self, wanted: Mapping[str, Mapping[str, tuple[str, ...]]]) -> Given:
        keys = list({key: None for per in wanted.values() for some in per.values() for key in some})
        # One object for all arms and tasks that read it.
        transcripts: dict[str, Transcript] = {}
        made: dict[str, Answer] = {}
        # Part by part, since rows take more memory than the answers made of them.
        for start in range(0, len(keys), _ROWS_AT_ONCE):
            rows = [self._typed(row) for row in self.journal.each(AnswerRow, keys[start : start + _ROWS_AT_ONCE])]
            replies = self.journal.rows(ReplyRow, {row.reply for row in rows})
            unread = {row.transcript for row in rows if row.transcript} - transcripts.keys()
            transcripts |= {row.key: self._transcript(row) for row in self.journal.each(TranscriptRow, unread)}
            made |= {row.key: self._answer(row, replies, transcripts) for row in rows}
        return {
            arm: {task: tuple(made.get(key) for key in keys) for task, keys in per.items()}
            for arm, per in wanted.items()
        }

    def _answer(self, row: AnswerRow, replies: Mapping[str, ReplyRow], transcripts: Mapping[str, Transcript]) -> Answer:
        heard = None if row.transcript is None else self._row(transcripts, row.transcript, "transcript", row)
        reply = self._typed(self._row(replies, row.reply, "reply", row))
        one = self.same.setdefault
        return Answer(
            item=one(row.item, row.item),
            condition=one(row.condition, row.condition),
            label=one(row.label, row.label),
            tie=bool(row.tie),
            read=one(reply.content, reply.content),
            compute_s=reply.compute_s + (heard.compute_s if heard else 0.0),
            clip=row.clip and one(row.clip, row.clip),
            transcript=heard,
            served=reply.served,
            scores=self._scores(reply),
            said=reply.text if reply.ended != "refused" else None,
            note=row.note,
        )

    def _scores(self, reply: ReplyRow) -> tuple[float | None, ...] | None:
        if reply.scores is None:
            return None
        try:
            found = json.loads(reply.scores)
            if isinstance(found, list) and all(type(score) is float for score in found):
                return tuple(found)
            return decode(tuple[float | None, ...], found, self._where("scores"))
        except ValueError:
            raise self._damaged(f"ReplyRow {reply.key[:20]}: scores is {reply.scores[:40]!r}") from None

    def _transcript(self, row: TranscriptRow) -> Transcript:
        self._typed(row)
        return Transcript(self.same.setdefault(row.text, row.text), row.logprob, bool(row.complete), row.compute_s)

    def _row(self, rows: Mapping[str, R], key: str, what: str, of: AnswerRow) -> R:
        if key not in rows:
            raise self._damaged(f"the {what} of arm '{of.arm}' on {of.task}, {of.item}, {of.condition} is not there")
        return rows[key]

    def _typed(self, row: Row) -> Row:
        """The row, if its values are of the columns' types: SQLite keeps whatever bytes are there."""
        types = (type(row), *map(type, _VALUES[type(row)](row)))
        if types in self.sound:
            return row
        for column in fields(row):
            value = getattr(row, column.name)
            kinds = _COLUMNS[str(column.type).removesuffix(" | None")]
            if not (value is None and str(column.type).endswith("None")) and not isinstance(value, kinds):
                raise self._damaged(f"{type(row).__name__} {str(row.key)[:20]}: {column.name} is {str(value)[:40]!r}")
        self.sound.add(types)
        return row

    def _required(self, kind: type[R], key: str) -> R:
        found = self._optional(kind, key)
        if found is None:
            raise self._damaged(f"fact '{key}' is not there")
        return found

    def _optional(self, kind: type[R], key: str | None) -> R | None:
        """A fact, None where there is none (yet)."""
        found = self.journal.fact(key) if key else None
        return None if key is None or found is None else decode(kind, found, self._where(key))

    def _where(self, key: str, what: str | None = None) -> str:
        return f"{self.journal.path}: {what or f'fact {key[:80]!r}'}"

    def _damaged(self, what: str) -> RunError:
        return damaged(f"{self.journal.path}: {what}")


_ROWS_AT_ONCE = 5000
_VALUES: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    kind: attrgetter(*(column.name for column in fields(kind)))
    for kind in (AnswerRow, ReplyRow, TranscriptRow, ClipRow)
}
_COLUMNS: dict[str, type | tuple[type, ...]] = {"str": str, "int": int, "float": (int, float)}


def _before_speech_llms(study: StudyRecord) -> dict[str, ArmRecord]:
    """The arms of a journal that has none recorded: gold arms and cascades, as the study names them."""
    return {
        name: decode(
            ArmRecord, asdict(spec) | {"kind": "gold" if spec.transcript else "cascade"}, f"the study's arm '{name}'"
        )
        for name, spec in study.arms.items()
    }
