"""Waiting for something to become true, instead of sleeping and hoping."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_STEP = 0.02


def wait_until(predicate: Callable[[], T], timeout: float = 10.0, what: str = "") -> T:
    """Call `predicate` until it gives something true, and return that.

    Raises AssertionError after `timeout` seconds, with `what` or the predicate's name. A look that a busy machine takes
    long for tells how it was when it began, so the last one begins after the deadline.
    """
    deadline = time.monotonic() + timeout
    is_last = False
    while not (value := predicate()):
        if is_last:
            raise AssertionError(f"not within {timeout} s: {what or getattr(predicate, '__name__', predicate)}")
        time.sleep(_STEP)
        is_last = time.monotonic() > deadline
    return value
