import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cascade_equivalence.errors import UsageError
from cascade_equivalence.logs import join, read

FIXTURES = Path(__file__).parent / "fixtures"
WORDS = ["World", "Sports", "Business", "Sci/Tech"]


def write(tmp_path, text, name="file"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_inspect_archive():
    pytest.importorskip("zstandard")
    left, right = read(FIXTURES / "inspect_left.eval"), read(FIXTURES / "inspect_right.eval")
    assert left.format == "inspect"
    assert left.ids == [f"q{i:02d}" for i in range(8)]
    assert left.gold == list("ABCDABCD")
    assert left.predictions == ["A", "B", "C", "A", "A", None, "C", "D"]
    assert right.predictions == ["A", "B", "C", "A", "A", "B", "C", "B"]
    joined = join(left, right)
    assert joined.labels == ("A", "B", "C", "D")
    assert joined.left[5] == -1
    graded = read(FIXTURES / "inspect_left.eval", key="scores.choice.value")
    assert graded.predictions == ["C", "C", "C", "I", "C", "I", "C", "C"]


def test_inspect_json_with_epochs_forms_groups():
    log = read(FIXTURES / "inspect_epochs.json")
    assert log.format == "inspect"
    assert sorted(log.ids) == [f"q{i:02d}#{e}" for i in range(3) for e in (1, 2)]
    assert sorted(set(log.groups)) == ["q00", "q01", "q02"]
    by_id = dict(zip(log.ids, log.gold, strict=True))
    assert by_id["q01#2"] == "Sports"
    assert set(log.predictions) <= set(WORDS)
    assert len(set(join(log, log).clusters)) == 3


def test_inspect_archive_without_zstandard_support_says_what_to_do(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "zstandard", None)
    with pytest.raises(UsageError, match="inspect log convert"):
        read(FIXTURES / "inspect_left.eval")


def test_inspect_archive_compressed_the_old_way(tmp_path):
    path = tmp_path / "old.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(3):
            scores = {"match": {"value": "C", "answer": "yes"}} if i else None
            archive.writestr(f"samples/{i}_epoch_1.json", json.dumps({"id": i, "target": ["yes"], "scores": scores}))
    log = read(path)
    assert log.ids == ["1", "2"]
    assert log.predictions == ["yes", "yes"]
    assert log.gold == ["yes"] * 2
    assert "1 of 3 samples were not scored: left out" in log.notes[0]
    assert read(path, failed="invalid").predictions == [None, "yes", "yes"]


def test_lm_eval_multiple_choice_is_the_largest_likelihood():
    log = read(FIXTURES / "lm_eval_left_choice.jsonl")
    assert log.format == "lm-eval"
    assert log.ids == [str(i) for i in range(12)]
    assert log.gold == [WORDS[i % 4] for i in range(12)]
    rows = [json.loads(x) for x in (FIXTURES / "lm_eval_left_choice.jsonl").read_text().splitlines()]
    # The tool's own accuracy on each item is what our label gives.
    assert [p == g for p, g in zip(log.predictions, log.gold, strict=True)] == [row["acc"] == 1.0 for row in rows]
    right = read(FIXTURES / "lm_eval_right_choice.jsonl")
    assert right.predictions != log.predictions


def test_lm_eval_generation():
    log = read(FIXTURES / "lm_eval_words.jsonl")
    assert log.predictions == ["lol"] * 12
    assert log.gold[:4] == WORDS


def test_lm_eval_with_differing_choices_compares_positions(tmp_path):
    row = json.loads((FIXTURES / "lm_eval_left_choice.jsonl").read_text().splitlines()[0])
    other = json.loads(json.dumps(row)) | {"doc_id": 1}
    other["arguments"]["gen_args_0"]["arg_1"] = " Weather"
    log = read(write(tmp_path, lines(row, other)))
    assert log.gold == ["0", "0"]
    assert set(log.predictions) <= {"0", "1", "2", "3"}
    assert "positions" in log.notes[0]


def test_lm_eval_filters_are_not_mixed(tmp_path):
    rows = [
        {"doc_id": i, "target": "7", "filtered_resps": [text], "arguments": {}, "filter": name}
        for name, text in (("strict", "7"), ("flexible", "8"))
        for i in range(3)
    ]
    log = read(write(tmp_path, lines(*rows)))
    assert log.predictions == ["7"] * 3
    assert "strict" in log.notes[0]


def test_lmms_eval_from_documentation():
    log = read(FIXTURES / "lmms_eval.jsonl")
    assert log.format == "lmms-eval"
    assert log.ids == ["0", "1", "2"]
    assert log.predictions == ["positive", "positive", None]
    assert log.gold == ["positive", "negative", "negative"]


def test_voicebench_from_documentation_never_guesses():
    log = read(FIXTURES / "voicebench.jsonl")
    assert log.format == "voicebench"
    assert log.predictions == ["A", "B", None]
    assert log.gold == ["A", "B", "C"]


def test_jsonl_csv_and_parquet_read_alike(tmp_path):
    rows = [
        {"id": "a", "prediction": "World", "label": "World", "group": "g1"},
        {"id": "b", "prediction": None, "label": "Sports", "group": "g1"},
        {"id": "c", "prediction": "INVALID", "label": "Sports", "group": "g2"},
    ]
    jsonl = read(write(tmp_path, lines(*rows), "x.jsonl"))
    text = "id,prediction,label,group\na,World,World,g1\nb,,Sports,g1\nc,INVALID,Sports,g2\n"
    comma = read(write(tmp_path, text, "x.anything"))
    tab = read(write(tmp_path, "\ufeff" + text.replace(",", "\t"), "x.tsv"))
    document = read(write(tmp_path, json.dumps(rows, indent=2), "x.json"))
    for other in (comma, tab, document):
        for name in ("ids", "predictions", "gold", "groups"):
            assert getattr(other, name) == getattr(jsonl, name), name
    assert jsonl.predictions == ["World", None, None]
    assert [jsonl.format, comma.format, tab.format] == ["jsonl", "csv", "csv"]


def test_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"id": [1, 2, 3], "prediction": [0.0, float("nan"), None], "label": [0, 1, 1]})
    parquet.write_table(table, tmp_path / "x")
    log = read(tmp_path / "x")
    assert log.format == "parquet"
    assert log.ids == ["1", "2", "3"]
    assert log.predictions == ["0", None, None]
    assert log.gold == ["0", "1", "1"]
    damaged = write(tmp_path, (tmp_path / "x").read_bytes()[:-20], "y")
    with pytest.raises(UsageError, match="damaged Parquet"):
        read(damaged)


def test_parquet_without_pyarrow_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"\[parquet\]"):
        read(write(tmp_path, b"PAR1" + b"\x00" * 20))


def test_dotted_keys(tmp_path):
    path = write(tmp_path, lines({"id": 1, "pred": {"a": "x", "b": ["y", "z"]}, "pred.c": "w", "gold": "x"}))
    assert read(path, key="pred.a").predictions == ["x"]
    assert read(path, key="pred.b.1").predictions == ["z"]
    assert read(path, key="pred.c").predictions == ["w"]
    assert read(path, key="pred.a").gold == ["x"]
    with pytest.raises(UsageError, match=r"pred\.a, pred\.b"):
        read(path, key="pred.q")
    with pytest.raises(UsageError, match="an object, not a label"):
        read(path, key="pred")
    with pytest.raises(UsageError, match="list of 2"):
        read(path, key="pred.b")


def test_numbers_and_booleans_meet_their_text(tmp_path):
    one = read(write(tmp_path, lines(*({"id": i, "prediction": p} for i, p in enumerate([1, 0.0, True, 2.5])))))
    other = read(
        write(
            tmp_path,
            lines(*({"id": str(i), "prediction": p} for i, p in enumerate(["1", "0", "true", "2.5"]))),
        )
    )
    assert one.ids == other.ids
    assert one.predictions == other.predictions


def test_nan_labels_are_invalid(tmp_path):
    log = read(write(tmp_path, '{"id": 1, "prediction": NaN}\n{"id": 2, "prediction": "x"}\n'))
    assert log.predictions == [None, "x"]


def test_half_written_last_line_is_left_out_and_noted(tmp_path):
    rows = lines(*({"id": i, "prediction": "x"} for i in range(3)))
    log = read(write(tmp_path, rows[:-8]))
    assert log.ids == ["0", "1"]
    assert "cut off" in log.notes[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("  \n\n", "empty"),
        ('{"id": 1, "prediction": "x"}\nnonsense\n{"id": 2, "prediction": "x"}\n', "line 2: not JSON"),
        ('{"id": 1, "prediction": "x"}\n[1]\n', "line 2: a JSON object"),
        ('{"id": 1, "prediction": "x"}\n{"id": 1, "prediction": "y"}\n', "more than once \\(1\\)"),
        ('{"id": 1, "answer": "x"}\n', "no field 'prediction'; there are: id, answer"),
        ('{"prediction": "x"}\n', "no id"),
        ('{"id": null, "prediction": "x"}\n', "no id"),
        ('{"id": 1, "prediction"', "neither JSON lines nor a JSON document"),
        ("[]", "no predictions"),
        ("[1, 2]", "no known format"),
        ('{"a": 1}', "no known format"),
        ("just some words\n", "no known format"),
        ("id,prediction\n", "no predictions"),
        ("id,prediction\n1,x,y\n", "3 cells under 2 headings"),
        ('id,prediction\n1,"x\n', "CSV"),
        (b"\x00\x01\x02\xff" * 100, "neither text"),
        (b"\xff\xfe\xfa" * 100, "neither text|no known format"),
        (b"id,prediction\n1,\xff\xfe\n", "neither text"),
        (b'{"id": 1, "prediction": "x"}\n{"id": 2, "prediction": "\xff"}\n', "neither text"),
        (b"PK\x03\x04" + b"junk" * 50, "damaged archive"),
        ("[" * 100_000, "nested too deeply|neither JSON"),
        ('{"eval": {}, "samples": []}', "no predictions"),
        ('{"eval": {}, "samples": [{"x": 1}]}', "without id"),
    ],
)
def test_bad_files_are_clear_errors(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(UsageError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        read(tmp_path / "nothing")
    with pytest.raises(UsageError, match="cannot be read"):
        read(tmp_path)


def test_archive_with_a_damaged_entry(tmp_path):
    data = bytearray((FIXTURES / "inspect_left.eval").read_bytes())
    place = data.find(b"samples/q00_epoch_1.json") + 80
    data[place : place + 200] = bytes(200)
    pytest.importorskip("zstandard")
    with pytest.raises(UsageError, match="cannot be read"):
        read(write(tmp_path, bytes(data)))


def test_join_counts_and_names_what_does_not_match(tmp_path):
    left = read(write(tmp_path, lines(*({"id": i, "prediction": "x", "label": "x"} for i in range(10))), "l"))
    right = read(write(tmp_path, lines(*({"id": i, "prediction": "y"} for i in range(9, 2, -1))), "r"))
    joined = join(left, right)
    assert joined.ids == [str(i) for i in range(3, 10)]
    assert joined.unmatched == {"left": ["0", "1", "2"], "right": []}
    assert "3 ids not compared: 0, 1, 2" in joined.notes["unmatched_left"]
    assert joined.labels == ("x", "y")
    np.testing.assert_array_equal(joined.left, 0)
    np.testing.assert_array_equal(joined.right, 1)
    np.testing.assert_array_equal(joined.gold, 0)


def test_labels_that_differ_in_case_only_are_pointed_out(tmp_path):
    left = read(write(tmp_path, lines({"id": 1, "prediction": "World"}, {"id": 2, "prediction": "x"}), "l"))
    right = read(write(tmp_path, lines({"id": 1, "prediction": "world"}, {"id": 2, "prediction": "x"}), "r"))
    joined = join(left, right)
    assert joined.labels == ("World", "world", "x")
    assert "World, world" in joined.notes["case"]


def test_join_refuses_contradictions(tmp_path):
    left = read(write(tmp_path, lines({"id": 1, "prediction": "x", "label": "x"}), "l"))
    right = read(write(tmp_path, lines({"id": 1, "prediction": "x", "label": "y"}), "r"))
    with pytest.raises(UsageError, match="different gold labels for 1 ids"):
        join(left, right)
    gold = read(write(tmp_path, lines({"id": 1, "label": "z"}, {"id": 2, "label": "z"}), "g"), only_gold=True)
    joined = join(left, right, gold)
    assert joined.gold is None
    assert "alike" in joined.notes["labels"]
    assert "no prediction equals any gold label" in joined.notes["accuracy"]
    other = read(write(tmp_path, lines({"id": 5, "prediction": "x"}), "o"))
    with pytest.raises(UsageError, match="no common ids"):
        join(left, other)
    with pytest.raises(UsageError, match="no gold label for any"):
        join(left, right, read(write(tmp_path, lines({"id": 9, "label": "z"}), "h"), only_gold=True))
