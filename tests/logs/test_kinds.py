"""Kinds of trouble in other tools' files: each has its right value, or one error that names the cure."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from cascade_equivalence.errors import UsageError
from cascade_equivalence.logs import join, read, read_pair

gzipped = partial(gzip.compress, mtime=0)
"""The same bytes in every process: tests are named by their data."""


def lines(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def write(tmp_path: Path, text: str | bytes, name: str = "file") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def sample(
    number: int, target: object, value: object = "C", answer: object = None, **more: object
) -> dict[str, object]:
    return {"id": number, "epoch": 1, "target": target, "scores": {"match": {"value": value, "answer": answer}}} | more


def inspect(tmp_path: Path, *samples: object, name: str = "log.json", status: str = "success") -> Path:
    return write(tmp_path, json.dumps({"version": 2, "status": status, "eval": {}, "samples": samples}), name)


def accuracy(joined: object, side: str = "left") -> float | None:
    gold = joined.gold  # type: ignore[attr-defined]
    return None if gold is None else float((getattr(joined, side) == gold)[gold >= 0].mean())


# -- grades


def test_an_answer_that_the_scorer_calls_right_is_the_gold_answer(tmp_path: Path) -> None:
    said = ["Yes.", "yes", "Yes", "No", "no!", "maybe"]
    value = ["C", "C", "C", "I", "I", "I"]
    log = read(inspect(tmp_path, *(sample(i, " Yes", v, a) for i, (a, v) in enumerate(zip(said, value, strict=True)))))
    joined = join(log, log)
    assert accuracy(joined) == 0.5
    assert "2 answers" in joined.notes["left_grades"]
    assert "--left-key scores.match.value --right-key scores.match.value --graded" in joined.notes["left_grades"]


def test_a_grade_against_equal_labels_leaves_no_accuracy(tmp_path: Path) -> None:
    log = read(inspect(tmp_path, *(sample(i, "A", "CI"[i % 2], "A") for i in range(4)), sample(9, "B", "C", "B")))
    joined = join(log, log)
    assert joined.gold is None
    assert "calls 2 answers wrong that equal the gold label" in joined.notes["accuracy"]
    assert "--graded" in joined.notes["accuracy"]


def test_partly_right_is_neither(tmp_path: Path) -> None:
    log = read(inspect(tmp_path, *(sample(i, "AB"[i % 2], "CIPN"[i % 4], "A") for i in range(8))))
    assert log.partial == 2
    assert "partly right" in join(log, log).notes["accuracy"]


@pytest.mark.parametrize("value", [0.25, {"a": 1}, [1, 0], "excellent"])
def test_a_score_that_is_no_grade_is_not_compared(tmp_path: Path, value: object) -> None:
    log = read(inspect(tmp_path, *(sample(i, "AB"[i % 2], value, "A") for i in range(4))))
    assert log.right is None
    assert accuracy(join(log, log)) == 0.5
    assert "not right or wrong" in log.notes[0]


def test_named_fields_are_compared_with_the_grade_and_change_nothing(tmp_path: Path) -> None:
    rows = [{"id": i, "answer": "ab"[i % 2], "label": "a", "correct": i < 3} for i in range(4)]
    log = read(write(tmp_path, lines(*rows)), key="answer")
    joined = join(log, log)
    assert accuracy(joined) == 0.5
    assert "on 1 items" in joined.notes["left_grades"]


def test_a_grade_in_plain_rows(tmp_path: Path) -> None:
    rows = [{"id": i, "prediction": "ab"[i % 2] + ".", "label": "a", "correct": i % 2 == 0} for i in range(4)]
    assert accuracy(join(*[read(write(tmp_path, lines(*rows)))] * 2)) == 0.5


def test_nothing_matches_no_accuracy(tmp_path: Path) -> None:
    left = read(
        write(tmp_path, lines(*({"id": i, "prediction": "xy"[i % 2], "label": "ab"[i % 2]} for i in range(6))), "l")
    )
    joined = join(left, left)
    assert joined.gold is None
    assert "κ alone decides" in joined.notes["accuracy"]
    right = read(write(tmp_path, lines(*({"id": i, "prediction": "ab"[i % 2]} for i in range(6))), "r"))
    assert "no prediction in" in join(left, right).notes["labels"]
    wrong = read(write(tmp_path, lines(*({"id": i, "prediction": "no", "label": "yes"} for i in range(6))), "w"))
    assert accuracy(join(read(write(tmp_path, lines(*({"id": i, "prediction": "yes"} for i in range(6))))), wrong)) == 1


def test_free_texts_are_said(tmp_path: Path) -> None:
    def log(who: str) -> Path:
        samples = (sample(i, f"fact {i}", "CI"[i % 2], f"{who} says fact {i} is so") for i in range(20))
        return inspect(tmp_path, *samples, name=f"{who}.json")

    joined = join(*read_pair(log("alpha"), log("beta")))
    assert joined.free_texts
    assert "--graded" in joined.notes["free_texts"]
    assert accuracy(joined) == 0.5
    assert not join(*[read(log("alpha"))] * 2).free_texts


# -- lm-evaluation-harness


def scored(
    number: int, scores: list[float], target: object, texts: list[str] | None = None, **more: object
) -> dict[str, object]:
    return {
        "doc_id": number,
        "target": target,
        "arguments": {
            f"gen_args_{i}": {"arg_0": "q", "arg_1": f" {t}"} for i, t in enumerate(texts or ["a", "b", "c"])
        },
        "filtered_resps": [[str(s), "False"] for s in scores],
        "filter": "none",
        **more,
    }


@pytest.mark.parametrize("target", [1, "1", "b", " b ", "B", [1], ["b"], [1, 2]])
def test_targets_are_looked_up_among_the_choices(tmp_path: Path, target: object) -> None:
    rows = [scored(0, [-1, -2, -3], target), scored(1, [-2, -1, -3], target)]
    for different in (False, True):
        if different:
            rows.append(scored(2, [-1, -2, -3], target, ["x", "b", "z"]))
        log = read(write(tmp_path, lines(*rows)))
        assert accuracy(join(log, log)) == 1 / len(rows)


def test_a_number_among_the_choices_is_a_text_first(tmp_path: Path) -> None:
    rows = [scored(i, [-1, -2, -3], "2", ["2", "1", "0"]) for i in range(3)]
    assert accuracy(join(*[read(write(tmp_path, lines(*rows)))] * 2)) == 1


def test_contexts_that_differ_are_told_by_the_logs_grade(tmp_path: Path) -> None:
    """Two choices with one continuation: the grade names the right one. Of three it may not: then there is a reason."""
    two = [scored(i, [-1, -2], "end", ["end", "end"], acc=float(i < 3)) for i in range(4)]
    assert accuracy(join(*[read(write(tmp_path, lines(*two)))] * 2)) == 0.75
    three = [scored(i, [-1, -2, -3], "end", ["end"] * 3, acc=float(i < 3)) for i in range(4)]
    assert accuracy(join(*[read(write(tmp_path, lines(*three)))] * 2)) == 0.75


def test_a_likelihood_that_is_no_number_is_invalid(tmp_path: Path) -> None:
    log = read(write(tmp_path, lines(scored(0, [float("nan"), -1, -2], 0), scored(1, [-1, float("-inf"), -2], 0))))
    assert log.predictions == [None, "a"]
    assert "1 items have a log-likelihood that is not a number" in log.notes[0]


def test_generated_answers_and_their_exact_match(tmp_path: Path) -> None:
    rows = [
        {
            "doc_id": i,
            "target": f"so #### {i}",
            "arguments": {},
            "filtered_resps": [str(i)],
            "exact_match": float(i < 4),
        }
        for i in range(5)
    ]
    assert accuracy(join(*[read(write(tmp_path, lines(*rows)))] * 2)) == 0.8
    free = [{k: v for k, v in row.items() if k != "exact_match"} for row in rows]
    assert join(*[read(write(tmp_path, lines(*free)))] * 2).gold is None


def test_old_logs_with_a_row_per_filter(tmp_path: Path) -> None:
    rows = [
        {"doc_id": i, "doc": {"q": i}, "target": "1", "arguments": {}, "filtered_resps": [said], "exact_match": 1.0}
        for i in range(3)
        for said in ("1", "one")
    ]
    log = read(write(tmp_path, lines(*rows)))
    assert log.predictions == ["1"] * 3
    assert "one row per filter" in log.notes[0]
    with pytest.raises(UsageError, match="more than once"):
        read(write(tmp_path, lines(*rows[:-1])))
    with pytest.raises(UsageError, match="'filter' is list"):
        read(write(tmp_path, lines(rows[0] | {"filter": ["x"]})))
    with pytest.raises(UsageError, match="row 2: no doc_id"):
        read(write(tmp_path, lines(rows[0], {"id": 1})))


# -- inspect_ai


def test_failed_samples_are_left_out_and_said(tmp_path: Path) -> None:
    failed = {"id": 7, "epoch": 1, "target": "A", "scores": None, "error": {"message": "429 rate limit"}}
    none = {"id": 8, "epoch": 1, "target": "A", "scores": {}}
    gone = sample(9, "A", "C", "A", invalidation={"author": "x"})
    path = inspect(tmp_path, sample(1, "A", "C", "A"), failed, none, gone, status="error")
    log = read(path)
    assert log.ids == ["1"]
    told = " ".join(log.notes)
    for words in ("ended in an error (429 rate limit)", "were not scored", "were invalidated", "status is 'error'"):
        assert words in told
    assert read(path, failed="invalid").predictions == ["A", None, None, None]
    assert read(path, key="scores.match.value").ids == ["1"]
    with pytest.raises(UsageError, match="no sample was answered and scored"):
        read(inspect(tmp_path, failed, status="error"))


def test_one_scorer_by_name_for_both(tmp_path: Path) -> None:
    def log(name: str, *scorers: str) -> Path:
        scores = {s: {"value": "C", "answer": s} for s in scorers}
        return inspect(tmp_path, *({"id": i, "target": "A", "scores": scores} for i in range(2)), name=name)

    left, right = read_pair(log("l", "match", "includes"), log("r", "includes", "match"))
    assert left.grade == right.grade == "scores.match.value"
    assert left.predictions == right.predictions
    left, right = read_pair(log("l", "match"), log("r", "f1"))
    assert "no scorer in common" in left.notes[-1]


def test_epochs_against_one(tmp_path: Path) -> None:
    once = inspect(tmp_path, *(sample(i, "A", "C", "A") for i in range(3)), name="l")
    twice = inspect(tmp_path, *(sample(i, "A", "C", "A", epoch=e) for i in range(3) for e in (1, 2)), name="r")
    for pair in ((once, twice), (twice, once)):
        joined = join(*read_pair(*pair))
        assert joined.ids == ["0#1", "1#1", "2#1"]
        assert "first epoch" in joined.notes["epochs"]


def test_several_targets(tmp_path: Path) -> None:
    log = read(inspect(tmp_path, sample(0, ["bike", "bicycle"], "C", "bicycle"), sample(1, ["a", "b"], "I", "c")))
    assert accuracy(join(log, log)) == 0.5
    every = {"id": 0, "target": ["A", "C"], "scores": {"choice": {"value": "C", "answer": "A, C"}}}
    assert read(inspect(tmp_path, every)).gold == ["A, C"]
    rows = lines({"id": 0, "prediction": "b", "label": ["a", "b"]}, {"id": 1, "prediction": "c", "label": ["a", "b"]})
    assert accuracy(join(*[read(write(tmp_path, rows))] * 2)) == 0.5


@pytest.mark.parametrize(
    ("one", "words"),
    [
        ({"id": 1, "scores": "x"}, "'scores' is str"),
        ({"id": 1, "scores": [1]}, "'scores' is list"),
        ({"id": 1, "scores": 2.5}, "'scores' is float"),
        ({"id": 1, "epoch": [1], "scores": {}}, "'epoch' is list"),
        ({"id": 1, "epoch": {}, "scores": {}}, "'epoch' is dict"),
        ({"id": None}, "its id is empty"),
        ({"id": {"a": 1}}, "its id is empty or no text"),
        (3, "without id"),
        ({"id": 1, "scores": {"m": {"answer": ["a", "b"]}}}, "list of 2"),
        ({"id": 1, "scores": {"m": {"answer": {"a": 1}}}}, "an object, not a label"),
    ],
)
def test_samples_of_another_shape(tmp_path: Path, one: object, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read(inspect(tmp_path, one))


def test_old_scores_are_bare_values(tmp_path: Path) -> None:
    log = read(inspect(tmp_path, {"id": 1, "scores": {"m": 1}, "target": "x"}), key="scores.m")
    assert log.predictions == ["1"]
    for samples in (7, "x", {"a": 1}):
        with pytest.raises(UsageError, match="'samples' is no list"):
            read(write(tmp_path, json.dumps({"eval": {}, "samples": samples})))


# -- archives


def archive(tmp_path: Path, *members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as made:
        for name, data in members:
            made.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_any_damage_to_an_archive_is_one_clear_error(tmp_path: Path, method: int) -> None:
    body = json.dumps(sample(1, "A", "C", "A") | {"store": "x" * 300}).encode()
    whole = archive(tmp_path, ("header.json", b"{}"), ("samples/1.json", body), method=method)
    for place in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[place] ^= 0x41
        try:
            read(write(tmp_path, bytes(damaged), "x.eval"))
        except UsageError as error:
            assert "x.eval" in str(error)
        with pytest.raises(UsageError):
            read(write(tmp_path, whole[:place], "x.eval"))


def test_what_is_packed_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zstandard = pytest.importorskip("zstandard")
    monkeypatch.setattr("cascade_equivalence.logs.archive.MOST_MEMBER", 2 << 20)
    monkeypatch.setattr("cascade_equivalence.logs.archive.MOST_ALL", 8 << 20)
    monkeypatch.setattr("cascade_equivalence.reading.text.MOST_UNPACKED", 2 << 20)
    blank = b" " * (1 << 20)
    with pytest.raises(UsageError, match="unpacks to 3 MB, over the bound of 2 MB"):
        read(write(tmp_path, archive(tmp_path, ("samples/1.json", 3 * blank))))
    with pytest.raises(UsageError, match="which is not read"):
        read(write(tmp_path, archive(tmp_path, *((f"samples/{i}.json", blank) for i in range(10)))))
    packer = zstandard.ZstdCompressor().compressobj(size=10 * len(blank))
    data = b"".join([*(packer.compress(blank) for _ in range(10)), packer.flush()])
    forged = bytearray(archive(tmp_path, ("samples/1.json", data), method=zipfile.ZIP_STORED))
    local, central = forged.find(b"PK\x03\x04"), forged.find(b"PK\x01\x02")
    forged[local + 8 : local + 10] = forged[central + 10 : central + 12] = (93).to_bytes(2, "little")
    with pytest.raises(UsageError, match="unpacks to more than"):
        read(write(tmp_path, bytes(forged)))
    rows = lines(*({"id": i, "prediction": "x" * 1000} for i in range(3000)))
    with pytest.raises(UsageError, match="unpacks to more than 2 MB"):
        read(write(tmp_path, gzipped(rows.encode())))


# -- one value, two spellings


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, "1"), (1.0, "1"), ("1.0", 1), ("-3.00", -3), ("-0.0", 0), (True, "True"), (False, "FALSE"), ("true", "TRUE"),  # noqa: E501
        ("caf\u00e9", "cafe\u0301"), (" a\u00a0", "a"), ("\ufeffa", "a"), ("a\u200b", "a"), (["x"], "x"), (2.5, "2.5"),
    ],
)  # fmt: skip
def test_one_value_two_spellings(tmp_path: Path, one: object, other: object) -> None:
    left = read(write(tmp_path, lines({"id": 1, "prediction": one, "label": one}), "l"))
    right = read(write(tmp_path, lines({"id": "1.0", "prediction": other, "label": other}), "r"))
    joined = join(left, right)
    assert joined.ids == ["1"]
    assert len(joined.labels) == 1


def test_what_is_not_the_same_stays_apart() -> None:
    from cascade_equivalence.reading.values import text_label

    apart = ["007", "7", "1.5", "1.50", "1.10", "1.1", "yes", "Yes", "no", "a b", "ab", "\u2460"]
    assert len({text_label(x) for x in apart}) == len(apart)
    assert [text_label(x) for x in ("", " ", "NaN", "INVALID", "<NA>")] == [None] * 5


def test_decimals_bytes_and_dates_in_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    from decimal import Decimal

    table = pyarrow.table(
        {"id": [b"a", b"b"], "prediction": [Decimal("1.00"), Decimal("2.50")], "label": [True, False]}
    )
    parquet.write_table(table, tmp_path / "x")
    log = read(tmp_path / "x")
    assert (log.ids, log.predictions, log.gold) == (["a", "b"], ["1", "2.5"], ["true", "false"])
    far = pyarrow.table({"id": [1], "prediction": pyarrow.array([10**7], pyarrow.date32())})
    parquet.write_table(far, tmp_path / "y")
    with pytest.raises(UsageError, match="damaged Parquet"):
        read(tmp_path / "y")
    twice = pyarrow.Table.from_arrays([pyarrow.array([1])] * 3, names=["id", "prediction", "prediction"])
    parquet.write_table(twice, tmp_path / "z")
    with pytest.raises(UsageError, match="'prediction' is there twice"):
        read(tmp_path / "z")
    raw = pyarrow.table({"id": [1], "prediction": [b"\xff\xfe\x00"]})
    parquet.write_table(raw, tmp_path / "w")
    with pytest.raises(UsageError, match="binary data"):
        read(tmp_path / "w")


# -- text


ROWS = lines({"id": 1, "prediction": "a"}, {"id": 2, "prediction": "b"})
TABLE = "id,prediction\n1,a\n2,b\n"


@pytest.mark.parametrize(
    "data",
    [
        ROWS.encode(), b"\xef\xbb\xbf" + ROWS.encode(), ROWS.encode("utf-16"), ROWS.replace("\n", "\r\n").encode(),
        b"\xfe\xff" + ROWS.encode("utf-16-be"), gzipped(ROWS.encode()), gzipped(TABLE.encode()),
        ROWS.replace(" ", "\n").replace("\n}", "}").encode(), f"[{ROWS.strip().replace(chr(10), ',')}]".encode(),
        TABLE.encode(), TABLE.encode("utf-16"), TABLE.replace(",", ";").encode(), b"sep=;\n" + TABLE.replace(",", ";").encode(),  # noqa: E501
        b"\xef\xbb\xbfsep=\t\r\n" + TABLE.replace(",", "\t").encode(), b'id,"pre\ndiction"\n1,a\n2,b\n'.replace(b"pre\nd", b"pred"),  # noqa: E501
        b'{"1": {"prediction": "a"}, "2": {"prediction": "b"}}', b'{"id": {"0": 1, "1": 2}, "prediction": {"0": "a", "1": "b"}}',  # noqa: E501
        b'{"columns": ["id", "prediction"], "index": [0, 1], "data": [[1, "a"], [2, "b"]]}',
        b'{"schema": {}, "data": [{"id": 1, "prediction": "a"}, {"id": 2, "prediction": "b"}]}',
    ],
)  # fmt: skip
def test_the_same_rows_in_many_dresses(tmp_path: Path, data: bytes) -> None:
    log = read(write(tmp_path, data))
    assert (log.ids, log.predictions) == (["1", "2"], ["a", "b"])


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    text = "a\u2028b\u0085c\x0cd"
    path = write(
        tmp_path, "".join(json.dumps({"id": i, "prediction": text}, ensure_ascii=False) + "\n" for i in range(3))
    )
    assert len(read(path)) == 3


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"id": 1, "prediction": "a", "prediction": "b"}\n', "the key 'prediction' is there twice"),
        (b'[{"id": 1, "id": 2, "prediction": "b"}]', "the key 'id' is there twice"),
        (b"id,prediction,prediction\n1,a,b\n", "the heading 'prediction' is there twice"),
        (b"id,prediction, prediction\n1,a,b\n", "the heading 'prediction' is there twice"),
        (b'{"id": 1, "prediction": "\\ud83d"}\n', "line 1: not JSON .a lone surrogate"),
        (b'{"id": 1, "prediction": "a"}\n{"id": "\\uDC00", "prediction": "a"}\n', "line 2: not JSON .a lone surrogate"),
        (b'{"id": ' + b"[" * 50_000 + b"]" * 50_000 + b"}\n", "nested too deeply"),
        (bz2.compress(b"x"), "compressed with bzip2"),
        (gzipped(ROWS.encode())[:-9], "damaged gzip"),
        (b'[{"text": "q", "answer": "yes"}]', "--id-key '#' takes the row's number"),
        (b'{"results": [1], "x": 2}', "if the rows are in 'results', save that list alone"),
        (b"id,prediction\n1,\xe9\n", "neither text"),
        (b'{"id": 1, "prediction": ' + b"9" * 5000 + b"}\n", "digits"),
        (b"x" * 140_000 + b",y\n", "CSV|no predictions"),
    ],
)  # fmt: skip
def test_one_clear_error(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        read(write(tmp_path, data))
    assert len(str(caught.value)) < 1000


def test_rows_by_number(tmp_path: Path) -> None:
    path = write(tmp_path, '[{"said": "yes"}, {"said": "no"}]')
    assert read(path, key="said", id_key="#").ids == ["1", "2"]


def test_a_row_has_one_number_in_every_format(tmp_path: Path) -> None:
    """Neither a heading, an empty line nor a log's own numbering moves the rows of one file against another's."""
    files = {
        "rows.csv": "prediction,note\nyes,\nno,\n",
        "rows.jsonl": '{"prediction": "yes"}\n\n{"prediction": "no"}\n',
        "lm-eval.jsonl": lines(*(scored(n, s, 0, ["yes", "no"]) for n, s in ((7, [-1, -2]), (8, [-2, -1])))),
    }
    for name, text in files.items():
        found = read(write(tmp_path, text, name), id_key="#")
        assert (name, found.ids, found.predictions) == (name, ["1", "2"], ["yes", "no"])


def test_a_harness_log_by_another_id(tmp_path: Path) -> None:
    rows = [scored(n, [-1, -2, -3], 0, doc={"id": name}) for n, name in enumerate("ba")]
    assert read(write(tmp_path, lines(*rows)), id_key="doc.id").ids == ["b", "a"]


def test_gold_labels_that_a_gold_file_overrules_are_noted(tmp_path: Path) -> None:
    left = read(write(tmp_path, lines(*({"id": i, "prediction": "a", "label": "a"} for i in range(3)))))
    gold = read(write(tmp_path, lines(*({"id": i, "label": "ab"[i % 2]} for i in range(3))), "gold"), only_gold=True)
    assert "for 1 of 3 items (1)" in join(left, left, gold).notes["gold"]
    assert "gold" not in join(left, left, replace(gold, gold=["a"] * 3)).notes


def test_long_names_are_cut(tmp_path: Path) -> None:
    path = write(tmp_path, lines({"x" * 100_000: 1, "id": "y" * 100_000}))
    with pytest.raises(UsageError) as caught:
        read(path)
    assert len(str(caught.value)) < 600


def test_voicebench_with_and_without_an_id(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"p{i}", "reference": "yes", "response": said} for i, said in enumerate(["Yes, it does.", "No."])
    ]
    log = read(write(tmp_path, lines(*(row | {"id": f"n_{i}"} for i, row in enumerate(rows)))))
    assert (log.format, log.ids, log.predictions) == ("voicebench", ["n_0", "n_1"], ["yes", "no"])
    assert read(write(tmp_path, lines(*rows))).ids == ["1: p0", "2: p1"]
