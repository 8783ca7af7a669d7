import io

from rich.console import Console

from cascade_equivalence.report.terminal import print_summary
from cascade_equivalence.study.results import analyse

from .journals import Made, make_run


def summary(directory, made):
    out = io.StringIO()
    print_summary(analyse(make_run(directory, made)), Console(file=out, width=80))
    return out.getvalue()


def test_fits_100_columns_and_says_who_answered_first(tmp_path):
    conditions = ("clean", "babble@20dB", "babble@10dB", "babble@5dB", "babble@0dB")
    tasks = {"topic": ("labels", ("World", "Sports", "Business")), "commonsense": ("labels", ("yes", "no"))}
    text = summary(tmp_path, Made(conditions=conditions, tasks=tasks))
    assert max(map(len, text.splitlines())) <= 100
    assert text.index("llmllmllmllm") < text.index("ACCURACY") < text.index("AGREEMENT") < text.index("WORD ERROR")
    assert "cascade-s against cascade-w  ceiling  n 24" in text
    assert "1 invalid" in text
    for condition in conditions:
        assert condition in text


def test_names_are_printed_as_they_are(tmp_path):
    text = summary(tmp_path, Made(arms=("gold", "[red]x[/red]", "\x1b[2Jy"), conditions=("clean",)))
    assert "[red]x[/red]" in text
    assert "\x1b[2J" not in text and "?[2Jy" in text


def test_unfinished_cells_say_n_of_m(tmp_path):
    assert "10 of 24" in summary(tmp_path, Made(stop_after=10))


def test_open_and_single_arm_studies_have_a_summary(tmp_path):
    assert "AGREEMENT" not in summary(tmp_path / "one", Made(arms=("gold",)))
    assert "difference" in summary(tmp_path / "open", Made(tasks={"trivia": ("open", ("Paris", "Rome"))}))
