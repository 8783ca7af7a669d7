"""Study files: no key is replaced by another, no word becomes a truth value, no number another one, in silence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cascade_equivalence.errors import UsageError
from cascade_equivalence.reading.yaml_text import MOST_BYTES, load_yaml, parse_yaml
from cascade_equivalence.study.spec import load_study

STUDY = "tasks: [topic]\nmodels: {llm: {id: m}}\narms: {gold: {transcript: gold, llm: llm}}\n"


def study(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: the key 'a' is there twice (first on line 1)"),
        ("x: {limit: 1, limit: 2}", "the key 'limit' is there twice"),
        ("x: [{a: 1, 'a': 2}]", "the key 'a' is there twice"),
        ("limit: yes", "limit: yes is text to some readers and true to others; write 'yes' or true"),
        ("x: [On]", "On is text to some readers"),
        ("arms: {no: 1}", "no is text to some readers and false to others"),
        ("seed: 010", "seed: 010 is a number to base 8 in YAML; write 10 or '010'"),
        ("seed: -0_17", "base 8"),
        ("limit: 1:30", "limit: 1:30 is a number to base 60"),
        ("limit: 190:20:30.5", "base 60"),
        ("margin: .NaN", "margin: .NaN is no number"),
        ("margin: -.inf", "no number that a study can use"),
        ("seed: !!int '" + "9" * 5000 + "'", "seed: a number of 5000 digits"),
        ("? [a, b]\n: c", "a key is a word"),
        ("1: a", "the key 1 is no text; write '1' in quotes"),
        ("~: a", "is no text"),
        ('name: "a\\eb"', "a control character (U+001B) in 'a?b'"),
        ('name: "a\\0b"', "U+0000"),
        ('{"a\\u202eb": 1}', "U+202E"),
        ('name: "\\ud83d"', "U+D83D"),
        ("a: &x [*x]", "nested too deeply"),
        ("[" * 30 + "]" * 30, "nested too deeply"),
        ("[" * 100_000, "nested too deeply"),
        ("a: 1\n---\na: 2\n", "single document"),
        ("a: [", "not YAML"),
        ("a: !!python/object/apply:os.getcwd []", "not YAML"),
        ("a: !!int ''", "not YAML"),
        ("a: !!float x", "not YAML"),
    ],
)
def test_traps_are_errors_that_name_them(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_yaml(text, "my.yaml")
    assert words in str(caught.value)
    assert str(caught.value).startswith("my.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1e2", {"a": 100.0}),
        ("a: 3E-2", {"a": 0.03}),
        ("a: '010'", {"a": "010"}),
        ("a: 'no'", {"a": "no"}),
        ("a: true", {"a": True}),
        ("a: 0", {"a": 0}),
        ("a: 00", {"a": 0}),
        ("a: 2024-01-01", {"a": "2024-01-01"}),
        ("a: noise:white@5dB", {"a": "noise:white@5dB"}),
        ("base: &b {x: 1}\na: {<<: *b, x: 2}", {"base": {"x": 1}, "a": {"x": 2}}),
    ],
)
def test_what_is_unambiguous_is_read(text: str, value: object) -> None:
    assert parse_yaml(text, "x") == value


def test_aliases_do_not_multiply() -> None:
    laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
    )
    with pytest.raises(UsageError, match="more than"):
        parse_yaml(laughs, "x")
    merges = "a0: &a0 {x: 1, y: 2}\n" + "".join(
        f"a{i}: &a{i} {{<<: [{','.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 10)
    )
    try:  # PyYAML before 6.0.3 repeats what is merged
        assert parse_yaml(merges, "x")["a9"] == {"x": 1, "y": 2}
    except UsageError as error:
        assert "merged keys" in str(error)


def test_a_file_is_bounded_and_may_have_a_mark(tmp_path: Path) -> None:
    assert load_yaml(study(tmp_path, "\ufeffa: 1")) == {"a": 1}
    (tmp_path / "wide.yaml").write_text("a: 1", encoding="utf-16")
    assert load_yaml(tmp_path / "wide.yaml") == {"a": 1}
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9")
    with pytest.raises(UsageError, match="save it as UTF-8"):
        load_yaml(tmp_path / "latin.yaml")
    with pytest.raises(UsageError, match="more than 1 MB"):
        load_yaml(study(tmp_path, "#" * (MOST_BYTES + 1)))
    with pytest.raises(UsageError, match="more than 1 MB"):
        load_yaml(Path("/dev/zero"))


# 1e4 is the number it looks here, and a text to PyYAML, which writes it without quotes.
TEXT = st.text(max_size=8).filter(lambda text: not re.fullmatch(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+", text))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**9), 10**9) | TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=8,
    )
)
def test_what_the_writer_of_yaml_writes_is_read_back_or_refused(value: object) -> None:
    """PyYAML quotes every text that would be read as another kind, so nothing may change on the way."""
    try:
        assert parse_yaml(yaml.safe_dump(value), "x") == value
    except UsageError as error:
        assert any(word in str(error) for word in ("control character", "not YAML", "text to some readers"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("limit: true", "limit: true is no number"),
        ("margin: false", "margin: false is no number"),
        ("permute: [true]", "permute"),
        ("dtype: 16", "dtype"),
        ("device: 1", "device: Input should be a valid string; write it in quotes: '1'"),
        ("conditions: babble@5dB", "write [babble@5dB]"),
        ("conditions: [noise: white@5dB]", "write noise:white@5dB"),
        ("name: a/b", "not a path"),
        ("name: ..", "not dots alone"),
        ("name: ' '", "1 to 120 letters"),
        ("extends: no", "no is text"),
        ("extends: ''", "extends ''"),
        (f"permute: {list(range(2000))}", "permute: List should have at most"),
        (
            f"conditions: [{','.join(f'babble@{i / 100}dB' for i in range(3000))}]",
            "conditions: List should have at most",
        ),
    ],
)
def test_a_study_names_the_key_and_the_cure(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_study(study(tmp_path, STUDY + line))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("limit: 1e2", "limit", 100),
        ("resamples: 1e4", "resamples", 10_000),
        ("margin: 3e-2", "margin", 0.03),
        ("name: 2024-01-01", "name", "2024-01-01"),
    ],
)
def test_a_study_reads_numbers_as_they_look(tmp_path: Path, line: str, key: str, value: object) -> None:
    assert getattr(load_study(study(tmp_path, STUDY + line))[0], key) == value


@pytest.mark.parametrize("models", ["[[a, b]]", "gpt", "3"])
def test_models_that_are_no_mapping_are_named(tmp_path: Path, models: str) -> None:
    text = "\n".join(line for line in STUDY.splitlines() if not line.startswith("models"))
    with pytest.raises(UsageError, match="models: Input should be a valid dictionary"):
        load_study(study(tmp_path, f"{text}\nmodels: {models}\n"))


@pytest.mark.parametrize(
    "tasks", ["[topic, topic]", "[topic, {task: topic, limit: 3}]", "[{manifest: a/x.jsonl}, {manifest: b/x.jsonl}]"]
)
def test_a_task_that_is_there_twice_replaces_none(tmp_path: Path, tasks: str) -> None:
    text = "\n".join(line for line in STUDY.splitlines() if not line.startswith("tasks"))
    with pytest.raises(UsageError, match=r"'(topic|x)' is there twice; give one of them another name"):
        load_study(study(tmp_path, f"{text}\ntasks: {tasks}\n"))
