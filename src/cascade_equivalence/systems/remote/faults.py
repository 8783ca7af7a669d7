"""What can come of a request but an answer."""

from __future__ import annotations


class Trouble(Exception):
    """A request failed in a way that may pass. wait_s: how long the server asks to wait, if it says so."""

    def __init__(self, reason: str, wait_s: float | None = None, billed: bool = False) -> None:
        super().__init__(reason)
        self.wait_s = wait_s
        self.billed = billed
        """Whether the server may have answered, and charge for it, all the same."""


class Refusal(Exception):
    """The server will not answer this one question (a filter, a request over length); the message is its reason."""


class InVain(Exception):
    """No answer after all attempts, or none allowed any more: the answer stays missing."""
