"""What is asked of a place where hits are counted: to take of several moving windows at once, or of none of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Window(NamedTuple):
    """At most `limit` hits of `key` in `seconds`."""

    key: str
    limit: int
    seconds: int


class Taken(NamedTuple):
    """What became of it. `hits` in its window, and the `seconds` until the oldest of them leaves it, are those of the
    one that was `refused`, or of the first."""

    refused: int | None
    hits: int
    seconds: float


class Windows(Protocol):
    """What our storages have beyond those of the `limits` library, whose windows are taken of one by one."""

    def take_all(self, windows: Sequence[Window], amount: int = 1) -> Taken:
        """Take `amount` hits of each window, or of none when one of them has not that many left. 0 only looks."""
        ...

    def give_back(self, windows: Sequence[Window]) -> None:
        """Forget the latest hit of each window."""
        ...

    def clear(self, key: str) -> None:
        """Forget all hits of a key."""
        ...
