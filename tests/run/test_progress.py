import pytest

from cascade_equivalence.run.progress import Clock


class Hours:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_guesses_are_scaled_by_what_is_done() -> None:
    hours = Hours()
    clock = Clock(hours)
    clock.expect([("a", 10.0), ("b", 30.0)])
    assert clock.left() is None
    clock.enter("a")
    hours.now = 20.0
    clock.leave()
    assert clock.left() == pytest.approx(60.0)  # twice as slow as guessed
    clock.enter("b", 0.5)  # half was there before: the guess is of the other half
    clock.reach(0.75)
    hours.now = 50.0
    assert clock.left() == pytest.approx(15.0 * 50.0 / 25.0)


def test_a_stage_that_nobody_guessed_is_timed_by_itself() -> None:
    hours = Hours()
    clock = Clock(hours)
    clock.expect([("a", 10.0), ("b", 10.0)])
    clock.enter("a")
    hours.now = 10.0
    clock.leave()
    assert clock.enter("single requests") == ""
    assert clock.left() is None
    clock.reach(0.25)
    hours.now = 30.0
    assert clock.left() == pytest.approx(3 * 20.0 + 10.0)
    clock.reach(1.0)
    hours.now = 90.0
    clock.leave()
    assert clock.left() == pytest.approx(10.0)  # its time says nothing of the others


def test_nothing_left_to_do() -> None:
    clock = Clock(Hours())
    clock.enter("checks", 1.0)
    assert clock.left() == 0.0
