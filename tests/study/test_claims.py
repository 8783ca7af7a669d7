"""The paper's claims on planted studies: each is supported, contradicted or left open where that is so by design."""

from __future__ import annotations

from pathlib import Path

from cascade_equivalence.study.claims import Claim, Stands, claims
from cascade_equivalence.study.results import Results
from tests.study.planted import build, task

LABELS = ("a", "b", "c", "d")
N = 400


def gold(index: int) -> str:
    return LABELS[index % 4]


def wrong(index: int) -> str:
    return LABELS[(index + 1 + index // 7 % 3) % 4]


def heard(arm: str, index: int) -> str:
    """Gold is right on nearly all; two cascades share all but a few of their mistakes."""
    if arm == "gold":
        return gold(index) if index % 20 else wrong(index)
    missed = index % 10 == 0 or (arm == "w" and index % 97 == 1)
    return wrong(index) if missed else gold(index)


def study(directory: Path, speech: str) -> Results:
    """speech: `same` answers as the cascade does, `other` with mistakes of its own; in noise both break."""

    def answers(arm: str, name: str, condition: str, index: int) -> str:
        if arm != "speech":
            return heard(arm, index)
        if condition != "clean":
            return wrong(index) if index % 2 else heard("s", index)
        if speech == "same":
            return heard("s", index)
        missed = index % 10 == 5 or (index % 10 == 3 and index % 20 < 10)
        return wrong(index) if missed else gold(index)

    tasks = [task("topic", LABELS, N, conditions=["clean", "babble@0dB"])]
    return build(directory, tasks, answers)


def stands(found: tuple[Claim, ...], number: int) -> Stands:
    return next(claim.stands for claim in found if claim.number == number)


def test_the_same_answers_support_the_first_claim_and_noise_the_fifth(tmp_path: Path) -> None:
    found = claims(study(tmp_path, "same"))
    assert [claim.number for claim in found] == [1, 2, 3, 4, 5]
    assert stands(found, 1) == "supports"
    assert stands(found, 5) == "supports"
    first = found[0].evidence[0]
    assert first.n == N and first.figure.startswith("κ 1.00")


def test_other_answers_contradict_the_first_claim(tmp_path: Path) -> None:
    assert stands(claims(study(tmp_path, "other")), 1) == "contradicts"


def test_what_was_not_studied_says_what_it_needs(tmp_path: Path) -> None:
    found = claims(study(tmp_path, "same"))
    for number in (2, 3, 4):
        assert found[number - 1].evidence == ()
        assert found[number - 1].stands == "cannot tell"
        assert found[number - 1].missing
