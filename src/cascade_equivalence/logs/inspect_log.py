"""inspect_ai logs: the zip archive `.eval` and the JSON form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import UsageError
from ..reading import values
from ..reading.terminal import short
from ..reading.values import MISSING, keys, label
from .archive import Archive
from .predictions import Predictions, checked, named
from .rows import Wanted, any_of

MATCHED_WHOLE = "choice"
"""The scorer for which several targets must all be chosen; for every other any of them will do."""


def is_inspect(document: Any) -> bool:
    """Does a parsed JSON document look like an inspect_ai log?"""
    return isinstance(document, Mapping) and "eval" in document and ("samples" in document or "status" in document)


def from_archive(data: bytes, path: str, wanted: Wanted) -> Predictions:
    """The bytes of an `.eval` file → predictions."""
    archive = Archive(data, path)
    members = archive.names("samples/")
    if not members:
        raise UsageError(f"{path}: no samples/ in the archive, so it is no inspect_ai log (or none was finished)")
    header = next(archive.values(archive.names("header.json")), None)
    if header is None and archive.names("_journal/"):
        header = {"status": "started"}
    return from_samples(archive.values(members), path, wanted, header)


def from_document(document: Mapping[str, Any], path: str, wanted: Wanted) -> Predictions:
    """The JSON form → predictions."""
    samples = document.get("samples")
    if samples is None:
        raise UsageError(f"{path}: an inspect_ai log without samples (status: {_status(document)}); nothing to compare")
    if not isinstance(samples, list):
        raise UsageError(f"{path}: 'samples' is no list, so this is no inspect_ai log")
    return from_samples(samples, path, wanted, document)


@dataclass(frozen=True, slots=True)
class _Sample:
    id: str
    epoch: int
    scores: dict[str, Mapping[str, Any]]
    failed: str | None
    besides: str | None
    """What is to be said of a sample that counts all the same."""
    row: Mapping[str, Any] = field(repr=False)


def from_samples(
    samples: Iterable[Any], path: str, wanted: Wanted, header: Mapping[str, Any] | None = None
) -> Predictions:
    """inspect_ai samples → predictions: one scorer's answer (`wanted.scorer`, else the first), `target` as gold.

    An item answered in several epochs stays apart per epoch, its epochs forming one group. A sample that ended in an
    error, was invalidated or was not scored is no answer: it is left out (or INVALID, as `wanted` says) and noted.
    """
    every = [_sample(one, path, number) for number, one in enumerate(samples, 1)]
    if not every:
        raise UsageError(f"{path}: no predictions in it (the log's status: {_status(header)})")
    scorers = tuple(dict.fromkeys(name for sample in every for name in sample.scores))
    scorer = wanted.scorer if wanted.scorer in scorers else next(iter(scorers), None)
    notes = _notes_of(header, path, len(every))
    by_key = wanted.prediction is not None
    kept, left_out = _answered(every, scorer, by_key)
    how = "counted as INVALID" if wanted.failed == "invalid" else "left out (--failed invalid counts them)"
    notes += [f"{path}: {len(found)} of {len(every)} samples {why}: {how}" for why, found in left_out.items()]
    besides = Counter(sample.besides for sample in kept if sample.besides)
    notes += [f"{path}: {many} of {len(every)} samples {words}" for words, many in besides.most_common(3)]
    if wanted.failed == "invalid":
        kept = every
    if not kept:
        why = "; ".join(f"{len(found)} {words}" for words, found in left_out.items())
        raise UsageError(f"{path}: no sample was answered and scored ({why})")
    answers = [_answer(sample, scorer, path, wanted) for sample in kept]
    if not by_key and all(answer is None for answer in answers):
        raise UsageError(
            f"{path}: no scorer recorded an answer; name a field with --left-key / --right-key, for example "
            f"scores.{next(iter(scorers), 'NAME')}.value"
        )
    if len(scorers) > 1 and not by_key:
        notes.append(f"several scorers ({named(scorers)}): the answer of {short(scorer)} is read")
    repeated = len({sample.epoch for sample in every}) > 1
    golds = [_gold(sample, scorer, path, wanted) for sample in kept]
    predictions = [label(answer, f"{path}, sample {sample.id}") for sample, answer in zip(kept, answers, strict=True)]
    predictions, gold, accepted = any_of(predictions, golds)
    if accepted:
        notes.append(f"{accepted} items have several accepted targets: any of them counts, as the first one")
    right, partial, words = _right(kept, scorer)
    return checked(
        Predictions(
            path=path,
            format="inspect",
            ids=[f"{sample.id}#{sample.epoch}" if repeated else sample.id for sample in kept],
            predictions=predictions,
            gold=gold if any(g is not None for g in gold) else None,
            groups=[sample.id for sample in kept] if repeated else None,
            notes=(*notes, *words),
            right=right,
            grade=f"scores.{scorer}.value" if scorer else None,
            partial=partial,
            chosen=by_key or wanted.gold is not None,
            scorers=scorers,
            epochs=repeated,
        )
    )


def _sample(one: Any, path: str, number: int) -> _Sample:
    if not isinstance(one, Mapping) or "id" not in one:
        raise UsageError(f"{path}: a sample without id, so this is no inspect_ai log")
    name = None if isinstance(one["id"], dict | list) else label(one["id"], f"{path}, sample {number}: the id")
    if name is None:
        raise UsageError(f"{path}, sample {number}: its id is empty or no text")
    where = f"{path}, sample {short(name)}"
    epoch = one.get("epoch", 1)
    if isinstance(epoch, bool) or not isinstance(epoch, int):
        raise UsageError(f"{where}: 'epoch' is {type(epoch).__name__}, not a whole number; is it an inspect_ai log?")
    scores = one.get("scores")
    if scores is None and one.get("score") is not None:
        scores = {"score": one["score"]}
    if scores is not None and not isinstance(scores, Mapping):
        raise UsageError(f"{where}: 'scores' is {type(scores).__name__}, not an object; is it an inspect_ai log?")
    # Old logs keep the bare value where newer ones have an object.
    found = {str(k): s if isinstance(s, Mapping) else {"value": s} for k, s in (scores or {}).items() if s is not None}
    error = one.get("error")
    failed = besides = None
    if one.get("invalidation"):
        failed = "were invalidated"
    elif error and not found:
        message = error.get("message") if isinstance(error, Mapping) else error
        failed = f"ended in an error ({short(message, 60)})"
    elif error:
        besides = "ended in an error and were scored all the same"
    elif limit := one.get("limit"):
        kind = limit.get("type") if isinstance(limit, Mapping) else limit
        besides = f"were stopped by a limit ({short(kind, 20)}) and scored as they were"
    return _Sample(name, epoch, found, failed, besides, one)


def _answered(every: list[_Sample], scorer: str | None, by_key: bool) -> tuple[list[_Sample], dict[str, list[_Sample]]]:
    kept: list[_Sample] = []
    out: dict[str, list[_Sample]] = {}
    for sample in every:
        why = sample.failed
        if why is None and not by_key and scorer not in sample.scores:
            why = "were not scored" if not sample.scores else f"were not scored by {short(scorer)}"
        if why is None and by_key and not sample.scores and scorer is not None:
            why = "were not scored"
        if why is None:
            kept.append(sample)
        else:
            out.setdefault(why, []).append(sample)
    if len(out) > 3:  # as many messages as samples
        out = {"ended in errors of several kinds": [sample for found in out.values() for sample in found]}
    return kept, out


def _answer(sample: _Sample, scorer: str | None, path: str, wanted: Wanted) -> Any:
    if wanted.prediction is None:
        return None if sample.failed or scorer is None else sample.scores.get(scorer, {}).get("answer")
    found = values.field(sample.row, wanted.prediction)
    if found is not MISSING:
        return found
    if sample.failed or not sample.scores:
        return None
    raise UsageError(
        f"{path}, sample {sample.id}: no field {wanted.prediction!r}; the scores have: "
        f"{', '.join('scores.' + k for k in keys(sample.scores)) or 'nothing'}"
    )


def _gold(sample: _Sample, scorer: str | None, path: str, wanted: Wanted) -> str | list[str] | None:
    found = values.field(sample.row, wanted.gold) if wanted.gold else sample.row.get("target", MISSING)
    if found is MISSING:
        return None
    where = f"{path}, sample {sample.id}: the target"
    if isinstance(found, list) and len(found) != 1:
        words = [word for one in found if (word := label(one, where)) is not None]
        if scorer == MATCHED_WHOLE and words:
            return ", ".join(words)
        return words or None
    return label(found, where)


def _right(kept: list[_Sample], scorer: str | None) -> tuple[list[bool | None] | None, int, list[str]]:
    """What the scorer said: right, wrong (no answer counts so in inspect_ai) or nothing; and how many partly right."""
    right: list[bool | None] = []
    other: Counter[str] = Counter()
    for sample in kept:
        value = sample.scores.get(scorer or "", {}).get("value")
        try:
            said = values.grade(value)
        except ValueError as error:
            other[str(error)] += 1
            right.append(None)
            continue
        right.append(False if said is None and value in ("N", "n") else said)
    if not other:
        return (right if any(r is not None for r in right) else None), 0, []
    if set(other) <= {"P", "p"}:
        return None, sum(other.values()), []
    example = short(next(iter(other)), 20)
    return None, 0, [f"scores.{short(scorer)}.value is a score ({example}), not right or wrong: it is not compared"]


def _status(header: Mapping[str, Any] | None) -> str:
    status = header.get("status") if isinstance(header, Mapping) else None
    return short(status, 20) if isinstance(status, str) else "not said"


def _notes_of(header: Mapping[str, Any] | None, path: str, samples: int) -> list[str]:
    """What the log says of itself where it did not end well, or counts more samples than are in it."""
    if not isinstance(header, Mapping):
        return []
    dataset = values.field(header, "eval.dataset.sample_ids")
    epochs = values.field(header, "eval.config.epochs")
    planned = len(dataset) * (epochs if isinstance(epochs, int) else 1) if isinstance(dataset, list) else None
    of = f" of {planned} planned" if planned and planned > samples else ""
    if isinstance(header.get("status"), str) and header["status"] != "success":
        return [f"{path}: the log's status is '{_status(header)}', not 'success': {samples}{of} samples are in it"]
    counted = values.field(header, "results.total_samples")
    if isinstance(counted, int) and not isinstance(counted, bool) and counted > samples:
        return [f"{path}: the log's results count {counted} samples, and {samples} are in it"]
    return []
